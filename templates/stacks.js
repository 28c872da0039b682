// Call stacks as the views use them; pure functions but for the last ones, which make elements. Node 0 is the root, outside of all
// stacks; a parent has a smaller number than its children. Sites are call stacks that allocated, by the node of their innermost frame.
const ANONYMOUS = "(anonymous namespace)::"; // fills a narrow column with nothing that one looks for
const INLINED = 1, UNNAMED = 2, OWN = 4, RUNTIME_FRAME = 8, RUNTIME = 1;

/** facts: { folder, editor } of the page. */
function readStacks(columns, facts) {
  const back = columns["node.back"], count = back.length + 1;
  const stacks = { count, folder: facts.folder, editor: facts.editor, text: columns.text, lowerText: null, keys: {}, frames: {}, sites: Object.create(null),
    parent: new Int32Array(count), frame: new Int32Array(count), firstChild: new Int32Array(count), nextSibling: new Int32Array(count) };
  addColumns(stacks, columns);
  const { leaf, labelBack } = stacks.sites;
  stacks.sites.label = Int32Array.from(leaf, (node, site) => node - labelBack[site]);
  delete stacks.sites.labelBack;
  stacks.frame[0] = -1;
  for (let node = 1; node < count; node++) {
    stacks.parent[node] = node - back[node - 1];
    stacks.frame[node] = columns["node.frame"][node - 1];
  }
  for (let node = count - 1; node > 0; node--) {
    stacks.nextSibling[node] = stacks.firstChild[stacks.parent[node]];
    stacks.firstChild[stacks.parent[node]] = node;
  }
  return stacks;
}

/** Enters columns of frames and sites by their names. */
function addColumns(stacks, columns) {
  for (const [name, values] of Object.entries(columns || {})) {
    const [kind, column] = name.split(".");
    if (kind === "frame") stacks.frames[column] = values;
    if (kind === "site") stacks.sites[column] = values;
  }
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

/** The stack from a node outwards, a frame a line, as one pastes it into a bug report. */
function stackText(stacks, leaf) {
  return stackOf(stacks, leaf).map((node, depth) => {
    const where = whereOf(stacks, node, true);
    return `#${depth} ${nameOf(stacks, node)}${where ? ` (${where})` : ""}\n`;
  }).join("");
}

/** For every frame, whether a text stands in its function, file or module (one byte each). */
function findFrames(stacks, text) {
  const wanted = text.toLowerCase(), hits = (stacks.lowerText ||= stacks.text.map((known) => known.toLowerCase())).map((known) => known.includes(wanted));
  const { name, file, module } = stacks.frames;
  return Uint8Array.from(name, (_, frame) => (hits[name[frame]] || hits[file[frame]] || hits[module[frame]] ? 1 : 0));
}

/** For every node, whether it or a node outside of it is of a marked frame. */
function below(stacks, frames) {
  const found = new Uint8Array(stacks.count);
  for (let node = 1; node < stacks.count; node++) found[node] = frames[stacks.frame[node]] | found[stacks.parent[node]];
  return found;
}

/** What every node holds itself, by values of the sites. */
function selfValues(stacks, values) {
  const found = new Float64Array(stacks.count), leaf = stacks.sites.leaf;
  for (let site = 0; site < leaf.length; site++) if (values[site] > 0) found[leaf[site]] += values[site];
  return found;
}

/** What every node holds together with all inside of it. */
function totals(stacks, self) {
  const values = self.slice();
  for (let node = stacks.count - 1; node > 0; node--) values[stacks.parent[node]] += values[node];
  return values;
}

/** '→ called ← caller ← its caller': what the labelled function called on the way to the leaf, and who called it, up to main. */
function aroundOf(stacks, leaf, label) {
  const nodes = stackOf(stacks, leaf), at = nodes.indexOf(label);
  const names = nodes.map((node) => nameOf(stacks, node)), main = names.indexOf("main", at);
  const called = at > 0 ? "→ " + shortName(names[at - 1], SHORT_NAME) + " " : "";
  const callers = names.slice(at + 1, main < 0 ? at + 3 : Math.min(at + 3, main + 1));
  return called + callers.map((name) => "← " + shortName(name, SHORT_NAME)).join(" ");
}

/** A function's name in at most `most` characters, in lists without what says nothing (`without`); the whole of it appears under the pointer. */
function functionName(name, most, without) {
  const made = element("span", "function", shortName(without ? name.replaceAll(without, "") : name, most));
  if (made.textContent !== name) made.title = name;
  return made;
}

/** A call stack in a cell of a table: what it is named after, where that is, and what is around it. */
function placeCell(stacks, cell, site) {
  const { sites } = stacks, label = sites.label[site], line = element("span", "line");
  line.append(functionName(label ? nameOf(stacks, label) : "unknown", SHORT_NAME, ANONYMOUS));
  if (label) line.append(" ", element("span", "where", whereOf(stacks, label)));
  if (sites.flags && sites.flags[site] & RUNTIME) line.append(" ", element("span", "tag", "runtime"));
  cell.append(line, element("span", "callers", aroundOf(stacks, sites.leaf[site], label)));
}

/** What leads to a stack in the flame graph: the path of keys to the frame that called its innermost one. */
function zoomPath(stacks, leaf) {
  const { keyOf } = mergeKeys(stacks, "function");
  return stackOf(stacks, stacks.parent[leaf] || leaf).reverse().map((node) => keyOf[stacks.frame[node]]).join(".");
}

/** Where a node's code is; a link where the page knows how to open an editor. */
function whereElement(stacks, node, whole) {
  const where = whereOf(stacks, node, whole), frame = stacks.frame[node];
  if (!where) return "";
  const opens = editorLink(stacks.editor, stacks.folder, stacks.text[stacks.frames.file[frame]], stacks.frames.line[frame]);
  if (opens) return link(opens, where, "where");
  return element("span", "where", where);
}

/** A stack as a list of frames, innermost first; at most `most` at once. */
function stackList(stacks, leaf, most, openings) {
  const nodes = stackOf(stacks, leaf), list = element("ol", "stack");
  const make = (from, to) => nodes.slice(from, to).map((node) => {
    const flags = flagsOf(stacks, node), item = element("li", flags & OWN ? "own" : "");
    item.append(functionName(nameOf(stacks, node), LONG_NAME), " ", whereElement(stacks, node, true));
    if (flags & INLINED) item.append(" ", element("span", "tag", "inlined"));
    return item;
  });
  const box = openings.list("stack", { count: nodes.length, first: most, holder: list, make, words: (rest) => `Show ${number(rest)} more frames` });
  box.append(copyButton("Copy stack", () => stackText(stacks, leaf)));
  return box;
}
