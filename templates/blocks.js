// The view of the remaining blocks. Its state: #blocks?sort=size&down=0&min=4k&max=1M&thread=2&kind=1&site=12&text=hello&runtime=1&at=0x7f…&as=f64
// &inside=bytes.m1_held.0 (what is opened in the block's detail, see openings.js)
const BLOCK_RUNTIME = 1, BLOCK_INHERITED = 2, BLOCK_CONTENTS = 4;

/** The numbers of the blocks that a filter lets through. filter: { min, max, thread, kind, site, text, runtime }, as far as they are given. */
function filterBlocks(blocks, contents, filter) {
  const found = new Uint32Array(blocks.address.length), { size, thread, kind, site, flags } = blocks;
  const min = filter.min ? parseSize(filter.min) : 0, max = filter.max ? parseSize(filter.max) : Infinity;
  const least = Number.isNaN(min) ? 0 : min, most = Number.isNaN(max) ? Infinity : max;
  const ofThread = filter.thread ? Number(filter.thread) : -1, ofKind = filter.kind ? Number(filter.kind) : -1;
  const ofSite = filter.site !== undefined && filter.site !== "" ? Number(filter.site) + 1 : -1, runtime = filter.runtime === "1";
  const holding = filter.text ? blocksHolding(contents, wantedBytes(filter.text)) : null;
  let count = 0;
  for (let block = 0; block < size.length; block++) {
    if (size[block] < least || size[block] > most || (ofThread >= 0 && thread[block] !== ofThread) || (ofKind >= 0 && kind[block] !== ofKind)) continue;
    if ((ofSite >= 0 && site[block] !== ofSite) || (!runtime && flags[block] & BLOCK_RUNTIME) || (holding && !holding.has(block))) continue;
    found[count++] = block;
  }
  return found.subarray(0, count);
}

/** The blocks whose kept bytes hold these bytes. */
function blocksHolding(contents, wanted) {
  const found = new Set();
  if (!contents || !wanted.length) return found;
  for (let i = 0; i < contents.block.length; i++) {
    if (holdsBytes(contents.bytes, contents.start[i], contents.start[i] + contents.length[i], wanted)) found.add(contents.block[i]);
  }
  return found;
}

/** Adds to the contents where each block's bytes begin, and which entry is a block's. */
function readContents(columns) {
  if (!columns) return null;
  const start = new Float64Array(columns.length.length), of = new Map();
  let at = 0;
  columns.length.forEach((length, i) => { start[i] = at; at += length; of.set(columns.block[i], i); });
  return { ...columns, start, of };
}

function bytesOf(contents, block) {
  const at = contents ? contents.of.get(block) : undefined;
  return at === undefined ? null : contents.bytes.subarray(contents.start[at], contents.start[at] + contents.length[at]);
}

const addressWords = (address) => "0x" + address.toString(16);

/** What views of blocks share, made when first asked for: columns, and who holds which; null if the page has no blocks. Contents and what
 *  they point at are there when `whole` has been fulfilled. */
function blockReader(pack) {
  let promised = null;
  return () => (promised ||= (async () => {
    const blocks = await pack("blocks");
    if (!blocks) return null;
    const shared = { blocks, orders: keptOrders(blocks, blocks.address.length), contents: null, pointers: null, held: blocks.holder ? readHolders(blocks) : null };
    shared.whole = pack("contents").then((columns) => {
      shared.contents = readContents(columns);
      shared.pointers = pointerIndex(blocks, shared.contents);
    });
    return shared;
  })());
}

async function startBlocks(page) {
  const shared = await page.blocks();
  if (!shared) return { show() {} };
  const { blocks, orders } = shared, { stacks } = page, kinds = page.facts.kinds;
  const section = document.getElementById("blocks"), split = element("div", "split"), detail = element("aside", "beside"), chips = element("p", "chips");
  const say = element("p", "quiet"), tools = element("div", "tools");
  say.setAttribute("role", "status");
  detail.setAttribute("aria-label", "The opened block");
  let params = {}, listed = "", filtered = "", found = null, bytes = 0;
  const go = (change, replace) => page.go("blocks", { ...params, ...("at" in change ? { inside: "" } : {}), ...change }, replace);
  const openings = makeOpenings((inside) => { params = { ...params, inside }; page.note("blocks", params); });
  const siteName = (site) => { const label = stacks.sites.label[site]; return label ? nameOf(stacks, label) : "an unknown call stack"; };

  const grid = makeGrid({
    id: "blocks", label: "Remaining blocks", rowPixels: 28,
    columns: [
      { key: "address", label: "Address", width: "minmax(11rem, 1fr)", narrow: "minmax(8rem, 1fr)", fill: (cell, block) => {
        cell.append(element("code", "", addressWords(blocks.address[block])));
        if (blocks.flags[block] & BLOCK_RUNTIME) cell.append(" ", element("span", "tag", "runtime"));
        if (blocks.flags[block] & BLOCK_INHERITED) cell.append(" ", element("span", "tag", "inherited"));
      } },
      { key: "size", label: "Size", width: "7rem", narrow: "6.8rem", number: true, fill: (cell, block) => cell.append(sizeWords(blocks.size[block])) },
      { key: "site", label: "Allocated by", width: "minmax(10rem, 2fr)", sort: false, fill: (cell, block) => {
        if (stacks && blocks.site[block]) cell.append(functionName(siteName(blocks.site[block] - 1), SHORT_NAME, ANONYMOUS), " ",
          element("span", "where", stacks.sites.label[blocks.site[block] - 1] ? whereOf(stacks, stacks.sites.label[blocks.site[block] - 1]) : ""));
      } },
      { key: "kind", label: "From", width: "5rem", narrow: "4.5rem", fill: (cell, block) => cell.append(kinds[blocks.kind[block]]) },
      { key: "thread", label: "Thread", width: "5rem", number: true, fill: (cell, block) => cell.append(number(blocks.thread[block])) },
      { key: "time", label: "After", width: "6.5rem", number: true, fill: (cell, block) => cell.append(timeWords(blocks.time[block] * 1000)) },
    ],
    sorted: (key) => go({ sort: key, down: (params.sort || "size") === key && params.down !== "0" ? "0" : "" }),
    opened: (block) => go({ at: addressWords(blocks.address[block]) }),
    moved: (block) => { if (params.at) go({ at: addressWords(blocks.address[block]) }, true); },
  });

  const inside = typed("Text inside", "Text inside, or hex: 7f 45", (text) => go({ text }, true));
  const min = typed("Smallest size", "from", (text) => go({ min: sizeWithUnit(text) }, true), "text"), max = typed("Largest size", "to", (text) => go({ max: sizeWithUnit(text) }, true), "text");
  const sizes = element("span", "choice", "Size ");
  sizes.append(min, " – ", max);
  const kind = choice("From", [["", "any"], ...distinct(blocks.kind).map((each) => [String(each), kinds[each]])], (value) => go({ kind: value }));
  const threads = distinct(blocks.thread).slice(0, 500);
  const thread = choice("Thread", [["", "any"], ...threads.map((each) => [String(each), number(each)])], (value) => go({ thread: value }));
  const own = element("label", "choice"), ownBox = element("input");
  ownBox.type = "checkbox";
  ownBox.addEventListener("change", () => go({ runtime: ownBox.checked ? "1" : "" }));
  own.append(ownBox, " The runtime's own, too");
  if (page.hasContents) tools.append(inside);
  tools.append(sizes);
  if (kind.select.options.length > 2) tools.append(kind);
  if (threads.length > 1) tools.append(thread);
  if (blocks.flags.some((flags) => flags & BLOCK_RUNTIME)) tools.append(own);

  const list = () => {
    const { sort, down, min: least, max: most, thread: by, kind: from, site, text, runtime } = params;
    const filter = JSON.stringify([least, most, by, from, site, text, runtime, units.base]), wanted = filter + sort + down;
    if (wanted === listed) return;
    listed = wanted;
    if (filter !== filtered) {
      filtered = filter;
      found = filterBlocks(blocks, shared.contents, params);
      bytes = 0;
      for (let i = 0; i < found.length; i++) bytes += blocks.size[found[i]];
    }
    const key = blocks[sort] && sort !== "roots" ? sort : "size", falling = down !== "0";
    grid.show(orders.sorted(key, falling, found), { key, down: falling });
    say.textContent = `${plural(found.length, "block")}, ${sizeWords(bytes)}.`;
    chips.replaceChildren(...(site === undefined || site === "" || !stacks ? [] :
      [button("chip", `Allocated by ${shortName(siteName(Number(site)), SHORT_NAME)} ✕`, () => go({ site: "" }))]));
  };
  const open = () => {
    const address = params.at ? Number(params.at) : NaN, block = Number.isNaN(address) ? -1 : blockAt(blocks, address);
    const choosing = detail.contains(document.activeElement) && document.activeElement.tagName === "SELECT";
    byteView = BYTE_VIEWS.some(([reading]) => reading === params.as) ? params.as : "hex";
    openings.begin(params.inside);
    split.classList.toggle("open", Boolean(params.at));
    if (block < 0) { detail.replaceChildren(...(params.at ? [element("p", "note", `No remaining block holds ${params.at}.`)] : [])); return; }
    detail.replaceChildren(...blockDetail(page, shared, block, address - blocks.address[block], openings, () => { go({ at: "" }); grid.grid.focus(); },
      (reading) => go({ as: reading === "hex" ? "" : reading, inside: "" })));
    if (choosing) detail.querySelector("select")?.focus();
    grid.activate(block);
  };

  section.querySelector(".without-script")?.remove();
  split.append(grid.box, detail);
  section.append(tools, chips, say, split);
  return {
    show(given) {
      params = given;
      if (!shared.pointers && (given.text || given.at)) return shared.whole.then(() => (params === given ? this.show(given) : null));
      for (const [input, name] of [[inside, "text"], [min, "min"], [max, "max"]]) if (document.activeElement !== input) input.value = params[name] || "";
      kind.select.value = params.kind || "";
      thread.select.value = params.thread || "";
      ownBox.checked = params.runtime === "1";
      list();
      open();
      grid.draw();
    },
    async warm() {
      for (const key of ["size", "time", "kind", "thread"]) {
        orders.whole(key);
        await new Promise((done) => setTimeout(done, WARM_UP_MS));
      }
      await shared.whole;
      await shared.pointers.later();
    },
    keys: { "/": () => (page.hasContents ? inside : min).focus(), Escape: () => { if (params.at) go({ at: "" }); } },
    help: [["/", "Search inside blocks"], ["↑ ↓", "Next block"], ["Enter", "Open it"], ["Esc", "Close it"]],
  };
}
