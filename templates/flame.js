// The flame graph, root at the top. Nodes of the same function under the same callers are drawn as one: a `spot` is such a set of
// nodes. Where it stands (measure, zoomed-in spot, search text) is in the address: #flame?by=peak&zoom=12&find=text
const FLAME_MEASURES = {
  live: { label: "Still allocated", words: sizeWords }, peak: { label: "At the peak", words: sizeWords },
  total: { label: "Bytes in all", words: sizeWords }, allocations: { label: "Allocations", words: (n) => plural(n, "allocation") },
  temporary: { label: "Temporary", words: (n) => plural(n, "temporary allocation") },
};
const ROW_PIXELS = 20, LEAST_PIXELS = 1.5, TABLE_ROWS = 50;

/** The spots directly inside of a spot, largest first. */
function spotsInside(stacks, values, spot) {
  const found = new Map();
  for (const node of spot.nodes) {
    for (let child = stacks.firstChild[node]; child; child = stacks.nextSibling[child]) {
      if (!values[child]) continue;
      const name = stacks.frames.name[stacks.frame[child]];
      const known = found.get(name);
      if (known) { known.nodes.push(child); known.value += values[child]; }
      else found.set(name, { nodes: [child], value: values[child], name, outside: spot });
    }
  }
  return [...found.values()].sort((a, b) => b.value - a.value);
}

/** The spot that holds a node, found from the root by the names of the node's callers; the root where it has no value. */
function spotOf(stacks, values, node) {
  let spot = { nodes: [0], value: values[0], name: -1, outside: null };
  for (const next of stackOf(stacks, node).reverse()) {
    const inside = spotsInside(stacks, values, spot).find((each) => each.name === stacks.frames.name[stacks.frame[next]]);
    if (!inside) return spot;
    spot = inside;
  }
  return spot;
}

/** What to draw: spots with row, left edge and width, both as shares of the whole; the zoomed spot's callers in the rows above it. */
function layOut(stacks, values, zoomed, least) {
  const drawn = [], outer = [];
  for (let spot = zoomed; spot; spot = spot.outside) outer.unshift(spot);
  outer.forEach((spot, row) => drawn.push({ spot, row, left: 0, width: 1 }));
  const waiting = [drawn[drawn.length - 1]];
  while (waiting.length) {
    const { spot, row, left, width } = waiting.pop();
    let at = left;
    for (const inside of spotsInside(stacks, values, spot)) {
      const share = (width * inside.value) / spot.value;
      if (share >= least) {
        const place = { spot: inside, row: row + 1, left: at, width: share };
        drawn.push(place);
        waiting.push(place);
      }
      at += share;
    }
  }
  return drawn;
}

/** Functions by what they hold themselves, as [name, self, total]; a function below itself counts once. */
function functionTable(stacks, self, values, zoomed) {
  const rows = new Map(), depth = new Map(), names = stacks.frames.name;
  const waiting = zoomed.nodes.slice();
  while (waiting.length) {
    const node = waiting.pop();
    if (node < 0) { const name = names[stacks.frame[~node]]; depth.set(name, depth.get(name) - 1); continue; }
    if (node) {
      const name = names[stacks.frame[node]], row = rows.get(name) || [stacks.text[name], 0, 0];
      row[1] += self[node];
      if (!depth.get(name)) row[2] += values[node];
      depth.set(name, (depth.get(name) || 0) + 1);
      rows.set(name, row);
      waiting.push(~node);
    }
    for (let child = stacks.firstChild[node]; child; child = stacks.nextSibling[child]) if (values[child]) waiting.push(child);
  }
  return [...rows.values()].sort((a, b) => b[1] - a[1] || b[2] - a[2]);
}

function startFlame(stacks) {
  const section = document.getElementById("flame"), graph = document.getElementById("flame-graph");
  if (!graph) return;
  const say = document.getElementById("flame-say"), box = document.getElementById("flame-find"), table = document.getElementById("flame-table");
  const buttons = [...document.querySelectorAll("#flame-measures button")];
  const cache = {};
  let by = "live", zoomed = null, self = null, values = null, marks = null, drawn = [];

  const measure = () => FLAME_MEASURES[by];
  const spotName = (spot) => (spot.outside ? stacks.text[spot.name] : "all");
  const describe = (spot) => {
    const where = spot.outside ? whereOf(stacks, spot.nodes[0], true) : "";
    return `${shortName(spotName(spot), LONG_NAME)}${where ? ` (${where}${spot.nodes.some((node) => whereOf(stacks, node, true) !== where) ? " and other lines" : ""})` : ""}: ` +
      `${measure().words(spot.value)}, ${shareWords(spot.value, values[0])}`;
  };
  const found = () => {
    if (!marks) return "";
    const inside = spread(stacks, marks);
    return ` Found: ${measure().words(self.reduce((sum, value, node) => sum + (inside[node] ? value : 0), 0))}, ` +
      `${shareWords(self.reduce((sum, value, node) => sum + (inside[node] ? value : 0), 0), values[0])}.`;
  };

  const load = (hash) => {
    const wanted = new URLSearchParams(hash.startsWith("#flame?") ? hash.slice(7) : "");
    by = FLAME_MEASURES[wanted.get("by")] ? wanted.get("by") : totalOf("live") ? "live" : "total";
    self = (cache[by] ||= selfValues(stacks, by));
    values = totals(stacks, self);
    const node = Number(wanted.get("zoom")) || 0;
    zoomed = spotOf(stacks, values, node > 0 && node < stacks.count ? node : 0);
    box.value = wanted.get("find") || "";
    search();
  };
  const totalOf = (column) => stacks.sites[column].reduce((sum, value) => sum + value, 0);
  const search = () => { marks = box.value.trim() ? findNodes(stacks, box.value.trim()) : null; draw(); };

  const address = () => {
    const parts = { by };
    if (zoomed.outside) parts.zoom = zoomed.nodes[0];
    if (box.value) parts.find = box.value;
    return "#flame?" + new URLSearchParams(parts);
  };
  const go = (change, replace) => {
    change();
    history[replace ? "replaceState" : "pushState"](null, "", address());
  };
  const zoomTo = (spot, focus) => go(() => { zoomed = spot; draw(); if (focus) focusOn(drawn.find((place) => place.spot === spot)); });

  const bar = (place) => {
    const { spot, row, left, width } = place, made = element("div", "bar");
    const flags = spot.outside ? flagsOf(stacks, spot.nodes[0]) : 0;
    made.classList.add(!spot.outside ? "root" : flags & OWN ? "own" : flags & UNNAMED ? "unnamed" : "library");
    if (row < drawn.zoomRow) made.classList.add("outer");
    if (marks && spot.nodes.some((node) => marks[node])) made.classList.add("match");
    made.style.left = 100 * left + "%";
    made.style.width = 100 * width + "%";
    made.style.top = row * ROW_PIXELS + "px";
    made.setAttribute("role", "treeitem");
    made.setAttribute("aria-level", String(row + 1));
    made.setAttribute("aria-label", describe(spot));
    made.tabIndex = -1;
    if (width * graph.clientWidth > 24) made.textContent = shortName(spotName(spot), 120);
    place.bar = made;
    made.place = place;
    return made;
  };

  const draw = () => {
    drawn = values[0] ? layOut(stacks, values, zoomed, LEAST_PIXELS / Math.max(graph.clientWidth, 300)) : [];
    drawn.zoomRow = drawn.findIndex((place) => place.spot === zoomed);
    const rows = drawn.reduce((most, place) => Math.max(most, place.row), 0) + 1;
    const canvas = element("div", "rows");
    canvas.setAttribute("role", "presentation");
    canvas.style.height = rows * ROW_PIXELS + "px";
    canvas.append(...drawn.map(bar));
    graph.replaceChildren(values[0] ? canvas : element("p", "quiet", "Nothing to show: this is 0 everywhere."));
    if (drawn.length) drawn[drawn.zoomRow].bar.tabIndex = 0;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.measure === by));
    say.textContent = values[0] ? describe(zoomed) + "." + found() : "";
    if (table.open) fillTable();
  };

  const fillTable = () => {
    const rows = functionTable(stacks, self, values, zoomed), body = table.querySelector("tbody");
    body.replaceChildren(...rows.slice(0, TABLE_ROWS).map(([name, own, total]) => {
      const row = element("tr");
      const cell = element("td", "place");
      cell.append(functionName(name, LONG_NAME));
      row.append(cell, element("td", "size", measure().words(own)),
        element("td", "size", `${measure().words(total)}, ${shareWords(total, values[0])}`));
      return row;
    }));
    table.querySelector(".more").textContent = rows.length > TABLE_ROWS ? `The ${TABLE_ROWS} functions with most of their own, of ${rows.length.toLocaleString("en")}.` : "";
  };

  const focusOn = (place) => {
    if (!place) return;
    graph.querySelector(".bar[tabindex='0']")?.setAttribute("tabindex", "-1");
    place.bar.tabIndex = 0;
    place.bar.focus();
  };
  const beside = (place, step) => {
    const row = drawn.filter((other) => other.row === place.row).sort((a, b) => a.left - b.left);
    return row[row.indexOf(place) + step];
  };
  const keys = {
    ArrowUp: (place) => focusOn(drawn.find((other) => other.spot === place.spot.outside)),
    ArrowDown: (place) => focusOn(drawn.find((other) => other.spot.outside === place.spot && other.row > place.row)),
    ArrowLeft: (place) => focusOn(beside(place, -1)),
    ArrowRight: (place) => focusOn(beside(place, 1)),
    Enter: (place) => zoomTo(place.spot, true),
    " ": (place) => zoomTo(place.spot, true),
    Escape: () => { if (zoomed.outside) zoomTo(zoomed.outside, true); },
    Backspace: () => { if (zoomed.outside) zoomTo(zoomed.outside, true); },
    "/": () => box.focus(),
  };

  graph.addEventListener("click", (event) => { const hit = event.target.closest(".bar"); if (hit) zoomTo(hit.place.spot, true); });
  graph.addEventListener("keydown", (event) => {
    const hit = event.target.closest(".bar");
    if (!hit || !keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key](hit.place);
  });
  for (const kind of ["mouseover", "focusin"]) {
    graph.addEventListener(kind, (event) => { const hit = event.target.closest(".bar"); if (hit) say.textContent = describe(hit.place.spot); });
  }
  graph.addEventListener("mouseleave", () => { say.textContent = values[0] ? describe(zoomed) + "." + found() : ""; });
  for (const button of buttons) {
    button.addEventListener("click", () => go(() => {
      const node = zoomed.outside ? zoomed.nodes[0] : 0;
      by = button.dataset.measure;
      self = (cache[by] ||= selfValues(stacks, by));
      values = totals(stacks, self);
      zoomed = spotOf(stacks, values, node);
      draw();
    }));
  }
  let waiting = 0;
  box.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => go(search, true), 150); });
  table.addEventListener("toggle", () => { if (table.open) fillTable(); });
  window.addEventListener("hashchange", () => {
    const linked = location.hash.startsWith("#flame?");
    if (linked || !location.hash) load(location.hash);
    if (linked) section.scrollIntoView();
  });
  let width = graph.clientWidth;
  window.addEventListener("resize", () => { if (graph.clientWidth !== width) { width = graph.clientWidth; draw(); } });
  load(location.hash);
  if (location.hash.startsWith("#flame?")) section.scrollIntoView();
}
