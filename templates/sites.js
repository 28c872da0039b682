// The view of sites: every call stack that allocated, sorted and filtered, and beside it the one that was opened.
// Its state: #sites?sort=peak&down=0&find=text&site=12&inside=stack.m1
const FIRST_FRAMES = 40;
const SITE_COLUMNS = ["live", "leaked", "peak", "total", "allocations", "temporary", "lifetime"];
const SITE_LABELS = { live: "Live", leaked: "Lost", peak: "At peak", total: "In all", allocations: "Allocations", temporary: "Temporary", lifetime: "Mean life" };
const SITE_WORDS = {
  live: sizeWords, leaked: sizeWords, peak: sizeWords, total: sizeWords, allocations: number, temporary: number, lifetime: (ns) => (ns ? timeWords(ns) : "–"),
};

/** The columns of numbers that a run has, with how they are written: what a package adds to a site appears here. */
function siteColumns(stacks) {
  return SITE_COLUMNS.filter((name) => stacks.sites[name]);
}

function startSites(page) {
  const { stacks } = page, { sites } = stacks, all = Uint32Array.from(sites.leaf, (_, site) => site);
  const section = document.getElementById("sites"), split = element("div", "split"), detail = element("aside", "beside");
  const say = element("p", "quiet");
  say.setAttribute("role", "status");
  const box = typed("Filter the call stacks", "Only stacks with this function, file or library", (text) => page.go("sites", { ...state(), find: text }, true));
  let params = {};
  const state = () => ({ ...params });
  const openings = makeOpenings((inside) => { params = { ...params, inside }; page.note("sites", params); });

  const grid = makeGrid({
    id: "sites", label: "Call stacks that allocated", rowPixels: 46,
    columns: [{ key: "place", label: "Allocated by", width: "minmax(16rem, 1fr)", narrow: "minmax(8rem, 1fr)", sort: false, fill: (cell, site) => placeCell(stacks, cell, site) },
      ...siteColumns(stacks).map((key) => ({ key, label: SITE_LABELS[key], width: "7rem", narrow: key === "live" || key === "peak" ? "6.1rem" : "",
        number: true, fill: (cell, site) => {
          const value = sites[key][site], blocks = { live: sites.liveBlocks, peak: sites.peakBlocks }[key];
          if (!value) { cell.append(element("span", "zero", "–")); return; }
          cell.append(SITE_WORDS[key](value));
          if (blocks) cell.append(element("span", "below", plural(blocks[site], "block")));
        } }))],
    sorted: (key) => page.go("sites", { ...state(), sort: key, down: (params.sort || "live") === key && params.down !== "0" ? "0" : "" }),
    opened: (site) => page.go("sites", { ...state(), site, inside: "" }),
    moved: (site) => { if (params.site !== undefined) page.go("sites", { ...state(), site, inside: "" }, true); },
  });

  const summary = (chosen) => {
    const live = chosen.reduce((sum, site) => sum + sites.live[site], 0), filtered = chosen.length < all.length;
    return `${filtered ? `${number(chosen.length)} of ` : ""}${plural(all.length, "call stack")}, ${sizeWords(live)} still allocated` +
      (filtered ? ` (${shareWords(live, all.reduce((sum, site) => sum + sites.live[site], 0))})` : "") + ".";
  };

  let listed = "";
  const list = () => {
    const wanted = JSON.stringify([params.sort, params.down, params.find, units.base]);
    if (wanted === listed) return;
    listed = wanted;
    const text = (params.find || "").trim(), inside = text && below(stacks, findFrames(stacks, text));
    const chosen = inside ? all.filter((site) => inside[sites.leaf[site]]) : all;
    const key = sites[params.sort] && SITE_WORDS[params.sort] ? params.sort : "live", down = params.down !== "0";
    grid.show(orderBy(chosen, sites[key], down), { key, down });
    say.textContent = summary(chosen);
  };

  const open = () => {
    const site = params.site === undefined ? -1 : Number(params.site), there = Number.isInteger(site) && site >= 0 && site < all.length;
    openings.begin(params.inside);
    split.classList.toggle("open", there);
    if (!there) { detail.replaceChildren(); return; }
    detail.replaceChildren(...siteDetail(page, site, openings, () => { page.go("sites", { ...state(), site: "", inside: "" }); grid.grid.focus(); }));
    if (!grid.activate(site) && params.find) page.go("sites", { ...state(), find: "" }, true);
  };

  section.querySelector(".without-script")?.remove();
  const tools = element("div", "tools");
  tools.append(box);
  detail.setAttribute("aria-label", "The opened call stack");
  split.append(grid.box, detail);
  section.append(tools, say, split);
  return {
    show(given) {
      params = given;
      if (document.activeElement !== box) box.value = params.find || "";
      list();
      open();
      grid.draw();
    },
    keys: { "/": () => box.focus(), Escape: () => { if (params.site !== undefined) page.go("sites", { ...state(), site: "", inside: "" }); } },
    help: [["/", "Filter"], ["↑ ↓", "Next stack"], ["Enter", "Open it"], ["Esc", "Close it"]],
  };
}

/** Everything known of one call stack. */
function siteDetail(page, site, openings, closed) {
  const { stacks } = page, { sites } = stacks, label = sites.label[site], leaf = sites.leaf[site];
  const title = element("h3");
  title.append(functionName(label ? nameOf(stacks, label) : "An unknown call stack", LONG_NAME), " ", label ? whereElement(stacks, label, true) : "");
  const rows = siteColumns(stacks).map((key) => {
    const blocks = { live: sites.liveBlocks, peak: sites.peakBlocks }[key];
    return [SITE_LABELS[key], SITE_WORDS[key](sites[key][site]) + (blocks ? ` in ${plural(blocks[site], "block")}` : "")];
  });
  const ways = element("p", "ways");
  ways.append(link(formatHash("flame", { by: sites.live[site] > 0 ? "live" : "total", zoom: zoomPath(stacks, leaf) }), "Show in the flame graph"));
  if (sites.liveBlocks[site] > 0 && page.has("blocks")) ways.append(" ", link(formatHash("blocks", { site }), `Its ${plural(sites.liveBlocks[site], "block")}`));
  const close = button("close", "Close", closed), over = siteTime(page, site);
  return [close, title, ways, factList([...rows, ...over.rows]), element("h4", "", `Stack, ${plural(stackOf(stacks, leaf).length, "frame")}`), stackList(stacks, leaf, FIRST_FRAMES, openings), ...over.charts];
}
