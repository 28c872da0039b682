// One block: what it is, its bytes in several readings, and how it hangs together with others.
const WORK_MS = 12, FIRST_LINES = 32, FIRST_VALUES = 128, FIRST_LINKS = 50;
const BYTE_VIEWS = [["hex", "Hex and text"], ["text", "Strings"], ["ptr8", "Pointers, 64 bits"], ["ptr4", "Pointers, 32 bits"], ["i8", "Signed, 8 bits"], ["u8", "Unsigned, 8 bits"],
  ["i16", "Signed, 16 bits"], ["u16", "Unsigned, 16 bits"], ["i32", "Signed, 32 bits"], ["u32", "Unsigned, 32 bits"], ["i64", "Signed, 64 bits"], ["u64", "Unsigned, 64 bits"],
  ["f32", "Floating point, 32 bits"], ["f64", "Floating point, 64 bits"]];
let byteView = "hex"; // as the address says it; links to other blocks keep it

/** Where the kept bytes point, looked for in steps, since a page may hold millions of words: work(ms) goes on for about so long, later() is
 *  fulfilled when all is done, a little at a time. When `complete` is true, into(block) gives [block, place, offset in it] of who points there. */
function pointerIndex(blocks, contents) {
  const found = [], last = blocks.address.length - 1, lowest = blocks.address[0], highest = last < 0 ? 0 : blocks.address[last] + blocks.size[last];
  let next = 0, byTarget = null;
  const lookInto = (entry) => {
    const bytes = contents.bytes.subarray(contents.start[entry], contents.start[entry] + contents.length[entry]), view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      const high = view.getUint32(at + 4, true);
      if (high >= 2 ** 24) continue;
      const address = high * 2 ** 32 + view.getUint32(at, true);
      if (address < lowest || address >= highest) continue;
      const block = blockAt(blocks, address);
      if (block >= 0) found.push(block, contents.block[entry], at, address - blocks.address[block]);
    }
  };
  const index = {
    get complete() { return !contents || next >= contents.block.length; },
    work(ms) {
      for (const end = performance.now() + ms; !index.complete && performance.now() < end; next++) lookInto(next);
    },
    async later() {
      for (; !index.complete; index.work(WORK_MS)) await new Promise((done) => setTimeout(done));
    },
    into(block) {
      if (!byTarget) {
        byTarget = new Map();
        for (let i = 0; i < found.length; i += 4) {
          if (byTarget.has(found[i])) byTarget.get(found[i]).push(i); else byTarget.set(found[i], [i]);
        }
      }
      return (byTarget.get(block) || []).map((i) => found.slice(i + 1, i + 4));
    },
  };
  return index;
}

function blockLink(blocks, block, offset) {
  return link(formatHash("blocks", { at: addressWords(blocks.address[block] + (offset || 0)), as: byteView === "hex" ? "" : byteView }), addressWords(blocks.address[block]) + (offset ? " + " + offset : ""), "address");
}

/** `offset`: the place in the block that was asked for. closed() and viewed(reading): what was clicked. */
function blockDetail(page, shared, block, offset, openings, closed, viewed) {
  const { blocks, contents } = shared, { stacks } = page, bytes = bytesOf(contents, block), address = addressWords(blocks.address[block]), flags = blocks.flags[block];
  const title = element("h3"), made = [button("close", "Close", closed), title];
  title.append(element("code", "", address), " ", sizeWords(blocks.size[block]));
  const rows = [["Size", plural(blocks.size[block], "byte")], ["Allocated", `by ${page.facts.kinds[blocks.kind[block]]} in thread ${blocks.thread[block]}, ${timeWords(blocks.time[block] * 1000)} after the start`]];
  const name = className(page.facts.classes, bytes);
  if (name) rows.push(["Object of class", name]);
  if (flags & BLOCK_RUNTIME) rows.push(["Whose", "the C or C++ runtime's own"]);
  if (flags & BLOCK_INHERITED) rows.push(["Inherited", "allocated before this process was forked"]);
  if (offset) rows.push(["Asked for", `byte ${number(offset)} of it, ${addressWords(blocks.address[block] + offset)}`]);
  if (flags & BLOCK_CONTENTS) rows.push(["File", link("heap/" + address, "heap/" + address)]);
  made.push(factList(rows));
  if (bytes && bytes.length) made.push(...byteSection(blocks, bytes, blocks.size[block], openings, viewed));
  else if (blocks.size[block]) made.push(element("p", "quiet", "Its contents were not kept."));
  made.push(...holderSection(page, shared, block, openings));
  if (contents) made.push(pointerSection(page, shared, block, bytes, openings));
  if (stacks && blocks.site[block]) {
    const site = blocks.site[block] - 1, heading = element("h4", "", "Allocated by ");
    heading.append(link(formatHash("sites", { site }), "this call stack"));
    made.push(heading, stackList(stacks, stacks.sites.leaf[site], FIRST_LINES, openings));
  }
  return made;
}

/** viewed(reading) is told what was chosen. */
function byteSection(blocks, bytes, size, openings, viewed) {
  const box = element("div", "bytes"), heading = element("h4", "", "Bytes "), chooser = choice("as", BYTE_VIEWS, viewed);
  chooser.select.value = byteView;
  box.append(...(byteView === "hex" ? [hexDump(bytes, openings)] : byteView === "text" ? strings(bytes, openings) :
    byteView.startsWith("ptr") ? pointerTable(blocks, bytes, Number(byteView.slice(3)), openings) : values(bytes, byteView, openings)));
  const part = bytes.length < size ? [element("p", "quiet", `The page holds the first ${number(bytes.length)} of ${plural(size, "byte")}; the file has the rest.`)] : [];
  heading.append(chooser);
  return [heading, ...part, box];
}

/** Shows the first of many parts, and all when asked. make(from, to) makes elements. */
function allOf(openings, key, count, first, noun, holder, make) {
  return openings.list(key, { count, first, holder, make, words: () => `Show all ${plural(count, noun)}` });
}

function hexDump(bytes, openings) {
  const width = window.matchMedia("(max-width: 480px)").matches ? 8 : 16, pre = element("pre");
  pre.tabIndex = 0;
  pre.setAttribute("aria-label", "Bytes as hex and text");
  pre.setAttribute("role", "region");
  const lines = Math.ceil(bytes.length / width);
  const make = (from, to) => {
    const parts = [];
    for (let line = from; line < to; line++) {
      const { offset, hex, text, zero } = dumpLine(bytes, line * width, width);
      parts.push(element("span", "offset", offset + "  "), element("span", zero ? "zero" : "", hex + " "), element("span", "chars", text + "\n"));
    }
    return parts;
  };
  return openings.list("bytes", { count: lines, first: FIRST_LINES, holder: pre, make, words: () => `Show all ${number(bytes.length)} bytes` });
}

function strings(bytes, openings) {
  const found = findStrings(bytes), list = element("ol", "values");
  if (!found.length) return [element("p", "quiet", "No text of four characters or more.")];
  return [allOf(openings, "bytes", found.length, FIRST_VALUES, "string", list, (from, to) => found.slice(from, to).map(([at, text]) => valueItem(at, element("q", "", visible(text.slice(0, 2000))))))];
}

function values(bytes, reading, openings) {
  const found = readValues(bytes, reading), list = element("ol", "values numbers");
  if (!found.length) return [element("p", "quiet", "The block is too small for that.")];
  return [allOf(openings, "bytes", found.length, FIRST_VALUES, "number", list, (from, to) => found.slice(from, to).map(([at, text]) => valueItem(at, text)))];
}

function pointerTable(blocks, bytes, width, openings) {
  const found = readPointers(bytes, width), list = element("ol", "values");
  return [allOf(openings, "bytes", found.length, FIRST_VALUES, "pointer", list, (from, to) => found.slice(from, to).map(([at, address]) => {
    const block = address > 0 ? blockAt(blocks, address) : -1;
    const target = block >= 0 ? blockLink(blocks, block, address - blocks.address[block]) : element("code", "zero", address < 0 ? "no address" : addressWords(address));
    const item = valueItem(at, target);
    if (block >= 0) item.append(" ", element("span", "where", sizeWords(blocks.size[block])));
    return item;
  }))];
}

function valueItem(at, value) {
  const item = element("li");
  item.append(element("span", "offset", "+" + at.toString(16) + " "), value);
  return item;
}

/** Where its bytes point, and whose bytes point here; as far as bytes were kept. The latter follows when all bytes have been looked at. */
function pointerSection(page, shared, block, bytes, openings) {
  const { blocks, contents, pointers } = shared, box = element("div"), out = [];
  for (const [at, address] of bytes ? readPointers(bytes, 8) : []) {
    const target = address > 0 ? blockAt(blocks, address) : -1;
    if (target >= 0) out.push([at, target, address - blocks.address[target]]);
  }
  const add = (key, title, rows, make) => {
    if (!rows.length) return;
    const list = element("ol", "values");
    box.append(element("h4", "", title), allOf(openings, key, rows.length, FIRST_LINKS, "pointer", list, (from, to) => rows.slice(from, to).map(make)));
  };
  add("out", `Points to ${plural(new Set(out.map(([, target]) => target)).size, "block")}`, out, ([at, target, inside]) => {
    const item = valueItem(at, blockLink(blocks, target, inside));
    item.append(" ", element("span", "where", sizeWords(blocks.size[target])), ...preview(page.facts.classes, contents, target));
    return item;
  });
  const addInto = () => {
    const into = pointers.into(block);
    add("into", `Pointed to by ${plural(new Set(into.map(([from]) => from)).size, "block")}`, into, ([from, at, inside]) => {
      const item = element("li");
      item.append(blockLink(blocks, from, 0), element("span", "where", ` at +${at.toString(16)}${inside ? `, to byte ${number(inside)}` : ""}, ${sizeWords(blocks.size[from])}`));
      return item;
    });
    if (!into.length) box.append(element("p", "quiet", "No block whose bytes the page holds points here."));
  };
  pointers.work(WORK_MS);
  if (pointers.complete) addInto(); else pointers.later().then(addInto);
  return box;
}

/** The class of a C++ object, by the table of virtual functions it begins with; empty if it is none, or nobody knows. */
function className(classes, bytes) {
  const word = bytes && bytes.length >= 8 ? addressWords(readPointers(bytes.subarray(0, 8), 8)[0][1]) : "";
  return Object.hasOwn(classes, word) ? classes[word] : "";
}

/** The class of the object in a block, or the text it begins with, if it does. */
function preview(classes, contents, block) {
  const known = className(classes, bytesOf(contents, block));
  if (known) return [" ", element("span", "where", known)];
  const bytes = bytesOf(contents, block), found = bytes ? findStrings(bytes.subarray(0, 80), 4) : [];
  return found.length && found[0][0] === 0 ? [" ", element("q", "where", visible(found[0][1].slice(0, 40)))] : [];
}
