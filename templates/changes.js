// What became of live memory between two moments, call stack by call stack: what is new, grown, shrunk and gone.
// Its state: #snapshots?from=snapshot1&to=live&only=grown&sort=before&down=0&find=text&site=12
const CHANGE_KINDS = ["", "new", "grown", "shrunk", "gone"];

/** The moments that the page can compare, as [column, label]: snapshots or runs, the peak and the end. */
function momentsOf(page) {
  const { stacks, facts } = page, found = facts.snapshots.map(([column, label]) => [column, label]);
  if (stacks.sites.peak) found.push(["peak", "the peak"]);
  if (stacks.sites.live) found.push(["live", "the end"]);
  return found.filter(([column]) => stacks.sites[column]);
}

/** By site what it held before and after, the difference, and what that is: a number of CHANGE_KINDS. counts: how many of each. Pure. */
function changesBetween(sites, from, to) {
  const count = sites.leaf.length, none = new Uint8Array(count), counts = CHANGE_KINDS.map(() => 0);
  const [before, beforeBlocks, after, afterBlocks] = [from, from + "Blocks", to, to + "Blocks"].map((column) => sites[column] || none);
  const found = { before, beforeBlocks, after, afterBlocks, bytes: new Float64Array(count), blocks: new Float64Array(count), kind: new Uint8Array(count), counts };
  for (let site = 0; site < count; site++) {
    const bytes = (found.bytes[site] = after[site] - before[site]), blocks = (found.blocks[site] = afterBlocks[site] - beforeBlocks[site]), more = bytes || blocks;
    found.kind[site] = !more ? 0 : !before[site] && !beforeBlocks[site] ? 1 : !after[site] && !afterBlocks[site] ? 4 : more > 0 ? 2 : 3;
    counts[found.kind[site]]++;
  }
  return found;
}

/** The table of changes, in a view of this name. */
function startChanges(page, name) {
  const { stacks } = page, { sites } = stacks, moments = momentsOf(page), section = document.getElementById(name);
  if (moments.length < 2) return { show() {} };
  const split = element("div", "split"), detail = element("aside", "beside"), tools = element("div", "tools"), say = element("p", "quiet");
  let params = {}, made = "", listed = "", found = null;
  const go = (change, replace) => page.go(name, { ...params, ...("site" in change ? { inside: "" } : {}), ...change }, replace);
  const openings = makeOpenings((inside) => { params = { ...params, inside }; page.note(name, params); });
  const known = (wanted, otherwise) => (moments.some(([column]) => column === wanted) ? wanted : otherwise);
  const from = () => known(params.from, moments[0][0]), to = () => known(params.to, moments[moments.length - 1][0]);
  say.setAttribute("role", "status");
  detail.setAttribute("aria-label", "The opened call stack");

  const amount = (cell, bytes, blocks) => {
    if (!bytes && !blocks) { cell.append(element("span", "zero", "–")); return; }
    cell.append(sizeWords(bytes), element("span", "below", plural(blocks, "block")));
  };
  const grid = makeGrid({
    id: name, label: "Call stacks that changed", rowPixels: 46,
    columns: [
      { key: "kind", label: "Change", width: "6rem", sort: false, fill: (cell, site) => cell.append(changeTag(found.kind[site])) },
      { key: "place", label: "Allocated by", width: "minmax(14rem, 1fr)", narrow: "minmax(8rem, 1fr)", sort: false, fill: (cell, site) => placeCell(stacks, cell, site) },
      { key: "bytes", label: "Bytes", width: "7rem", narrow: "6.8rem", number: true, fill: (cell, site) => cell.append(signedSize(found.bytes[site])) },
      { key: "blocks", label: "Blocks", width: "6.5rem", narrow: "4.5rem", number: true, fill: (cell, site) => cell.append(signedNumber(found.blocks[site])) },
      { key: "before", label: "Before", width: "7.5rem", number: true, fill: (cell, site) => amount(cell, found.before[site], found.beforeBlocks[site]) },
      { key: "after", label: "After", width: "7.5rem", number: true, fill: (cell, site) => amount(cell, found.after[site], found.afterBlocks[site]) },
    ],
    sorted: (key) => go({ sort: key, down: (params.sort || "bytes") === key && params.down !== "0" ? "0" : "" }),
    opened: (site) => go({ site }),
    moved: (site) => { if (params.site !== undefined) go({ site }, true); },
  });

  const fromChoice = choice("From", moments, (value) => go({ from: value, site: "" })), toChoice = choice("to", moments, (value) => go({ to: value, site: "" }));
  const only = choice("Only what is", [["", "changed"], ...CHANGE_KINDS.slice(1).map((kind) => [kind, kind])], (value) => go({ only: value }));
  const box = typed("Filter the changes", "Only stacks with this function, file or library", (text) => go({ find: text }, true));
  const flame = link("", "As a flame graph");
  tools.append(...(page.facts.before ? [] : [fromChoice, toChoice]), only, flame, box);

  const summary = (chosen) => {
    const sum = (column) => chosen.reduce((all, site) => all + found[column][site], 0), { counts } = found;
    const kinds = CHANGE_KINDS.slice(1).map((kind, i) => `${number(counts[i + 1])} ${kind}`).join(", ");
    return `${signedSize(sum("bytes"))} in ${signedNumber(sum("blocks"))} blocks${params.only || params.find ? ` of the ${plural(chosen.length, "call stack")} listed` : ""}. ` +
      `Call stacks: ${kinds}, ${number(counts[0])} as they were.`;
  };
  const list = () => {
    const wanted = JSON.stringify([from(), to(), params.only, params.sort, params.down, params.find, units.base]);
    if (wanted === listed) return;
    listed = wanted;
    if (made !== from() + " " + to()) {
      made = from() + " " + to();
      found = changesBetween(sites, from(), to());
    }
    const text = (params.find || "").trim(), inside = text && below(stacks, findFrames(stacks, text)), kind = CHANGE_KINDS.indexOf(params.only || "");
    const chosen = Uint32Array.from(sites.leaf, (_, site) => site).filter((site) => (kind > 0 ? found.kind[site] === kind : found.kind[site]) && (!inside || inside[sites.leaf[site]]));
    const key = ["bytes", "blocks", "before", "after"].includes(params.sort) ? params.sort : "bytes", down = params.down !== "0";
    grid.show(orderBy(chosen, found[key].map(Math.abs), down), { key, down }); // by how much has changed, either way, as on the terminal
    say.textContent = summary(chosen);
    flame.href = formatHash("flame", { by: to(), before: from() });
  };
  const open = () => {
    const site = params.site === undefined ? -1 : Number(params.site), there = Number.isInteger(site) && site >= 0 && site < sites.leaf.length;
    openings.begin(params.inside);
    split.classList.toggle("open", there);
    detail.replaceChildren(...(there ? changeDetail(page, found, site, openings, { from: from(), to: to() }, () => { go({ site: "" }); grid.grid.focus(); }) : []));
    if (there) grid.activate(site);
  };

  section.querySelector(".without-script")?.remove();
  split.append(grid.box, detail);
  section.append(tools, say, split);
  return {
    show(given) {
      params = given;
      fromChoice.select.value = from();
      toChoice.select.value = to();
      only.select.value = CHANGE_KINDS.includes(params.only) ? params.only : "";
      if (document.activeElement !== box) box.value = params.find || "";
      list();
      open();
      grid.draw();
    },
    keys: { "/": () => box.focus(), Escape: () => { if (params.site !== undefined) go({ site: "" }); }, x: () => go({ from: to(), to: from() }) },
    help: [["/", "Filter"], ["↑ ↓", "Next stack"], ["Enter", "Open it"], ["Esc", "Close it"], ["x", "Before and after change places"]],
  };
}

function changeTag(kind) {
  return element("span", "tag " + (CHANGE_KINDS[kind] || "same"), CHANGE_KINDS[kind] || "as it was");
}

function changeDetail(page, found, site, openings, { from, to }, closed) {
  const { stacks } = page, { sites } = stacks, label = sites.label[site], leaf = sites.leaf[site], title = element("h3"), ways = element("p", "ways");
  title.append(functionName(label ? nameOf(stacks, label) : "An unknown call stack", LONG_NAME), " ", label ? whereElement(stacks, label, true) : "");
  ways.append(link(formatHash("flame", { by: to, before: from, zoom: zoomPath(stacks, leaf) }), "Show in the flame graph"));
  if (page.has("sites")) ways.append(" ", link(formatHash("sites", { site }), "All about this call stack"));
  const amount = (bytes, blocks) => `${sizeWords(bytes)} in ${plural(blocks, "block")}`;
  const change = element("span", "", `${signedSize(found.bytes[site])} in ${signedNumber(found.blocks[site])} blocks `);
  change.append(changeTag(found.kind[site]));
  return [button("close", "Close", closed), title, ways,
    factList([["Before", amount(found.before[site], found.beforeBlocks[site])], ["After", amount(found.after[site], found.afterBlocks[site])], ["Change", change]]),
    element("h4", "", `Stack, ${plural(stackOf(stacks, leaf).length, "frame")}`), stackList(stacks, leaf, FIRST_FRAMES, openings)];
}
