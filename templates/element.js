// Small helpers around the document. Text reaches the page through textContent only.

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(className, text, pressed) {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", pressed);
  return made;
}

function link(hash, text, className) {
  const made = element("a", className || "", text);
  made.href = hash;
  return made;
}

/** A number of bytes that is written anew when the units are switched; for what is not made anew then. */
function sizeElement(bytes) {
  const made = element("data", "size", sizeWords(bytes));
  made.value = bytes;
  return made;
}

/** A list of label and value; a value is text or an element. */
function factList(rows) {
  const list = element("dl", "facts");
  for (const [label, value] of rows) {
    const row = element("div"), cell = element("dd");
    cell.append(value);
    row.append(element("dt", "", label), cell);
    list.append(row);
  }
  return list;
}

/** A choice of one of several values, [value, label] each; `changed` is told the value. */
function choice(label, values, changed) {
  const whole = element("label", "choice", label + " "), select = element("select");
  select.setAttribute("aria-label", label);
  for (const [value, text] of values) {
    const option = element("option", "", text);
    option.value = value;
    select.append(option);
  }
  select.addEventListener("change", () => changed(select.value));
  whole.append(select);
  whole.select = select;
  return whole;
}

/** An input that tells its text when typing pauses, if it is still in sight then. */
function typed(label, placeholder, changed, type = "search") {
  const input = element("input");
  input.type = type;
  input.placeholder = placeholder;
  input.setAttribute("aria-label", label);
  input.spellcheck = false;
  let waiting = 0;
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => { if (input.offsetParent) changed(input.value); }, 120); });
  return input;
}

/** A button that copies a text; what happened appears on it for a moment. */
function copyButton(label, text) {
  const made = button("plain", label, async () => {
    made.textContent = (await copyText(text())) ? "Copied" : "Copying is not allowed here";
    setTimeout(() => { made.textContent = label; }, 1500);
  });
  return made;
}

/** Pages from disk may not use the clipboard in every browser; an unseen text area always may. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", "unseen");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** A box that a wide table scrolls in; by keyboard, too. */
function scrollBox(label, ...inside) {
  const box = element("div", "scroll");
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", label);
  box.append(...inside);
  return box;
}

const SVG = "http://www.w3.org/2000/svg";

function drawn(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}
