// The heap over time. Its state: #time?from=1200&to=5300&at=2400 (microseconds; the cursor) & show=rate & resident=1 & table=1
const TOP_SITES = 8, CURSOR_MS = 150, CURVE_POINTS = 700, TIME_MARGIN = { left: 74, right: 12, top: 14, bottom: 26 };

async function startTime(page) {
  const { time, stacks } = page, { columns } = time, section = document.getElementById("time");
  const times = columns["point.time"], first = times[0], last = times[times.length - 1];
  const chart = element("div", "chart"), say = element("p", "chart-say"), tools = element("div", "tools"), key = scrollBox("Table of call stacks");
  let params = {}, from = first, to = last, cursor = last, scale = null;
  const go = (change, replace) => page.go("time", { ...params, ...change }, replace);

  const what = choice("Show", [["", "live bytes by call stack"], ["rate", "allocations a second"], ["blocks", "live blocks"]], (value) => go({ show: value }));
  const whole = button("plain", "Whole run", () => go({ from: "", to: "" }));
  tools.append(what, whole);
  chart.tabIndex = 0;
  chart.setAttribute("role", "group");
  chart.setAttribute("aria-label", "Chart; arrow keys move the cursor, plus and minus zoom");
  say.setAttribute("role", "status");
  section.querySelector(".without-script")?.remove();
  section.querySelector("h2").after(tools, chart, say, key);

  const rates = Float64Array.from(times, (each, i) => (i && each > times[i - 1] ? ((columns["point.allocations"][i] - columns["point.allocations"][i - 1]) * 1e6) / (each - times[i - 1]) : 0));
  const liveAt = (when) => columns["point.live"][at(times, when)];
  const kinds = {
    "": { values: columns["point.high"], words: sizeWords, base: () => units.base }, rate: { values: rates, words: (n) => number(Math.round(n)) + " a second", base: () => 10 },
    blocks: { values: columns["point.blocks"], words: (n) => plural(Math.round(n), "block"), base: () => 10 },
  };
  const kind = () => kinds[params.show] || kinds[""];
  const stacked = () => kind() === kinds[""] && time.moments.length > 1 && stacks;

  const draw = () => {
    const width = Math.max(280, chart.clientWidth), height = Math.max(200, Math.min(420, Math.round(innerHeight * 0.42))), { left, right, top, bottom } = TIME_MARGIN;
    const curve = thinned(times, kind().values, from, to, CURVE_POINTS), resident = columns["resident.time"].length ? thinned(columns["resident.time"], columns["resident.bytes"], from, to, CURVE_POINTS) : [];
    const most = Math.max(1, ...curve.map(([, value]) => value)), showResident = kind() === kinds[""] && params.resident === "1" && resident.length;
    const roof = showResident ? Math.max(most, ...resident.map(([, value]) => value)) : most;
    const x = (when) => left + ((when - from) / Math.max(1, to - from)) * (width - left - right), y = (value) => height - bottom - (value / roof) * (height - top - bottom);
    scale = { x, width, height, back: (px) => from + ((px - left) / (width - left - right)) * (to - from) };
    const svg = drawn("svg", { width, height, role: "img", "aria-label": `${what.select.selectedOptions[0].text}, at most ${kind().words(most)}` });
    const inside = drawn("g", { "clip-path": "inset(0)" });
    for (const value of ticks(roof, 4, kind().base())) {
      svg.append(drawn("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), class: "grid-line" }), drawn("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, (kind() === kinds[""] ? kind().words(value) : roundCount(value) + (kind() === kinds.rate ? "/s" : ""))));
    }
    for (const value of ticks(to * 1000, Math.max(3, Math.floor(width / 160)), 10, from * 1000)) svg.append(drawn("text", { x: x(value / 1000), y: height - 8, "text-anchor": x(value / 1000) > width - right - 30 ? "end" : "middle" }, timeWords(value)));
    const sites = stacked() ? topSites(time.moments, from, to, TOP_SITES) : [];
    const outline = linePath(curve, x, y, true), clip = drawn("clipPath", { id: "whole-heap" }), areas = drawn("g", { "clip-path": "url(#whole-heap)" });
    clip.append(drawn("path", { d: outline })); // there are fewer moments than points: between two of them no area is higher than the heap was
    inside.append(clip, drawn("path", { d: outline, class: sites.length ? "whole" : "whole only" }), areas);
    if (sites.length) stackAreas(time.moments, sites, () => 0).slice(0, -1).forEach((area, i) => areas.append(drawn("path", { d: areaPath(area, x, y), class: "area area" + i })));
    if (showResident) inside.append(drawn("path", { d: linePath(resident, x, y), class: "resident" }));
    for (const [, label, when] of page.facts.snapshots) {
      if (when < from || when > to) continue;
      const mark = drawn("g", { class: "snapshot" });
      mark.append(drawn("title", {}, label), drawn("line", { x1: x(when), x2: x(when), y1: top, y2: height - bottom }), drawn("text", { x: x(when), y: 10, "text-anchor": "middle" }, /\d+/.exec(label)[0]));
      inside.append(mark);
    }
    svg.append(inside, drawn("line", { x1: 0, x2: 0, y1: top, y2: height - bottom, class: "cursor" }), drawn("rect", { y: top, height: height - top - bottom, x: 0, width: 0, class: "brush" }));
    chart.replaceChildren(svg);
    fillKey(sites);
    tell();
  };

  const fillKey = (sites) => {
    const table = element("table"), head = element("thead"), line = element("tr"), body = element("tbody");
    for (const [text, name] of [["Call stack", ""], ["At the cursor", "number"], ["Most", "number"], ["Over time", ""]]) { const cell = element("th", name, text); cell.scope = "col"; line.append(cell); }
    head.append(line);
    sites.forEach((site, i) => {
      const row = element("tr"), name = element("td"), label = stacks.sites.label[site], growth = time.growth.get(site);
      name.append(element("span", "swatch area" + i), " ", link(formatHash("sites", { site }), shortName(label ? nameOf(stacks, label) : "unknown", SHORT_NAME)), " ", label ? whereElement(stacks, label) : "");
      if (label) name.append(" ", element("span", "callers", aroundOf(stacks, stacks.sites.leaf[site], label)));
      const most = time.moments.reduce((best, moment) => Math.max(best, (moment.time >= from && moment.time <= to && moment.top.get(site)) || 0), 0);
      const now = element("td", "number");
      now.dataset.site = site;
      row.append(name, now, element("td", "number", sizeWords(most)), element("td", growth ? "verdict" + growth.verdict : "", growth ? page.facts.verdicts[growth.verdict] : ""));
      body.append(row);
    });
    table.append(head, body);
    key.replaceChildren(...(sites.length ? [table] : []));
  };

  const tell = () => {
    const point = at(times, cursor), moment = time.moments[at(time.moments.map((each) => each.time), cursor)], line = chart.querySelector(".cursor");
    const near = columns["resident.time"].length ? columns["resident.bytes"][at(columns["resident.time"], cursor)] : 0;
    say.textContent = `After ${timeWords(times[point] * 1000)}: ${sizeWords(columns["point.live"][point])} live in ${plural(columns["point.blocks"][point], "block")}, ` +
      `${sizeWords(columns["point.low"][point])} to ${sizeWords(columns["point.high"][point])} since the point before, ${number(Math.round(rates[point]))} allocations a second` +
      (near ? `, ${sizeWords(near)} resident.` : ".");
    for (const cell of key.querySelectorAll("[data-site]")) cell.textContent = sizeWords((moment && moment.top.get(Number(cell.dataset.site))) || 0);
    for (const end of ["x1", "x2"]) line?.setAttribute(end, scale.x(cursor));
  };

  const zoom = (low, high) => {
    const least = Math.max(10, (last - first) / 2000), a = Math.max(first, Math.min(low, high)), b = Math.min(last, Math.max(low, high));
    if (b - a < least) return;
    keep();
    go({ from: a <= first ? "" : Math.round(a), to: b >= last ? "" : Math.round(b) });
  };
  let keeping = 0;
  const move = (when) => {
    cursor = Math.min(to, Math.max(from, when));
    tell();
    clearTimeout(keeping);
    keeping = setTimeout(keep, CURSOR_MS);
  };
  /** Where the cursor rests is in the address. */
  const keep = () => {
    clearTimeout(keeping);
    params = { ...params, at: cursor === last ? "" : Math.round(cursor) };
    page.note("time", params, true);
  };
  const step = (share) => move(cursor + share * (to - from));
  const moves = {
    ArrowLeft: () => step(-0.01), ArrowRight: () => step(0.01), Home: () => step(-1), End: () => step(1),
    "+": () => zoom(cursor - (to - from) / 4, cursor + (to - from) / 4), "-": () => zoom(from - (to - from) / 2, to + (to - from) / 2),
  };
  chart.addEventListener("keydown", (event) => {
    if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    moves[event.key]();
  });
  let pressed = null;
  const place = (event) => Math.min(to, Math.max(from, scale.back(event.clientX - chart.getBoundingClientRect().left)));
  chart.addEventListener("pointerdown", (event) => { pressed = place(event); chart.setPointerCapture(event.pointerId); });
  chart.addEventListener("pointermove", (event) => {
    move(place(event));
    if (pressed === null) return;
    const brush = chart.querySelector(".brush"), [low, high] = [scale.x(pressed), scale.x(cursor)].sort((a, b) => a - b);
    brush.setAttribute("x", low);
    brush.setAttribute("width", high - low);
  });
  chart.addEventListener("pointerup", (event) => {
    const end = place(event), start = pressed;
    pressed = null;
    if (start !== null && Math.abs(scale.x(end) - scale.x(start)) > 5) zoom(start, end);
  });
  if (columns["resident.time"].length) {
    const label = element("label", "choice"), box = element("input");
    box.type = "checkbox";
    box.addEventListener("change", () => go({ resident: box.checked ? "1" : "" }));
    label.append(box, " Resident memory");
    label.box = box;
    tools.append(label);
  }
  const table = section.querySelector("details");
  table.addEventListener("toggle", () => {
    if (table.open === (params.table === "1")) return;
    params = { ...params, table: table.open ? "1" : "" };
    page.note("time", params);
  });
  let width = 0;
  new ResizeObserver(() => { if (scale && chart.clientWidth && chart.clientWidth !== width) { width = chart.clientWidth; draw(); } }).observe(chart);
  return {
    show(given) {
      params = given;
      const low = Number(given.from), high = Number(given.to);
      from = given.from && low >= first && low < last ? low : first;
      to = given.to && high > from && high <= last ? high : last;
      clearTimeout(keeping);
      cursor = Math.min(to, Math.max(from, given.at ? Number(given.at) || 0 : last));
      table.open = given.table === "1";
      what.select.value = kinds[given.show] ? given.show || "" : "";
      whole.hidden = from === first && to === last;
      if (tools.lastChild.box) tools.lastChild.box.checked = given.resident === "1";
      width = chart.clientWidth;
      draw();
    },
    keys: { Escape: () => { if (params.from || params.to) go({ from: "", to: "" }); } },
    help: [["← →", "Move the cursor"], ["+", "Zoom in at the cursor"], ["-", "Zoom out"], ["Esc", "The whole run"]],
  };
}
