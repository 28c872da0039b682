// The flame graph. Its state: #flame?by=peak&up=1&merge=line&runtime=hide&focus=3&hide=4.5&find=text&zoom=1.2.3, where zoom is the path of
// keys to the spot (see flame_tree.js), and focus and hide are names as numbers of texts; before=snapshot1 what it is compared with, table=1 the table opened.
const FLAME_MEASURES = {
  live: { label: "Still allocated", words: sizeWords }, leaked: { label: "Leaked", words: sizeWords },
  peak: { label: "At the peak", words: sizeWords }, total: { label: "Bytes in all", words: sizeWords },
  allocations: { label: "Allocations", words: (n) => plural(n, "allocation") },
  temporary: { label: "Temporary", words: (n) => plural(n, "temporary allocation") },
};
const TABLE_ROWS = 50;

const numbersOf = (text) => (text ? text.split(".").map(Number).filter((value) => Number.isInteger(value) && value >= 0) : []);

function startFlame(page) {
  const { stacks } = page, section = document.getElementById("flame"), graphBox = element("div", "flame-graph");
  const say = element("p", "flame-say"), tools = element("div", "tools"), chips = element("p", "chips"), menu = element("div", "menu");
  const table = flameTable((open) => {
    if (open === (params.table === "1")) return;
    params = { ...params, table: open ? "1" : "" };
    page.note("flame", params);
  });
  let params = {}, graph = null, zoomed = null, marked = null, made = "";

  const measures = Object.entries(FLAME_MEASURES).filter(([name]) => stacks.sites[name]).map(([name, { label }]) => [name, label]);
  const snapshots = page.facts.snapshots.filter(([column]) => stacks.sites[column]);
  for (const [column, label] of snapshots) measures.push([column, label]);
  const measure = () => FLAME_MEASURES[by()] || { words: sizeWords };
  const usual = !stacks.sites.live ? measures[measures.length - 1][0] : stacks.sites.live.some((bytes) => bytes > 0) ? "live" : "total";
  const by = () => (stacks.sites[params.by] ? params.by : usual);
  const before = () => (params.before === undefined ? page.facts.before || "" : params.before);
  const go = (change, replace) => page.go("flame", { ...params, ...change }, replace);

  const label = (spot) => (spot.outside ? graph.labels[spot.key] : "all");
  const words = (spot) => {
    const part = `${measure().words(spot.value)}, ${shareWords(spot.value, graph.root.value)}`;
    return graph.before ? `${part}, before ${measure().words(spot.before)}` : part;
  };
  const describe = (spot) => `${shortName(label(spot), LONG_NAME)}: ${words(spot)}`;
  const describeWhole = (spot) => {
    if (!spot.outside || graph.joined) return describe(spot) + ".";
    const where = whereOf(stacks, spot.nodes[0], true), others = spot.nodes.some((node) => whereOf(stacks, node, true) !== where);
    return `${shortName(label(spot), LONG_NAME)}${where ? ` (${where}${others ? " and other lines" : ""})` : ""}: ${words(spot)}; ` +
      `${measure().words(ownValue(graph, spot))} ${params.up ? "of it called from nowhere else" : "itself"}.`;
  };
  const foundWords = () => {
    if (!marked) return "";
    const inside = below(stacks, marked), value = graph.values.reduce((all, each, site) => all + (inside[stacks.sites.leaf[site]] ? Math.max(0, each) : 0), 0);
    return ` Found: ${measure().words(value)}, ${shareWords(value, graph.root.value)}.`;
  };
  const zoomTo = (spot) => go({ zoom: pathOf(spot).join(".") });
  const nameNumber = (spot) => stacks.frames.name[stacks.frame[spot.nodes[0]]];
  const addTo = (list, spot) => go({ [list]: [...new Set([...numbersOf(params[list]), nameNumber(spot)])].join("."), zoom: "" });
  const stackOfSpot = (spot) => pathOf(spot).map((key) => graph.labels[key]);
  const actions = [
    ["Zoom in", "Enter", (spot) => zoomTo(spot)], ["Only stacks with this function", "f", (spot) => addTo("focus", spot)],
    ["Hide this function", "h", (spot) => addTo("hide", spot)],
    ["Copy these frames", "c", (spot) => copyText((params.up ? stackOfSpot(spot) : stackOfSpot(spot).reverse()).join("\n") + "\n")],
    ["Its call stacks", "s", (spot) => page.go(page.has("sites") ? "sites" : "changes", { find: stacks.text[nameNumber(spot)] })],
  ];

  const bars = makeBars(graphBox, {
    describe, press: zoomTo, tell: (spot) => { if (spot) say.textContent = describeWhole(spot) + (spot === zoomed ? foundWords() : ""); },
    ask: (spot, x, y) => {
      menu.replaceChildren(...actions.map(([text, key, act]) => {
        const item = button("", text, () => { menu.hidden = true; act(spot); });
        item.setAttribute("role", "menuitem");
        item.append(element("kbd", "", key));
        return item;
      }));
      menu.hidden = false;
      menu.style.left = Math.max(0, Math.min(x, innerWidth - menu.offsetWidth - 8)) + "px";
      menu.style.top = Math.max(0, Math.min(y, innerHeight - menu.offsetHeight - 8)) + "px";
      menu.firstChild.focus();
    },
  });
  menu.setAttribute("role", "menu");
  menu.setAttribute("aria-label", "What to do with this function");
  menu.hidden = true;
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: "nextSibling", ArrowUp: "previousSibling" }[event.key];
    if (step) { event.preventDefault(); document.activeElement[step]?.focus(); }
    if (event.key === "Escape") { event.stopPropagation(); menu.hidden = true; graphBox.querySelector(".bar[tabindex='0']")?.focus(); }
  });
  document.addEventListener("pointerdown", (event) => { if (!menu.contains(event.target)) menu.hidden = true; });

  const measureChoice = choice("Show", measures, (value) => go({ by: value }));
  const beforeChoice = snapshots.length ? choice("Compared with", [["", "nothing"], ...measures.filter(([name]) => name === "live" || name === "peak" || !FLAME_MEASURES[name])],
    (value) => go({ before: value || (page.facts.before ? "none" : "") })) : null;
  const upChoice = choice("From", [["", "main downwards"], ["1", "the allocation upwards"]], (value) => go({ up: value, zoom: "" }));
  const mergeChoice = choice("Bars are", [["", "functions"], ["line", "source lines"], ["file", "files"], ["module", "libraries"]],
    (value) => go({ merge: value, zoom: "" }));
  const runtime = element("label", "choice"), runtimeBox = element("input");
  runtimeBox.type = "checkbox";
  runtimeBox.addEventListener("change", () => go({ runtime: runtimeBox.checked ? "hide" : "", zoom: "" }));
  runtime.append(runtimeBox, " Hide runtime frames");
  const find = typed("Find in the flame graph", "Find a function, file or library", (text) => go({ find: text }, true));
  tools.append(measureChoice, ...(beforeChoice ? [beforeChoice] : []), upChoice, mergeChoice, runtime, find);

  const chip = (list, name, text) => button("chip", `${text} ${shortName(stacks.text[name] || "", SHORT_NAME)} ✕`, () =>
    go({ [list]: numbersOf(params[list]).filter((each) => each !== name).join("."), zoom: "" }));
  const update = () => {
    const wanted = JSON.stringify([by(), before(), params.up, params.merge, params.runtime, params.focus, params.hide]);
    if (wanted !== made) {
      made = wanted;
      graph = makeGraph(stacks, stacks.sites[by()], { up: params.up === "1", merge: ["line", "file", "module"].includes(params.merge) ? params.merge : "function",
        skipRuntime: params.runtime === "hide", focus: numbersOf(params.focus), hide: numbersOf(params.hide) }, stacks.sites[before()]);
    }
    zoomed = spotAt(graph, numbersOf(params.zoom));
    marked = params.find ? findFrames(stacks, params.find) : null;
  };
  const set = (label_, value) => { label_.select.value = value; };

  graphBox.setAttribute("role", "tree");
  graphBox.setAttribute("aria-label", "Flame graph");
  say.setAttribute("role", "status");
  section.append(tools, chips, graphBox, say, legend(), table.box, menu);
  let width = 0;
  new ResizeObserver(() => { if (graph && graphBox.clientWidth && graphBox.clientWidth !== width) { width = graphBox.clientWidth; bars.draw(graph, zoomed, marked); } }).observe(graphBox);
  return {
    show(given) {
      params = given;
      update();
      set(measureChoice, by());
      if (beforeChoice) set(beforeChoice, graph.before ? before() : "");
      set(upChoice, params.up || "");
      set(mergeChoice, params.merge || "");
      runtimeBox.checked = params.runtime === "hide";
      if (document.activeElement !== find) find.value = params.find || "";
      chips.replaceChildren(...numbersOf(params.focus).map((name) => chip("focus", name, "Only with")), ...numbersOf(params.hide).map((name) => chip("hide", name, "Without")));
      section.classList.toggle("differential", Boolean(graph.before));
      width = graphBox.clientWidth;
      bars.draw(graph, zoomed, marked);
      say.textContent = widthOf(graph.root) ? describeWhole(zoomed) + foundWords() : "";
      table.update(graph, measure().words, params.table === "1");
    },
    keys: {
      "/": () => find.focus(), Escape: () => { if (zoomed.outside) zoomTo(zoomed.outside); }, Backspace: () => { if (zoomed.outside) zoomTo(zoomed.outside); },
      u: () => go({ up: params.up ? "" : "1", zoom: "" }), r: () => go({ runtime: params.runtime ? "" : "hide", zoom: "" }),
      ...Object.fromEntries(actions.slice(1).map(([, key, act]) => [key, () => { const spot = bars.current(); if (spot && spot.outside) act(spot); }])),
    },
    help: [["Arrow keys", "Move among the bars"], ["Enter", "Zoom in"], ["Esc", "Zoom out"], ["/", "Find"], ["f", "Only stacks with this function"], ["h", "Hide this function"],
      ["u", "Upside down"], ["r", "Hide or show runtime frames"], ["c", "Copy these frames"], ["s", "Its call stacks"]],
  };
}

function legend() {
  const line = element("p", "legend");
  for (const [name, text] of [["own", "your code"], ["library", "libraries"], ["unnamed", "no name known"]]) line.append(element("span", "plain-colour " + name, text), " ");
  for (const [name, text] of [["change2", "new, or four times as much"], ["change1", "grown"], ["change0", "about the same"], ["change-1", "shrunk"], ["change-2", "gone, or a quarter"]])
    line.append(element("span", "change-colour " + name, text), " ");
  line.append("Bars narrower than two pixels are left out; zoom in to see them.");
  return line;
}

/** The graph as a table, filled when it is opened. */
function flameTable(toggled) {
  const box = element("details", "apart"), body = element("tbody"), more = element("p", "quiet"), table = element("table");
  const head = element("thead"), line = element("tr");
  let wanted = null;
  for (const [text, name] of [["Function", ""], ["Itself", "number"], ["With all it calls", "number"]]) {
    const cell = element("th", name, text);
    cell.scope = "col";
    line.append(cell);
  }
  head.append(line);
  table.append(head, body);
  box.append(element("summary", "", "The same as a table"), scrollBox("Table of functions", table), more);
  const fill = () => {
    if (!box.open || !wanted) return;
    const { graph, words } = wanted, rows = functionTable(graph);
    body.replaceChildren(...rows.slice(0, TABLE_ROWS).map(([label, own, all]) => {
      const row = element("tr"), cell = element("td");
      cell.append(functionName(label, LONG_NAME));
      row.append(cell, element("td", "number", words(own)), element("td", "number", `${words(all)}, ${shareWords(all, graph.root.value)}`));
      return row;
    }));
    more.textContent = rows.length > TABLE_ROWS ? `The ${TABLE_ROWS} with most of their own, of ${number(rows.length)}.` : "";
  };
  box.addEventListener("toggle", () => { fill(); toggled(box.open); });
  return { box, update(graph, words, open) { wanted = { graph, words }; box.open = open; fill(); } };
}
