// Who holds which block: the trees below lost blocks, and the way from a reachable one to its root.
const TREE_CHILDREN = 50, LONGEST_PATH = 1000;

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
function holdingTree(page, shared, block) {
  const { blocks, contents } = shared, children = heldBy(shared.held, block);
  const line = [" ", sizeWords(blocks.size[block]), ...preview(page.facts.classes, contents, block)];
  if (!children.length) {
    const item = element("p", "leaf");
    item.append(blockLink(blocks, block, 0), ...line);
    return item;
  }
  const box = element("details"), summary = element("summary"), way = element("p", "leaf"), address = addressWords(blocks.address[block]);
  summary.append(element("code", "", address), ...line, element("span", "where", ` holds ${plural(children.length, "block")}`));
  way.append(link(formatHash("blocks", { at: address }), `Look into ${address}`));
  box.append(summary);
  box.addEventListener("toggle", () => { if (box.open && box.children.length === 1) box.append(way, blockForest(page, shared, children)); });
  return box;
}

function blockForest(page, shared, list) {
  const { blocks } = shared, box = element("div", "forest"), sorted = list.slice().sort((a, b) => blocks.size[b] - blocks.size[a] || a - b);
  const add = (from) => {
    for (const block of sorted.slice(from, from + TREE_CHILDREN)) box.append(holdingTree(page, shared, block));
    const rest = sorted.length - from - TREE_CHILDREN;
    if (rest <= 0) return;
    const more = button("plain", `Show ${Math.min(rest, TREE_CHILDREN)} of ${plural(rest, "more block")}`, () => { more.remove(); add(from + TREE_CHILDREN); });
    box.append(more);
  };
  add(0);
  return box;
}

/** Adds to every record its blocks, and to each of these what it holds. */
async function startLeaks(page) {
  const shared = await page.blocks();
  if (!shared || !shared.held) return null;
  const { blocks } = shared;
  for (const item of document.querySelectorAll("#leaks .records > li")) {
    const site = Number(item.dataset.site), leak = Number(item.dataset.leak), details = item.querySelector("details");
    const fill = () => {
      if (!details.open || site < 0 || item.querySelector(".forest")) return;
      const found = [];
      for (let block = 0; block < blocks.site.length; block++) if (blocks.site[block] === site + 1 && blocks.leak[block] === leak && !(blocks.flags[block] & BLOCK_RUNTIME)) found.push(block);
      if (found.length) details.append(element("h4", "", "The blocks, and what they hold"), blockForest(page, shared, found));
    };
    details.addEventListener("toggle", fill);
    fill();
  }
  return { show() {} };
}

/** For a block's detail: whether it is lost, and who holds it, to the root. */
function holderSection(page, shared, block) {
  const { blocks, held } = shared;
  if (!held || !blocks.leak[block]) return [];
  const words = ["", "still reachable", "possibly lost", "indirectly lost", "definitely lost"][blocks.leak[block]], made = [element("h4", "", `It is ${words}`)];
  const { path, root } = holdersOf(blocks, block), list = element("ol", "values holders");
  for (const each of path.slice(0, FIRST_LINKS)) {
    const item = element("li");
    item.append("held by ", blockLink(blocks, each, 0), " ", element("span", "where", sizeWords(blocks.size[each])), ...preview(page.facts.classes, shared.contents, each));
    list.append(item);
  }
  if (path.length > FIRST_LINKS) list.append(element("li", "quiet", `… ${plural(path.length - FIRST_LINKS, "more block")}`));
  if (root) list.append(element("li", "", `held by ${root}`));
  if (list.children.length) made.push(list);
  const children = heldBy(held, block);
  if (children.length) made.push(element("h4", "", `It holds ${plural(children.length, "block")}`), blockForest(page, shared, children));
  return made;
}
