// What is opened inside of a view: boxes, and lists of which more is shown than the beginning. Each has a key, a path like 0.3.1, and together
// they are a text for the address: '0.3.1_0.m2' is the box 0.3.1, with those around it, and two more parts of the list in box 0.

/** The keys that a text names, and those around them. */
function keysOf(text) {
  const found = new Set();
  for (const token of (text || "").split("_")) {
    for (let key = token; key; key = key.slice(0, Math.max(0, key.lastIndexOf(".")))) found.add(key);
  }
  return found;
}

/** The text that names these keys. */
function keysText(keys) {
  const around = new Set();
  for (const key of keys) around.add(key.slice(0, Math.max(0, key.lastIndexOf("."))));
  return keys.filter((key) => !around.has(key)).join("_");
}

/** changed(text): somebody opened or closed something. What is in the document when
 *  `show` is called, or entered later, is as its text says; `begin` is for a view that makes everything anew. */
function makeOpenings(changed) {
  const boxes = new Map(), lists = new Map();
  let wanted = keysOf(""), pages = new Map();
  const read = (text) => {
    wanted = keysOf(text);
    pages = new Map([...wanted].map((key) => /^(.*)\.m(\d+)$/.exec(key)).filter(Boolean).map(([, key, count]) => [key, Number(count)]));
  };
  const text = () => keysText([
    ...[...boxes].filter(([, { details }]) => details.isConnected && details.open && !details.parentElement.closest("details:not([open])")).map(([key]) => key),
    ...[...lists].filter(([, { holder, shown }]) => shown && holder.isConnected && !holder.closest("details:not([open])")).map(([key, { shown }]) => `${key}.m${shown}`),
  ]);
  const tell = () => {
    const now = text();
    read(now);
    changed(now);
  };
  const put = (box, open) => {
    box.details.open = open;
    if (open) box.fill();
  };
  return {
    text,
    begin(wantedText) {
      boxes.clear();
      lists.clear();
      read(wantedText);
    },
    show(wantedText) {
      read(wantedText);
      for (const [key, box] of boxes) if (box.details.isConnected) put(box, wanted.has(key)); // those that are entered meanwhile, too
      for (const [key, list] of lists) if (list.holder.isConnected && list.shown !== (pages.get(key) || 0)) list.begin(pages.get(key) || 0);
    },
    /** fill() makes what is inside, when it is opened; more than once does no harm. */
    box(key, details, fill) {
      boxes.set(key, { details, fill });
      details.addEventListener("toggle", () => {
        if (!details.isConnected || details.open === wanted.has(key)) return;
        if (details.open) fill();
        tell();
      });
      if (wanted.has(key)) put(boxes.get(key), true);
    },
    /** The first of `count` parts, then `step` more (all, without one) each time a button is pressed. make(from, to) makes elements; words(rest) names the button. */
    list(key, { count, first, step = Infinity, holder, make, words }) {
      const box = element("div"), more = button("plain", "", () => { list.more(); holder.focus(); tell(); });
      const list = {
        holder, shown: 0,
        begin(parts) {
          holder.replaceChildren(...make(0, Math.min(first, count)));
          list.shown = 0;
          box.replaceChildren(holder, ...(count > first ? [more] : []));
          more.textContent = words(count - first);
          while (list.shown < parts && box.contains(more)) list.more();
        },
        more() {
          const from = first + (list.shown ? list.shown * step : 0), to = Math.min(count, from + step);
          holder.append(...make(from, to));
          list.shown++;
          if (to < count) more.textContent = words(count - to); else more.remove();
        },
      };
      lists.set(key, list);
      list.begin(pages.get(key) || 0);
      return box;
    },
  };
}

/** Boxes of the HTML itself, whose state is #name?inside=0_2. */
function startBoxes(page, name) {
  const openings = makeOpenings((inside) => page.note(name, { inside }));
  [...document.getElementById(name).querySelectorAll("details")].forEach((details, i) => openings.box(String(i), details, () => {}));
  return { show: ({ inside }) => openings.show(inside) };
}
