"use strict";

// Call stacks as the other parts of the page use them. Node 0 is the root, outside of all stacks; a parent has a smaller number
// than its children. Sites are call stacks that allocated, given by the node of their innermost frame.
const INLINED = 1, UNNAMED = 2, OWN = 4, RUNTIME = 1;
const KIB = 1024;
const LONG_NAME = 160, SHORT_NAME = 60;

function readStacks(data) {
  const count = data.tree.back.length + 1;
  const stacks = { ...data, count, parent: new Int32Array(count), frame: new Int32Array(count),
    firstChild: new Int32Array(count), nextSibling: new Int32Array(count) };
  stacks.frame[0] = -1;
  for (let node = 1; node < count; node++) {
    stacks.parent[node] = node - data.tree.back[node - 1];
    stacks.frame[node] = data.tree.frame[node - 1];
  }
  for (let node = count - 1; node > 0; node--) {
    stacks.nextSibling[node] = stacks.firstChild[stacks.parent[node]];
    stacks.firstChild[stacks.parent[node]] = node;
  }
  return stacks;
}

/** The nodes from `node` outwards. */
function stackOf(stacks, node) {
  const found = [];
  for (; node; node = stacks.parent[node]) found.push(node);
  return found;
}

const nameOf = (stacks, node) => stacks.text[stacks.frames.name[stacks.frame[node]]];
const moduleOf = (stacks, node) => stacks.text[stacks.frames.module[stacks.frame[node]]];
const flagsOf = (stacks, node) => stacks.frames.flags[stacks.frame[node]];
const baseName = (path) => path.slice(path.lastIndexOf("/") + 1);

/** The source line of a node; whole: with its folders, but for the one the program was started in. */
function sourceOf(stacks, node, whole) {
  const frame = stacks.frame[node], file = stacks.text[stacks.frames.file[frame]], line = stacks.frames.line[frame];
  if (!file) return "";
  const inside = stacks.folder && file.startsWith(stacks.folder + "/") ? file.slice(stacks.folder.length + 1) : "";
  return (inside || (whole ? file : baseName(file))) + (line ? ":" + line : "");
}

/** 'table.c:44', else the library; nothing for a frame without a name, which says that itself. */
function whereOf(stacks, node, whole) {
  const source = sourceOf(stacks, node, whole);
  return source || (flagsOf(stacks, node) & UNNAMED ? "" : baseName(moduleOf(stacks, node)));
}

/** For every node, whether a text stands in the function, file or module of it (one byte each). */
function findNodes(stacks, text) {
  const wanted = text.toLowerCase(), hits = stacks.text.map((known) => known.toLowerCase().includes(wanted));
  const { name, file, module } = stacks.frames;
  const frames = name.map((_, frame) => hits[name[frame]] || hits[file[frame]] || hits[module[frame]]);
  const found = new Uint8Array(stacks.count);
  for (let node = 1; node < stacks.count; node++) found[node] = frames[stacks.frame[node]] ? 1 : 0;
  return found;
}

/** Spreads marks to everything inside of a marked node. */
function spread(stacks, marks) {
  const found = marks.slice();
  for (let node = 1; node < stacks.count; node++) found[node] |= found[stacks.parent[node]];
  return found;
}

/** What every node holds itself, by a column of the sites. */
function selfValues(stacks, column) {
  const values = new Float64Array(stacks.count);
  stacks.sites.leaf.forEach((node, site) => { values[node] += Math.max(0, stacks.sites[column][site]); });
  return values;
}

/** What every node holds together with all inside of it. */
function totals(stacks, self) {
  const values = self.slice();
  for (let node = stacks.count - 1; node > 0; node--) values[stacks.parent[node]] += values[node];
  return values;
}

function plural(count, noun) {
  return count.toLocaleString("en") + " " + noun + (count === 1 ? "" : "s");
}

/** Bytes for people, as the rest of crunch writes them. */
function sizeWords(bytes) {
  if (Math.abs(bytes) < KIB) return plural(bytes, "byte");
  const unit = Math.abs(bytes) >= KIB ** 3 ? 3 : Math.abs(bytes) >= KIB ** 2 ? 2 : 1, value = bytes / KIB ** unit;
  return value.toFixed(Math.abs(value) >= 100 ? 0 : 1) + " " + ["", "KiB", "MiB", "GiB"][unit];
}

/** A duration for people, from nanoseconds. */
function timeWords(ns) {
  const value = ns / 1e9;
  if (!ns) return "0 s";
  if (value < 0.001) return (value * 1e6).toFixed(0) + " µs";
  if (value < 1) return (value * 1e3).toFixed(1) + " ms";
  if (value < 60) return value.toFixed(2) + " s";
  return value < 3600 ? `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s` : `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
}

function shareWords(part, whole) {
  const share = whole ? (100 * part) / whole : 0;
  return share > 0 && share < 0.1 ? "under 0.1 %" : share.toFixed(share < 10 ? 1 : 0) + " %";
}

const CLOSED_BY = { "(": ")", "<": ">" };
const PARTS = /(operator(?:\(\)|<=>|<<=?|>>=?|->\*?|[<>]=?)|\(anonymous namespace\)|->|[()<>])/; // names and brackets

/** A long C++ or Rust name without its parameters, and if that is not enough, without template arguments; cut at last. */
function shortName(name, most) {
  for (const [opening, closing, instead] of [["(", ")", ""], ["<", ">", "<…>"]]) {
    if (name.length <= most) return name;
    const awaited = [];
    let kept = "";
    for (const part of name.split(PARTS)) {
      if (CLOSED_BY[part] && awaited.push(CLOSED_BY[part]) === 1 && part === opening) kept += instead;
      if (awaited[0] !== closing) kept += part;
      if (part === awaited[awaited.length - 1]) awaited.pop();
    }
    name = kept.replace(/ const$/, "");
  }
  return name.length <= most ? name : name.slice(0, most - 1) + "…";
}

/** A function's name in at most `most` characters; the whole of it appears under the pointer. */
function functionName(name, most) {
  const made = element("span", "function", shortName(name, most));
  if (made.textContent !== name) made.title = name;
  return made;
}

/** A stack as a list of frames, innermost first; at most `most` at once. */
function stackList(stacks, leaf, most) {
  const nodes = stackOf(stacks, leaf), list = element("ol", "stack");
  const add = (from, to) => {
    for (const node of nodes.slice(from, to)) {
      const flags = flagsOf(stacks, node), item = element("li", flags & OWN ? "own" : "");
      item.append(functionName(nameOf(stacks, node), LONG_NAME));
      const where = whereOf(stacks, node, true);
      if (where) item.append(" ", element("span", "where", where));
      if (flags & INLINED) item.append(" ", element("span", "tag", "inlined"));
      list.append(item);
    }
  };
  add(0, most);
  const box = element("div");
  box.append(list);
  if (nodes.length > most) {
    const all = element("button", "plain", `Show ${(nodes.length - most).toLocaleString("en")} more frames`);
    all.type = "button";
    all.addEventListener("click", () => { add(most, nodes.length); all.remove(); });
    box.append(all);
  }
  return box;
}
