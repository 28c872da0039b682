// The table of call stacks: sorting, filtering, and a stack's frames. A site's number is its place in the data.
const FIRST_SITES = 20, MORE_SITES = 100, FIRST_FRAMES = 40;
const SITE_COLUMNS = ["live", "peak", "total", "allocations", "temporary", "lifetime"];

/** '→ called ← caller ← its caller': what the labelled function called on the way to the leaf, and who called it, up to main. */
function aroundOf(stacks, leaf, label) {
  const nodes = stackOf(stacks, leaf), at = nodes.indexOf(label);
  const names = nodes.map((node) => nameOf(stacks, node)), main = names.indexOf("main", at);
  const called = at > 0 ? "→ " + shortName(names[at - 1], SHORT_NAME) + " " : "";
  const callers = names.slice(at + 1, main < 0 ? at + 3 : Math.min(at + 3, main + 1));
  return called + callers.map((name) => "← " + shortName(name, SHORT_NAME)).join(" ");
}

function startSites(stacks) {
  const table = document.getElementById("sites-table");
  if (!table) return;
  const body = table.tBodies[0], more = document.getElementById("sites-more"), box = document.getElementById("sites-filter");
  const { sites } = stacks;
  let chosen = [], shown = 0, column = "live", down = true;

  const siteRow = (site) => {
    const row = element("tr"), place = element("td", "place"), label = sites.label[site];
    row.id = "site-" + site;
    const button = element("button");
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.append(functionName(label ? nameOf(stacks, label) : "unknown", SHORT_NAME));
    place.append(button);
    if (label) place.append(" ", element("span", "where", whereOf(stacks, label)));
    if (sites.flags[site] & RUNTIME) place.append(" ", element("span", "tag", "runtime"));
    const around = aroundOf(stacks, sites.leaf[site], label);
    if (around) place.append(element("span", "callers", around));
    const cell = (name, text, note) => {
      const made = element("td", "size " + name, text);
      if (note) made.append(element("span", "blocks-note", note));
      return made;
    };
    row.append(place,
      cell("live", sizeWords(sites.live[site]), plural(sites.liveBlocks[site], "block")),
      cell("peak", sizeWords(sites.peak[site]), plural(sites.peakBlocks[site], "block")),
      cell("total", sizeWords(sites.total[site])), cell("allocations", sites.allocations[site].toLocaleString("en")),
      cell("temporary", sites.temporary[site].toLocaleString("en")), cell("lifetime", sites.lifetime[site] ? timeWords(sites.lifetime[site]) : "–"));
    row.addEventListener("click", (event) => { if (!event.target.closest("a") && !String(getSelection())) toggle(row, site); });
    return row;
  };

  const detailRow = (site) => {
    const row = element("tr", "detail"), cell = element("td"), flame = element("a", "", "Show in the flame graph");
    cell.colSpan = 7;
    flame.href = "#flame?by=" + (FLAME_MEASURES[column] ? column : "total") + "&zoom=" + (stacks.parent[sites.leaf[site]] || sites.leaf[site]);
    cell.append(stackList(stacks, sites.leaf[site], FIRST_FRAMES), flame);
    row.append(cell);
    return row;
  };

  const toggle = (row, site) => {
    const button = row.querySelector("button"), open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) row.nextSibling.remove();
    else row.after(detailRow(site));
    history.replaceState(null, "", open ? location.pathname + location.search : "#site-" + site);
  };

  const showMore = (count) => {
    body.append(...chosen.slice(shown, shown + count).map(siteRow));
    shown = Math.min(shown + count, chosen.length);
    const words = `Shown: ${shown.toLocaleString("en")} of ${plural(chosen.length, "call stack")}`;
    const filtered = box.value ? `, ${sizeWords(chosen.reduce((sum, site) => sum + sites.live[site], 0))} still allocated` : "";
    more.textContent = words + filtered + ". ";
    if (shown === chosen.length) return;
    const button = element("button", "plain", `Show ${Math.min(MORE_SITES, chosen.length - shown)} more`);
    button.type = "button";
    button.addEventListener("click", () => {
      showMore(MORE_SITES);
      more.querySelector("button")?.focus();
    });
    more.append(button);
  };

  const refresh = () => {
    const found = box.value.trim() ? spread(stacks, findNodes(stacks, box.value.trim())) : null;
    chosen = sites.leaf.map((_, site) => site).filter((site) => !found || found[sites.leaf[site]]);
    const values = sites[column];
    chosen.sort((a, b) => (down ? values[b] - values[a] : values[a] - values[b]) || a - b);
    shown = 0;
    body.replaceChildren();
    showMore(FIRST_SITES);
  };

  const openLinked = () => {
    const match = /^#site-(\d+)$/.exec(location.hash), site = match ? Number(match[1]) : -1;
    if (site < 0 || site >= sites.leaf.length) return;
    if (!chosen.includes(site)) { box.value = ""; refresh(); }
    const index = chosen.indexOf(site);
    if (index >= shown) showMore(index + 1 - shown);
    const row = document.getElementById("site-" + site);
    if (row.querySelector("button").getAttribute("aria-expanded") === "false") toggle(row, site);
    row.scrollIntoView({ block: "center" });
  };

  for (const button of table.tHead.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      const heading = button.closest("th");
      down = button.dataset.column !== column || !down;
      column = button.dataset.column;
      for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      refresh();
    });
  }
  let waiting = 0;
  box.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(refresh, 120); });
  refresh();
  openLinked();
  window.addEventListener("hashchange", openLinked);
}
