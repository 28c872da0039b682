// The tables of blocks: sorting, more rows, and a block's bytes. Text reaches the page through textContent only.
const ADDRESS = 0, SIZE = 1, SIZE_WORDS = 2, TIME = 3, TIME_WORDS = 4, THREAD = 5, KIND = 6, INHERITED = 7, HAS_FILE = 8, BYTES = 9, SITE = 10;
const MORE_ROWS = 200;
const FIRST_LINES = 32;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function decode(base64) {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

/** One line of a hex dump as three spans: offset, bytes, text. */
function dumpLine(bytes, start, width) {
  const slice = bytes.subarray(start, start + width);
  const hex = Array.from(slice, (byte) => byte.toString(16).padStart(2, "0"));
  const half = width / 2;
  const left = hex.slice(0, half).join(" "), right = hex.slice(half).join(" ");
  const text = Array.from(slice, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
  const line = document.createDocumentFragment();
  line.append(
    element("span", "offset", start.toString(16).padStart(6, "0") + "  "),
    element("span", slice.every((byte) => byte === 0) ? "zero" : "", (left + "  " + right).padEnd(width * 3 + 2)),
    element("span", "chars", text + "\n"));
  return line;
}

function dump(bytes, box) {
  const width = window.matchMedia("(max-width: 760px)").matches ? 8 : 16;
  const pre = element("pre");
  pre.tabIndex = 0;
  const fill = (from, to) => {
    for (let start = from; start < Math.min(to, bytes.length); start += width) pre.append(dumpLine(bytes, start, width));
  };
  const first = FIRST_LINES * width;
  fill(0, first);
  box.append(pre);
  if (bytes.length > first) {
    const all = element("button", "plain", `Show all ${bytes.length.toLocaleString("en")} bytes`);
    all.type = "button";
    all.addEventListener("click", () => { fill(first, bytes.length); all.remove(); pre.focus(); });
    box.append(all);
  }
}

/** Where a block was allocated, with a way to its call stack. */
function origin(stacks, site) {
  const text = element("p", "", "Allocated by "), label = stacks.sites.label[site];
  const link = element("a", "", label ? nameOf(stacks, label) : "an unknown call stack");
  link.href = "#site-" + site;
  text.append(link, label ? " " + whereOf(stacks, label) : "");
  return text;
}

/** The row under a block's row that shows its bytes. */
function detailRow(block, stacks) {
  const row = element("tr", "detail");
  const cell = element("td");
  cell.colSpan = 5;
  row.append(cell);
  const about = element("p", "", `${block[SIZE].toLocaleString("en")} ${block[SIZE] === 1 ? "byte" : "bytes"} by ${block[KIND]}, ` +
    `thread ${block[THREAD]}, ${block[TIME_WORDS]} after the start. `);
  cell.append(about);
  if (stacks && block[SITE] >= 0) cell.append(origin(stacks, block[SITE]));
  const bytes = block[BYTES] === null ? null : decode(block[BYTES]);
  if (block[HAS_FILE]) {
    const link = element("a", "", "heap/" + block[ADDRESS]);
    link.href = "heap/" + block[ADDRESS];
    const whole = bytes && bytes.length === block[SIZE];
    about.append(whole ? "" : `Here: the first ${(bytes || []).length.toLocaleString("en")} bytes. `, "File: ", link);
  }
  if (bytes && bytes.length) dump(bytes, cell);
  else if (block[SIZE]) about.append(block[HAS_FILE] ? "" : "Its contents were not kept.");
  return row;
}

function blockRow(block, toggled, stacks) {
  const row = element("tr");
  const address = element("td", "address");
  const button = element("button", "", block[ADDRESS]);
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  address.append(button);
  if (block[INHERITED]) address.append(" ", element("span", "tag", "inherited"));
  row.append(address, element("td", "size", block[SIZE_WORDS]), element("td", "kind", block[KIND]),
    element("td", "thread", block[THREAD]), element("td", "time", block[TIME_WORDS]));
  const toggle = () => {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) row.nextSibling.remove();
    else row.after(detailRow(block, stacks));
    toggled(open ? "" : block[ADDRESS]);
  };
  row.addEventListener("click", (event) => { if (!event.target.closest("a") && !String(getSelection())) toggle(); });
  return row;
}

/** Addresses are up to 16 hex digits: compared by length, then as text, since numbers would lose digits. */
function compareAddresses(left, right) {
  return left.length - right.length || (left < right ? -1 : left > right ? 1 : 0);
}

const COMPARE = {
  address: (a, b) => compareAddresses(a[ADDRESS], b[ADDRESS]),
  size: (a, b) => a[SIZE] - b[SIZE],
  kind: (a, b) => (a[KIND] < b[KIND] ? -1 : a[KIND] > b[KIND] ? 1 : 0),
  thread: (a, b) => a[THREAD] - b[THREAD],
  time: (a, b) => a[TIME] - b[TIME],
};

function startBlocks(id, blocks, firstRows, stacks) {
  const table = document.getElementById(id);
  if (!table) return;
  const body = table.tBodies[0], more = document.getElementById(id + "-more");
  let shown = 0;
  const remember = (address) => history.replaceState(null, "", address ? "#" + address : location.pathname + location.search);

  const showMore = (count) => {
    body.append(...blocks.slice(shown, shown + count).map((block) => blockRow(block, remember, stacks)));
    shown = Math.min(shown + count, blocks.length);
    more.textContent = blocks.length > firstRows ? `Shown: ${shown.toLocaleString("en")} of ${blocks.length.toLocaleString("en")}. ` : "";
    if (shown === blocks.length) return;
    const button = element("button", "plain", `Show ${Math.min(MORE_ROWS, blocks.length - shown)} more`);
    button.type = "button";
    button.addEventListener("click", () => {
      const next = shown;
      showMore(MORE_ROWS);
      body.querySelectorAll("tr:not(.detail)")[next].querySelector("button").focus();
    });
    more.append(button);
  };
  const restart = () => { body.replaceChildren(); shown = 0; showMore(firstRows); };

  const sortBy = (heading) => {
    const down = heading.getAttribute("aria-sort") !== "descending";
    for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const compare = COMPARE[heading.querySelector("button").dataset.column];
    blocks.sort((a, b) => (down ? compare(b, a) : compare(a, b)));
    restart();
  };
  for (const button of table.tHead.querySelectorAll("button")) button.addEventListener("click", () => sortBy(button.closest("th")));

  const openLinked = () => {
    const index = blocks.findIndex((block) => "#" + block[ADDRESS] === location.hash);
    if (index < 0) return;
    if (index >= shown) showMore(index + 1 - shown);
    const button = body.querySelectorAll("tr:not(.detail)")[index].querySelector("button");
    if (button.getAttribute("aria-expanded") === "false") button.click();
    button.scrollIntoView({ block: "center" });
  };
  restart();
  openLinked();
  window.addEventListener("hashchange", openLinked);
}

const data = JSON.parse(document.getElementById("data").textContent);
document.documentElement.classList.add("script");
const stacks = data.stacks && readStacks(data.stacks);
startBlocks("program-blocks", data.blocks, data.first, stacks);
startBlocks("runtime-blocks", data.runtime, data.first, stacks);
if (stacks) {
  startSites(stacks);
  startFlame(stacks);
}
