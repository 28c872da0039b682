// What the flame graph draws: spots. A spot is one bar: the frames of one function (or line, file, module) that have the same bars
// outside of them. Spots are made when they are looked at, so a graph of a million nodes opens at once. Pure functions.
//
// Downwards a spot is a set of nodes of the call tree, and a node's value is that of all sites inside of it. Upwards it is a
// set of sites, each with the node its stack has arrived at.

/** For every frame, what it is drawn as, and the labels of these keys: by function, line, file or module. Made once. */
function mergeKeys(stacks, merge) {
  return (stacks.keys[merge] ||= makeKeys(stacks, merge));
}

function makeKeys(stacks, merge) {
  const { name, file, line, module } = stacks.frames, count = name.length, text = stacks.text;
  const labelOf = {
    function: (frame) => text[name[frame]],
    line: (frame) => text[name[frame]] + (file[frame] ? ` (${baseName(text[file[frame]])}:${line[frame]})` : ""),
    file: (frame) => text[file[frame]] || text[module[frame]] || text[name[frame]],
    module: (frame) => text[module[frame]] || text[name[frame]],
  }[merge];
  const keyOf = new Int32Array(count), labels = [], known = new Map();
  for (let frame = 0; frame < count; frame++) {
    const label = labelOf(frame);
    let key = known.get(label);
    if (key === undefined) { known.set(label, key = labels.length); labels.push(label); }
    keyOf[frame] = key;
  }
  return { keyOf, labels };
}

/** The sites' values as the settings leave them: those whose stack has a frame of every name in `focus`. */
function focused(stacks, values, focus) {
  let kept = values;
  for (const name of focus) {
    const inside = below(stacks, Uint8Array.from(stacks.frames.name, (text) => (text === name ? 1 : 0)));
    kept = Float64Array.from(kept, (value, site) => (inside[stacks.sites.leaf[site]] ? value : 0));
  }
  return kept;
}

/** A graph of `values`, one for each site. settings: up (innermost frames first), merge, focus and hide (names as numbers of texts),
 *  skipRuntime. `before`: values to compare with, in a differential graph. */
function makeGraph(stacks, values, settings, before) {
  const { keyOf, labels } = mergeKeys(stacks, settings.merge);
  const hide = new Set(settings.hide), joined = settings.merge === "file" || settings.merge === "module";
  const hidden = Uint8Array.from(stacks.frames.name, (name, frame) =>
    (hide.has(name) || (settings.skipRuntime && stacks.frames.flags[frame] & RUNTIME_FRAME) ? 1 : 0));
  const now = focused(stacks, values, settings.focus), then = before && focused(stacks, before, settings.focus);
  const graph = { stacks, labels, keyOf, hidden, joined, values: now, before: then, place: new Int32Array(labels.length).fill(-1) };
  if (settings.up) startUp(graph); else startDown(graph);
  return graph;
}

function startDown(graph) {
  const { stacks } = graph;
  graph.nodeValues = totals(stacks, selfValues(stacks, graph.values));
  graph.nodeBefore = graph.before && totals(stacks, selfValues(stacks, graph.before));
  graph.root = { key: -1, nodes: [0], value: graph.nodeValues[0], before: graph.before ? graph.nodeBefore[0] : 0, outside: null, inside: null };
}

function startUp(graph) {
  const { stacks, values, before } = graph, sites = [], nodes = [];
  let value = 0, earlier = 0;
  for (let site = 0; site < values.length; site++) {
    if (!(values[site] > 0) && !(before && before[site] > 0)) continue;
    sites.push(site);
    nodes.push(-1);
    value += Math.max(0, values[site]);
    earlier += before ? before[site] : 0;
  }
  graph.root = { key: -1, nodes, sites, value, before: earlier, outside: null, inside: null };
}

/** The spots directly inside of a spot, largest first. */
function spotsInside(graph, spot) {
  if (spot.inside) return spot.inside;
  const found = [], seen = [];
  if (spot.sites) groupUp(graph, spot, found, seen); else groupDown(graph, spot, found, seen);
  for (const key of seen) graph.place[key] = -1;
  return (spot.inside = found.sort((a, b) => b.value - a.value || b.before - a.before));
}

function spotFor(graph, outside, key, found, seen) {
  if (graph.place[key] < 0) {
    graph.place[key] = found.length;
    seen.push(key);
    found.push({ key, nodes: [], sites: outside.sites && [], value: 0, before: 0, outside, inside: null });
  }
  return found[graph.place[key]];
}

function groupDown(graph, spot, found, seen) {
  const { stacks, nodeValues, nodeBefore, keyOf, hidden, joined } = graph, waiting = spot.nodes.slice();
  while (waiting.length) {
    const node = waiting.pop();
    for (let child = stacks.firstChild[node]; child; child = stacks.nextSibling[child]) {
      if (!nodeValues[child] && !(nodeBefore && nodeBefore[child])) continue;
      const frame = stacks.frame[child], key = keyOf[frame];
      if (hidden[frame] || (joined && key === spot.key)) { waiting.push(child); continue; }
      const inside = spotFor(graph, spot, key, found, seen);
      inside.nodes.push(child);
      inside.value += nodeValues[child];
      if (nodeBefore) inside.before += nodeBefore[child];
    }
  }
}

function groupUp(graph, spot, found, seen) {
  const { stacks, values, before, keyOf, hidden, joined } = graph, { parent, frame } = stacks, leaf = stacks.sites.leaf;
  for (let at = 0; at < spot.sites.length; at++) {
    const site = spot.sites[at];
    let node = spot.nodes[at] < 0 ? leaf[site] : parent[spot.nodes[at]];
    while (node && (hidden[frame[node]] || (joined && keyOf[frame[node]] === spot.key))) node = parent[node];
    if (!node) continue;
    const inside = spotFor(graph, spot, keyOf[frame[node]], found, seen);
    inside.sites.push(site);
    inside.nodes.push(node);
    inside.value += Math.max(0, values[site]);
    if (before) inside.before += before[site];
  }
}

/** The keys from the root to a spot. */
function pathOf(spot) {
  const keys = [];
  for (; spot.outside; spot = spot.outside) keys.unshift(spot.key);
  return keys;
}

/** The spot at a path of keys, or the nearest one outside of it that is there. */
function spotAt(graph, path) {
  let spot = graph.root;
  for (const key of path) {
    const inside = spotsInside(graph, spot).find((each) => each.key === key);
    if (!inside) break;
    spot = inside;
  }
  return spot;
}

/** How wide a spot is: in a differential graph what went away is drawn, too. */
function widthOf(spot) {
  return Math.max(spot.value, spot.before);
}

/** What to draw: spots with row, left edge and width, both as shares of the whole; the zoomed spot's callers in the rows above it. */
function layOut(graph, zoomed, least) {
  const places = [], outer = [];
  for (let spot = zoomed; spot; spot = spot.outside) outer.unshift(spot);
  outer.forEach((spot, row) => places.push({ spot, row, left: 0, width: 1 }));
  const waiting = [places[places.length - 1]];
  while (waiting.length) {
    const { spot, row, left, width } = waiting.pop(), inside = spotsInside(graph, spot);
    const whole = Math.max(widthOf(spot), inside.reduce((sum, each) => sum + widthOf(each), 0));
    let at = left;
    for (const each of inside) {
      const share = (width * widthOf(each)) / whole;
      if (share >= least) {
        const place = { spot: each, row: row + 1, left: at, width: share };
        places.push(place);
        waiting.push(place);
      }
      at += share;
    }
  }
  return places;
}

/** What a spot holds itself: what no spot inside of it holds. */
function ownValue(graph, spot) {
  return Math.max(0, spot.value - spotsInside(graph, spot).reduce((sum, each) => sum + each.value, 0));
}

/** Sums by function, of the sites' values: [label, itself, with all it calls]; a function below itself counts once. */
function functionTable(graph) {
  const { stacks, keyOf, labels, values, hidden } = graph, own = new Float64Array(labels.length), all = new Float64Array(labels.length);
  const self = selfValues(stacks, values), sums = totals(stacks, self);
  const open = new Int32Array(labels.length), waiting = [0];
  while (waiting.length) {
    const node = waiting.pop();
    if (node < 0) { open[keyOf[stacks.frame[~node]]]--; continue; }
    if (node && !hidden[stacks.frame[node]]) {
      const key = keyOf[stacks.frame[node]];
      own[key] += self[node];
      if (!open[key]++) all[key] += sums[node];
      waiting.push(~node);
    }
    for (let child = stacks.firstChild[node]; child; child = stacks.nextSibling[child]) if (sums[child]) waiting.push(child);
  }
  return labels.map((label, key) => [label, own[key], all[key]]).filter((row) => row[2]).sort((a, b) => b[1] - a[1] || b[2] - a[2]);
}
