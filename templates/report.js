// Starts the page: one view at a time, chosen by the address. A view is { show(params), keys, help }, made when it is first looked at.
const STARTS = { flame: startFlame, sites: startSites, time: startTime, blocks: startBlocks, leaks: startLeaks, snapshots: startChanges, changes: startChanges };
const NEEDS_TIME = ["sites", "time"], NEEDS_SNAPSHOTS = ["flame", "snapshots"]; // packs besides that of call stacks
const WARM_UP_MS = 50; // between two views that are made before anybody asks for them

function startPage() {
  const data = JSON.parse(document.getElementById("data").textContent), pack = packReader(data.packs);
  const sections = [...document.querySelectorAll("main > section")], navigation = [...document.querySelectorAll("nav a[href^='#']")];
  const labels = Object.assign(Object.create(null), Object.fromEntries(navigation.map((each) => [each.getAttribute("href").slice(1), each.dataset.label])));
  const started = {};
  let view = "", shown = null, turn = 0;
  const page = {
    facts: data.facts, labels, pack, blocks: blockReader(pack), hasContents: Boolean(data.packs.contents), stacks: null, time: null, view: () => view, current: () => shown, has: (name) => Boolean(labels[name]),
    go(name, params, replace) {
      const hash = formatHash(name, params);
      if (hash === location.hash) return;
      history[replace ? "replaceState" : "pushState"](null, "", hash);
      route();
    },
    switchUnits() { setUnits(units === UNITS.binary ? "decimal" : "binary"); route(); },
  };

  async function start(name) {
    if (!STARTS[name]) return null;
    const columns = await pack("stacks");
    if (columns) page.stacks ||= readStacks(columns, data.facts);
    if (NEEDS_SNAPSHOTS.includes(name)) addColumns(page.stacks, await pack("snapshots"));
    if (NEEDS_TIME.includes(name)) page.time ||= readTime(await pack("time"));
    return STARTS[name](page, name);
  }

  /** Makes the views that nobody has looked at yet, one after the other, so that the first click on each is answered as fast as the others. */
  async function warmUp() {
    for (const { id } of sections) {
      await new Promise((done) => setTimeout(done, WARM_UP_MS));
      const made = await (started[id] ||= start(id));
      await made?.warm?.();
    }
  }

  async function route() {
    const { view: wanted, params } = parseHash(location.hash), name = labels[wanted] ? wanted : sections[0].id, mine = ++turn;
    const moved = view !== "" && view !== name;
    view = name;
    delete document.body.dataset.ready;
    for (const section of sections) section.hidden = section.id !== name;
    for (const each of navigation) {
      if (each.getAttribute("href") === "#" + name) { each.setAttribute("aria-current", "page"); each.scrollIntoView({ block: "nearest", inline: "nearest" }); }
      else each.removeAttribute("aria-current");
    }
    if (moved) {
      scrollTo(0, 0);
      document.getElementById(name).querySelector("h2")?.focus({ preventScroll: true });
    }
    shown = null;
    const made = await (started[name] ||= start(name));
    if (mine !== turn) return;
    shown = made;
    await made?.show(params);
    if (mine !== turn) return;
    document.body.dataset.ready = name; // tests wait for it
  }

  function setUnits(name) {
    useUnits(name);
    for (const each of document.querySelectorAll("data.size")) each.textContent = (each.classList.contains("signed") ? signedSize : sizeWords)(Number(each.value));
    unitsButton.textContent = name === "decimal" ? "kB" : "KiB";
    unitsButton.setAttribute("aria-label", name === "decimal" ? "Units of 1,000; switch to units of 1,024" : "Units of 1,024; switch to units of 1,000");
    try { localStorage.setItem("crunch-units", name); } catch { /* pages from disk may have no storage */ }
  }
  const tools = document.getElementById("tools"), unitsButton = button("", "KiB", () => page.switchUnits());
  const openHelp = startHelp(page), helpButton = button("", "?", openHelp);
  helpButton.setAttribute("aria-label", "Keys");
  tools.append(unitsButton, helpButton);
  let remembered = "binary";
  try { remembered = localStorage.getItem("crunch-units") || "binary"; } catch { /* as above */ }
  setUnits(remembered);

  document.documentElement.classList.add("script");
  for (const section of sections) section.querySelector("h2").tabIndex = -1;
  for (const box of document.querySelectorAll(".stack-box")) box.append(copyButton("Copy stack", () => listText(box.querySelector(".stack"))));
  addEventListener("hashchange", route);
  route().then(warmUp);
}

/** A stack of the HTML as text, as stackText has it. */
function listText(list) {
  return [...list.children].map((item, depth) => {
    const where = item.querySelector(".where")?.textContent;
    return `#${depth} ${item.querySelector(".function").textContent}${where ? ` (${where})` : ""}\n`;
  }).join("");
}

if (typeof DecompressionStream === "undefined") {
  document.getElementById("old-browser").hidden = false; // everything that needs no script is there
} else startPage();
