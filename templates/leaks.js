// Who holds which block: the trees below lost blocks, and the way from a reachable one to its root.
const TREE_CHILDREN = 50, LONGEST_PATH = 1000, FIRST_WAYS = 8, WARM_BLOCKS = 100_000;
const REACHABLE = 1, POSSIBLE = 2; // classes, as in the column `leak`

/** For every block the first block it holds, and the next one with the same holder (numbers plus 1; 0 ends). */
function readHolders(blocks) {
  const count = blocks.holder.length, firstHeld = new Int32Array(count), nextHeld = new Int32Array(count);
  for (let block = count - 1; block >= 0; block--) {
    if (!blocks.holder[block]) continue;
    const holder = block + blocks.holder[block];
    nextHeld[block] = firstHeld[holder];
    firstHeld[holder] = block + 1;
  }
  return { firstHeld, nextHeld };
}

/** The blocks that a block holds. */
function heldBy(held, block) {
  const found = [];
  for (let next = held.firstHeld[block]; next; next = held.nextHeld[next - 1]) found.push(next - 1);
  return found;
}

/** The way from a block to what holds it at last: blocks, then a root's name; it ends without a root where that is not known, or nothing is. */
function holdersOf(blocks, block) {
  const found = [], met = new Set([block]);
  let at = block;
  while (blocks.holder[at] && found.length < LONGEST_PATH) {
    at += blocks.holder[at];
    if (met.has(at)) break;
    met.add(at);
    found.push(at);
  }
  return { path: found, root: blocks.root[at] ? blocks.roots[blocks.root[at] - 1] : "" };
}

/** A block that opens to the blocks it holds. */
function holdingTree(page, shared, block, openings, key) {
  const { blocks, contents } = shared, children = orderBy(heldBy(shared.held, block), blocks.size, true);
  const line = [" ", sizeElement(blocks.size[block]), ...preview(page.facts.classes, contents, block)];
  if (!children.length) {
    const item = element("p", "leaf");
    item.append(blockLink(blocks, block, 0), ...line);
    return item;
  }
  const box = element("details"), summary = element("summary"), way = element("p", "leaf"), address = addressWords(blocks.address[block]);
  summary.append(element("code", "", address), ...line, element("span", "where", ` holds ${plural(children.length, "block")}`));
  way.append(link(formatHash("blocks", { at: address }), `Look into ${address}`));
  box.append(summary);
  openings.box(key, box, () => { if (box.children.length === 1) box.append(way, blockForest(page, shared, children, openings, key)); });
  return box;
}

/** The blocks of every site, largest first: those of site s, in the blocks' numbering, are order[starts[s]] to order[starts[s + 1] - 1]. */
function blocksBySite({ blocks, orders }) {
  const { site } = blocks, bySize = turned(orders.whole("size"), blocks.size), order = new Uint32Array(site.length);
  const starts = new Uint32Array(site.reduce((most, each) => Math.max(most, each), 0) + 3);
  for (let i = 0; i < site.length; i++) starts[site[i] + 1]++;
  for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
  const next = starts.slice();
  for (let i = 0; i < bySize.length; i++) order[next[site[bySize[i]]]++] = bySize[i];
  return { order, starts };
}

/** `key`: of the box around it; `sorted`: largest first. */
function blockForest(page, shared, sorted, openings, key) {
  return openings.list(key, {
    count: sorted.length, first: TREE_CHILDREN, step: TREE_CHILDREN, holder: element("div", "forest"),
    words: (rest) => `Show ${Math.min(rest, TREE_CHILDREN)} of ${plural(rest, "more block")}`,
    make: (from, to) => Array.from(sorted.subarray(from, to), (block, i) => holdingTree(page, shared, block, openings, `${key}.${from + i}`)),
  });
}

/** Finds the ways from blocks to their roots, each way a number. Holders from one call stack on end are one step, so that the blocks of a tree
 *  or a list share one. steps[way]: { site: of the holder plus 1, outer: the way from there }, or { root: plus 1; 0: none is known }. */
function wayFinder(blocks) {
  const UNKNOWN = -1, ON_THE_WAY = -2, way = new Int32Array(blocks.holder.length).fill(UNKNOWN), steps = [], known = new Map();
  const step = (key, made) => {
    if (!known.has(key)) { known.set(key, steps.length); steps.push(made); }
    return known.get(key);
  };
  const through = (holder, outer) => {
    const site = blocks.site[holder];
    return steps[outer].site === site ? outer : step(outer * 2 ** 24 + site, { site, outer }); // pages have fewer sites
  };
  const wayOf = (block) => {
    const waiting = [];
    let at = block;
    while (way[at] === UNKNOWN && !blocks.root[at] && blocks.holder[at]) {
      way[at] = ON_THE_WAY;
      waiting.push(at);
      at += blocks.holder[at];
    }
    if (way[at] < 0) way[at] = step(-1 - blocks.root[at], { root: blocks.root[at] }); // also where a circle is met again
    while (waiting.length) {
      const inner = waiting.pop();
      way[inner] = through(inner + blocks.holder[inner], way[inner + blocks.holder[inner]]);
    }
    return way[block];
  };
  return { wayOf, steps };
}

function waysOf(shared) {
  return (shared.ways ||= wayFinder(shared.blocks));
}

/** The ways of some blocks, as [way, blocks, bytes, its largest block], most bytes first. */
function sumWays(finder, blocks, list) {
  const sums = new Map();
  for (const block of list) {
    const way = finder.wayOf(block), sum = sums.get(way) || [way, 0, 0, block];
    sum[1]++;
    sum[2] += blocks.size[block];
    if (blocks.size[block] > blocks.size[sum[3]]) sum[3] = block;
    sums.set(way, sum);
  }
  return [...sums.values()].sort((a, b) => b[2] - a[2] || b[1] - a[1]);
}

/** Who holds the blocks of a record: each way to a root with what it holds, and below it the whole way of one block. */
function waysSection(page, shared, list, openings, key) {
  const { blocks } = shared, finder = waysOf(shared), found = sumWays(finder, blocks, list);
  const item = ([way, count, bytes, largest], at) => {
    const made = element("details"), summary = element("summary"), amount = element("strong");
    amount.append(sizeElement(bytes), ` in ${plural(count, "block")}`);
    summary.append(amount, " ", ...wayWords(page, shared, finder, way));
    made.append(summary);
    openings.box(`${key}.${at}`, made, () => {
      if (made.children.length === 1) made.append(element("p", "quiet", count > 1 ? "Of the largest of them, step by step:" : "Step by step:"), pathList(page, shared, largest));
    });
    return made;
  };
  return openings.list(key, {
    count: found.length, first: FIRST_WAYS, step: FIRST_WAYS, holder: element("div", "ways-to-roots"),
    words: (rest) => `Show ${Math.min(rest, FIRST_WAYS)} of ${plural(rest, "more way")}`,
    make: (from, to) => found.slice(from, to).map((way, i) => item(way, from + i)),
  });
}

/** '← fill_cache (cache.c:12) ← cache in server' */
function wayWords(page, shared, finder, way) {
  const { blocks } = shared, { stacks } = page, made = [];
  for (let step = finder.steps[way]; step; step = finder.steps[step.outer]) {
    made.push(element("span", "where", "← "));
    if (step.site === undefined) {
      made.push(element("span", "held-root", step.root ? blocks.roots[step.root - 1] : "nobody knows"));
    } else {
      const label = stacks && step.site ? stacks.sites.label[step.site - 1] : 0;
      made.push(label ? functionName(nameOf(stacks, label), SHORT_NAME) : element("span", "", "blocks of an unknown call stack"), " ", element("span", "where", label ? whereOf(stacks, label) : ""), " ");
    }
  }
  return made;
}

/** Adds to every record who holds its blocks, these blocks, and what they hold. Its state: #leaks?open=0.4 (numbers of records) & inside=0.3.1 (of
 *  blocks in the tree of record 0; 0.w.2 is one of the ways to its roots; see openings.js). */
async function startLeaks(page) {
  const shared = await page.blocks(), records = [...document.querySelectorAll("#leaks .records > li")];
  await shared?.whole;
  const all = records.map((item) => item.querySelector("details")), first = opened();
  function opened() {
    return all.map((each, i) => (each.open ? i : -1)).filter((i) => i >= 0).join(".");
  }
  const openings = makeOpenings((inside) => { params = { ...params, inside }; page.note("leaks", params); });
  const fill = shared && shared.held ? (i) => fillRecord(page, shared, records[i], openings, String(i)) : () => {};
  let params = {};
  all.forEach((details, i) => details.addEventListener("toggle", () => {
    if (details.open) fill(i);
    const now = opened();
    if (page.view() === "leaks") page.go("leaks", { open: now === first ? "" : now || "none", inside: openings.text() });
  }));
  const closeAll = () => page.go("leaks", { open: "none" });
  return {
    show(given) {
      params = given;
      const wanted = new Set((params.open === undefined ? first : params.open).split("."));
      all.forEach((details, i) => {
        details.open = wanted.has(String(i));
        if (details.open) fill(i);
      });
      openings.show(params.inside);
    },
    async warm() {
      if (!shared || !shared.held) return;
      const pause = () => new Promise((done) => setTimeout(done, WARM_UP_MS)), finder = waysOf(shared), { length } = shared.blocks.site;
      shared.orders.whole("size");
      await pause();
      shared.bySite ||= blocksBySite(shared);
      for (let from = 0; from < length; from += WARM_BLOCKS) {
        await pause();
        for (let block = from; block < Math.min(length, from + WARM_BLOCKS); block++) finder.wayOf(block);
      }
      for (const [i, details] of all.entries()) {
        if (!details.open) continue;
        await pause();
        fill(i);
      }
    },
    keys: { x: closeAll, j: () => stepTo(all, 1), k: () => stepTo(all, -1) },
    help: [["j k", "Next and previous record"], ["Enter", "Open or close it"], ["x", "Close all"]],
  };
}

/** Moves the keyboard to the next record. */
function stepTo(all, by) {
  const now = all.findIndex((details) => details.contains(document.activeElement)), next = now < 0 ? (by > 0 ? 0 : all.length - 1) : now + by;
  all[Math.max(0, Math.min(all.length - 1, next))]?.querySelector("summary").focus();
}

function fillRecord(page, shared, item, openings, key) {
  const { blocks } = shared, site = Number(item.dataset.site), leak = Number(item.dataset.leak), details = item.querySelector("details");
  if (site < 0 || item.querySelector(".forest")) return;
  const { order, starts } = (shared.bySite ||= blocksBySite(shared));
  const found = order.subarray(starts[site + 1], starts[site + 2]).filter((block) => blocks.leak[block] === leak && !(blocks.flags[block] & BLOCK_RUNTIME));
  if (!found.length) return;
  details.querySelector(".without-script")?.remove();
  if (leak === REACHABLE || leak === POSSIBLE) details.append(element("h4", "", "Who holds them"), waysSection(page, shared, found, openings, key + ".w"));
  details.append(element("h4", "", "The blocks, and what they hold"), blockForest(page, shared, found, openings, key));
}

function sizeOf(blocks, block) {
  const made = element("span", "where");
  made.append(sizeElement(blocks.size[block]));
  return made;
}

/** The way from a block to its root: who holds it, who holds that, and so on. */
function pathList(page, shared, block) {
  const { blocks, contents } = shared, { path, root } = holdersOf(blocks, block), list = element("ol", "values holders");
  for (const each of path.slice(0, FIRST_LINKS)) {
    const item = element("li");
    item.append("held by ", blockLink(blocks, each, 0), " ", sizeOf(blocks, each), ...preview(page.facts.classes, contents, each));
    list.append(item);
  }
  if (path.length > FIRST_LINKS) list.append(element("li", "quiet", `… ${plural(path.length - FIRST_LINKS, "more block")}`));
  if (root) list.append(element("li", "", `held by ${root}`));
  return list;
}

/** For a block's detail: whether it is lost, and who holds it, to the root. */
function holderSection(page, shared, block, openings) {
  const { blocks, held } = shared;
  if (!held || !blocks.leak[block]) return [];
  const words = ["", "still reachable", "possibly lost", "indirectly lost", "definitely lost"][blocks.leak[block]], made = [element("h4", "", `It is ${words}`)];
  const list = pathList(page, shared, block);
  if (list.children.length) made.push(list);
  const children = orderBy(heldBy(held, block), blocks.size, true);
  if (children.length) made.push(element("h4", "", `It holds ${plural(children.length, "block")}`), blockForest(page, shared, children, openings, "held"));
  return made;
}
