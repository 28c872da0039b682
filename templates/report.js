// Starts the page: one view at a time, chosen by the address. A view is { show(params), keys, help }, made when it is first looked at.
const STARTS = { crash: startBoxes, errors: startErrors, flame: startFlame, sites: startSites, time: startTime, blocks: startBlocks, leaks: startLeaks, snapshots: startChanges, changes: startChanges };
const NEEDS_TIME = ["sites", "time"], NEEDS_SNAPSHOTS = ["flame", "snapshots"]; // packs besides that of call stacks
const KEEP_MS = 200; // after the last scrolling, until the position is kept
const WARM_UP_MS = 50; // between two views that are made before anybody asks for them

function startPage() {
  const data = JSON.parse(document.getElementById("data").textContent), pack = packReader(data.packs);
  const sections = [...document.querySelectorAll("main > section")], navigation = [...document.querySelectorAll("nav a[href^='#']")];
  const labels = Object.assign(Object.create(null), Object.fromEntries(navigation.map((each) => [each.getAttribute("href").slice(1), each.dataset.label])));
  const started = {};
  let view = "", shown = null, turn = 0, went = true; // went: to a step of the history that is there already
  const page = {
    facts: data.facts, labels, pack, blocks: blockReader(pack), hasContents: Boolean(data.packs.contents), stacks: null, time: null, view: () => view, current: () => shown, has: (name) => Boolean(labels[name]),
    go(name, params, replace) {
      const hash = formatHash(name, params);
      if (hash === location.hash) return;
      keepPosition();
      went = false;
      history[replace ? "replaceState" : "pushState"](replace ? position() : null, "", hash);
      route();
    },
    /** The address of what a view has shown already. */
    note(name, params, replace) {
      const hash = formatHash(name, params);
      if (hash === location.hash || name !== view) return;
      keepPosition();
      history[replace ? "replaceState" : "pushState"](position(), "", hash);
    },
    switchUnits() { setUnits(units === UNITS.binary ? "decimal" : "binary"); route(); },
  };

  /** How far the page and what scrolls in its view are scrolled: kept with each step of the history, so that Back leads to where one was. */
  const scrollers = () => [...document.getElementById(view).querySelectorAll(".grid, .beside")];
  const position = () => ({ top: scrollY, inside: scrollers().map((each) => each.scrollTop) });
  function keepPosition() {
    if (shown === null && STARTS[view]) return; // it is on its way
    if (JSON.stringify(position()) !== JSON.stringify(history.state)) history.replaceState(position(), "");
  }
  function restorePosition(kept) {
    scrollers().forEach((each, i) => { each.scrollTop = kept.inside?.[i] || 0; });
    scrollTo(0, kept.top || 0);
  }

  async function start(name) {
    if (!STARTS[name]) return null;
    const columns = await pack("stacks");
    if (columns) page.stacks ||= readStacks(columns, data.facts);
    if (NEEDS_SNAPSHOTS.includes(name)) addColumns(page.stacks, await pack("snapshots"));
    if (NEEDS_TIME.includes(name)) page.time ||= readTime(await pack("time"));
    return STARTS[name](page, name);
  }

  /** Makes the views that nobody has looked at yet, one after the other, so that the first click on each is answered as fast as the others. */
  async function warmUp() {
    for (const { id } of sections) {
      await new Promise((done) => setTimeout(done, WARM_UP_MS));
      const made = await (started[id] ||= start(id));
      await made?.warm?.();
    }
    document.body.dataset.warm = "1"; // make bench waits for it
  }

  async function route() {
    const { view: wanted, params } = parseHash(location.hash), name = labels[wanted] ? wanted : sections[0].id, mine = ++turn, back = went;
    went = false;
    const moved = view !== "" && view !== name;
    view = name;
    delete document.body.dataset.ready;
    for (const section of sections) section.hidden = section.id !== name;
    for (const each of navigation) {
      if (each.getAttribute("href") === "#" + name) each.setAttribute("aria-current", "page");
      else each.removeAttribute("aria-current");
    }
    shown = null;
    const made = await (started[name] ||= start(name));
    if (mine !== turn) return;
    shown = made;
    const placed = await made?.show(params); // it has brought something into sight itself
    if (mine !== turn) return;
    const here = navigation.find((each) => each.hasAttribute("aria-current"));
    if (here) bringIntoStrip(here); // now the browser lays out, once
    if (moved && placed !== true) {
      scrollTo(0, 0);
      document.getElementById(name).querySelector("h2")?.focus({ preventScroll: true });
    }
    if (back && history.state) restorePosition(history.state);
    document.body.dataset.ready = name; // tests wait for it
  }

  function setUnits(name) {
    useUnits(name);
    for (const each of document.querySelectorAll(".size")) each.textContent = (each.classList.contains("signed") ? signedSize : sizeWords)(Number(each.value ?? each.dataset.value));
    unitsButton.textContent = name === "decimal" ? "kB" : "KiB";
    unitsButton.setAttribute("aria-label", name === "decimal" ? "Units of 1,000; switch to units of 1,024" : "Units of 1,024; switch to units of 1,000");
    try { localStorage.setItem("crunch-units", name); } catch { /* pages from disk may have no storage */ }
  }
  const tools = document.getElementById("tools"), unitsButton = button("", "KiB", () => page.switchUnits());
  const openHelp = startHelp(page), helpButton = button("", "?", openHelp);
  helpButton.setAttribute("aria-label", "Keys");
  tools.append(unitsButton, helpButton);
  let remembered = "binary";
  try { remembered = localStorage.getItem("crunch-units") || "binary"; } catch { /* as above */ }
  setUnits(remembered);

  document.documentElement.classList.add("script");
  for (const section of sections) section.querySelector("h2").tabIndex = -1;
  for (const box of document.querySelectorAll(".stack-box")) box.append(copyButton("Copy stack", () => listText(box.querySelector(".stack"))));
  document.querySelector(".skip").addEventListener("click", (event) => { // its address is none of a view's
    event.preventDefault();
    document.getElementById(view).querySelector("h2").focus();
  });
  history.scrollRestoration = "manual";
  let waiting = 0;
  document.addEventListener("scroll", () => { clearTimeout(waiting); waiting = setTimeout(keepPosition, KEEP_MS); }, { capture: true, passive: true });
  document.addEventListener("click", keepPosition, { capture: true });
  addEventListener("pagehide", keepPosition);
  addEventListener("popstate", (event) => { went = event.state !== null; });
  addEventListener("hashchange", route);
  route().then(warmUp);
}

/** Scrolls a strip of links so that one is in sight. scrollIntoView would have the keyboard go on from there, too. */
function bringIntoStrip(link) {
  const strip = link.parentNode, box = link.getBoundingClientRect(), room = strip.getBoundingClientRect();
  if (box.left < room.left) strip.scrollLeft += Math.floor(box.left - room.left);
  else if (box.right > room.right) strip.scrollLeft += Math.ceil(box.right - room.right);
}

/** A stack of the HTML as text, as stackText has it. */
function listText(list) {
  return [...list.children].map((item, depth) => {
    const where = item.querySelector(".where")?.textContent;
    return `#${depth} ${item.querySelector(".function").textContent}${where ? ` (${where})` : ""}\n`;
  }).join("");
}

if (typeof DecompressionStream === "undefined") {
  document.getElementById("old-browser").hidden = false; // everything that needs no script is there
} else startPage();
