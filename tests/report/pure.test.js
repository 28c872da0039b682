// The pure functions of the page's scripts, under node: node --test tests/report/pure.test.js
"use strict";
const { test } = require("node:test");
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const context = vm.createContext({ TextDecoder, TextEncoder, URLSearchParams, Intl });
for (const name of ["format", "data", "order", "stacks", "flame_tree", "bytes", "hash", "openings", "blocks", "chart", "histograms", "leaks", "changes"]) {
  vm.runInContext(fs.readFileSync(path.join(__dirname, "../../templates", name + ".js"), "utf8"), context);
}
const { sizeWords, timeWords, shareWords, parseSize, shortName, editorLink, readColumns, orderBy, lastNotAbove, holdsBytes, wantedBytes, readStacks, stackText,
  makeGraph, spotsInside, spotAt, pathOf, layOut, functionTable, ownValue, dumpLine, readValues, readPointers, findStrings, visible, blockAt, filterBlocks,
  parseHash, formatHash, useUnits, sizeWithUnit, keysOf, keysText } = context;
const bytes = (text) => new TextEncoder().encode(text);
const plain = (value) => JSON.parse(JSON.stringify(value)); // arrays of the other context are arrays of its own

test("sizes and times are as the rest of crunch writes them", () => {
  assert.deepEqual([0, 1, 1023, 1024, 1536, 102400, 1 << 20, 5 * 2 ** 30, 3 * 2 ** 40].map(sizeWords),
    ["0 bytes", "1 byte", "1,023 bytes", "1.0 KiB", "1.5 KiB", "100 KiB", "1.0 MiB", "5.0 GiB", "3.0 TiB"]);
  assert.deepEqual([0, 12e3, 3.1e6, 1.25e9, 184e9, 7500e9].map(timeWords), ["0 s", "12 µs", "3.1 ms", "1.25 s", "3 min 4 s", "2 h 5 min"]);
  assert.deepEqual([shareWords(1, 0), shareWords(1, 100000), shareWords(1, 3), shareWords(1, 100)], ["0.0 %", "under 0.1 %", "33 %", "1.0 %"]);
  useUnits("decimal");
  assert.equal(sizeWords(1500000), "1.5 MB");
  assert.equal(parseSize("2k"), 2000);
  assert.equal(sizeWithUnit("2k"), "2 kB");
  useUnits("binary");
  assert.deepEqual(["2k", "1.5 MiB", "300", "7 bytes", "1 GB"].map(parseSize), [2048, 1572864, 300, 7, 1e9]);
  assert.deepEqual(["2k", "1.5 M", "3 kB", "4 KiB", "300", "x"].map(sizeWithUnit), ["2 KiB", "1.5 MiB", "3 kB", "4 KiB", "300", "x"]);
  assert.ok(["", "x", "-1", "1 kk"].every((text) => Number.isNaN(parseSize(text))));
});

test("long names lose parameters, then template arguments", () => {
  assert.equal(shortName("std::map<int, long>::find(int const&) const", 30), "std::map<int, long>::find");
  assert.equal(shortName("std::map<int, long>::find(int const&) const", 20), "std::map<…>::find");
  assert.equal(shortName("operator<<(std::ostream&)", 12), "operator<<");
  assert.equal(shortName("x".repeat(65536), 10), "x".repeat(9) + "…");
});

test("editor links hold paths with any character", () => {
  assert.equal(editorLink("vscode://file/{file}:{line}", "/src", "a b#?.c", 7), "vscode://file//src/a%20b%23%3F.c:7");
  assert.equal(editorLink("", "/src", "a.c", 7) + editorLink("x:{file}", "/src", "a.c", 0), "");
});

test("columns: planes, differences, signs, texts", () => {
  const data = new Uint8Array([5, 255, /* planes of 2: 258, 3 */ 2, 3, 1, 0, /* zigzag 1,-1: deltas +1 -2 */ 2, 3, ...bytes("a\0é")]);
  const found = readColumns([["bytes", 2, 1, 0], ["two", 2, 2, 0], ["delta", 2, 1, 3], ["text", 2, 4, 8], ["none", 0, 0, 8], ["nothing", 0, 1, 1]], data);
  assert.deepEqual(Object.fromEntries(Object.entries(found).map(([name, values]) => [name, [...values]])),
    { bytes: [5, 255], two: [258, 3], delta: [1, -1], text: ["a", "é"], none: [], nothing: [] });
});

test("order: like a comparing sort, ties stay, large and negative values", () => {
  let seed = 7;
  const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  for (const range of [3, 70000, 2 ** 31, 2 ** 50]) {
    const values = Float64Array.from({ length: 500 }, () => Math.floor((random(2147483648) / 2147483648) * range) - (range > 3 ? range / 2 : 0));
    for (const down of [false, true]) {
      const rows = Array.from(values.keys()), expected = rows.slice().sort((a, b) => (down ? values[b] - values[a] : values[a] - values[b]) || a - b);
      assert.deepEqual([...orderBy(rows, values, down)], expected);
    }
  }
  assert.equal(orderBy([], [], true).length, 0);
});

test("looking for bytes and places", () => {
  const hay = bytes("aab\0aabc");
  assert.ok(holdsBytes(hay, 0, 8, bytes("aabc")) && !holdsBytes(hay, 0, 7, bytes("aabc")) && !holdsBytes(hay, 5, 8, bytes("aabc")) && holdsBytes(hay, 5, 8, bytes("abc")));
  assert.deepEqual([...wantedBytes("hex: 7f 4546")], [0x7f, 0x45, 0x46]);
  assert.deepEqual([...wantedBytes("hex: 7")], [...bytes("hex: 7")]);
  assert.deepEqual([-1, 5, 6, 9, 99].map((value) => lastNotAbove([5, 8, 9], value)), [-1, 0, 0, 2, 2]);
});

/** main > load > grow (3), load > std > grow (2), main > save (5), main > load > load (1) */
function sample() {
  const text = ["", "main", "load", "grow", "save", "std", "a.c", "libc"];
  return readStacks({
    text, "frame.name": [1, 2, 3, 4, 5], "frame.file": [6, 6, 6, 6, 0], "frame.line": [1, 2, 3, 4, 0], "frame.module": [0, 0, 0, 0, 7], "frame.flags": [4, 4, 4, 4, 8],
    "node.back": [1, 1, 1, 2, 1, 5, 5], "node.frame": [0, 1, 2, 4, 2, 3, 1], "site.leaf": [3, 5, 6, 7], "site.labelBack": [0, 0, 0, 0], "site.live": [3, 2, 5, 1],
  }, { folder: "/", editor: "" });
}
const settings = { up: false, merge: "function", focus: [], hide: [], skipRuntime: false };
const shape = (graph, spot = graph.root) => Object.fromEntries(spotsInside(graph, spot).map((each) => [graph.labels[each.key] + " " + each.value, shape(graph, each)]));

test("flame graph downwards, upwards, merged, hidden and focused", () => {
  const stacks = sample(), values = stacks.sites.live;
  assert.deepEqual(shape(makeGraph(stacks, values, settings)), { "main 11": { "load 6": { "grow 3": {}, "std 2": { "grow 2": {} }, "load 1": {} }, "save 5": {} } });
  assert.deepEqual(shape(makeGraph(stacks, values, { ...settings, skipRuntime: true })), { "main 11": { "load 6": { "grow 5": {}, "load 1": {} }, "save 5": {} } });
  assert.deepEqual(shape(makeGraph(stacks, values, { ...settings, hide: [2] })), { "main 11": { "save 5": {}, "grow 3": {}, "std 2": { "grow 2": {} } } });
  assert.deepEqual(shape(makeGraph(stacks, values, { ...settings, focus: [5] })), { "main 2": { "load 2": { "std 2": { "grow 2": {} } } } });
  assert.deepEqual(shape(makeGraph(stacks, values, { ...settings, merge: "file" })), { "a.c 11": { "libc 2": { "a.c 2": {} } } });
  const up = makeGraph(stacks, values, { ...settings, up: true });
  assert.deepEqual(shape(up), { "grow 5": { "load 3": { "main 3": {} }, "std 2": { "load 2": { "main 2": {} } } }, "save 5": { "main 5": {} }, "load 1": { "load 1": { "main 1": {} } } });
  assert.equal(ownValue(up, up.root), 0);
});

test("flame graph: paths, layout, table, difference", () => {
  const stacks = sample(), graph = makeGraph(stacks, stacks.sites.live, settings), load = spotAt(graph, [0, 1]);
  assert.equal(graph.labels[load.key], "load");
  assert.equal(ownValue(graph, load), 0);
  assert.deepEqual(plain(pathOf(load)), [0, 1]);
  assert.equal(spotAt(graph, [0, 99, 1]).value, 11);
  const places = layOut(graph, load, 0.2);
  assert.deepEqual(plain(places.map(({ spot, row, width }) => [spot.value, row, width])), [[11, 0, 1], [11, 1, 1], [6, 2, 1], [3, 3, 0.5], [2, 3, 2 / 6], [2, 4, 2 / 6]]);
  assert.deepEqual(plain(functionTable(graph)), [["grow", 5, 5], ["save", 5, 5], ["load", 1, 6], ["main", 0, 11], ["std", 0, 2]]);
  const changed = makeGraph(stacks, stacks.sites.live, settings, [0, 2, 9, 0]);
  assert.deepEqual(plain(spotsInside(changed, spotAt(changed, [0])).map((spot) => [spot.value, spot.before])), [[6, 2], [5, 9]]);
});

test("stacks as text", () => {
  assert.equal(stackText(sample(), 5), "#0 grow (a.c:3)\n#1 std (libc)\n#2 load (a.c:2)\n#3 main (a.c:1)\n");
});

test("bytes in all readings", () => {
  assert.deepEqual(plain(dumpLine(Uint8Array.of(72, 105, 0, 255), 0, 16)), { offset: "000000", hex: "48 69 00 ff  ".padEnd(49), text: "Hi··", zero: false });
  const block = new Uint8Array(16), view = new DataView(block.buffer);
  view.setFloat32(0, 0.1, true);
  view.setInt32(4, -3, true);
  view.setBigUint64(8, 2n ** 63n, true);
  assert.deepEqual(plain(readValues(block, "f32"))[0], [0, "0.100000001"]);
  assert.deepEqual(plain(readValues(block, "i32"))[1], [4, "-3"]);
  assert.deepEqual(plain(readValues(block, "u64"))[1], [8, "9223372036854775808"]);
  assert.deepEqual(plain(readValues(block.subarray(0, 3), "u16")), [[0, "52429"]]);
  assert.deepEqual(plain(readPointers(block, 8))[1], [8, -1]);
  assert.deepEqual(plain(findStrings(bytes("\0\0hello\n\u00e9\0abc\0\u202eabcd"))), [[2, "hello\né"], [15, "\u202eabcd"]]);
  assert.deepEqual(plain(findStrings(Uint8Array.of(...bytes("text"), 255, ...bytes("more"), 0))), [[0, "text"], [5, "more"]]);
  assert.equal(visible("a\u202eb\u0007\n"), "a\\u202eb\\u0007\\n");
});

test("blocks are found by address and filtered", () => {
  const blocks = { address: [16, 64, 128], size: [10, 0, 100], thread: [1, 2, 1], kind: [0, 4, 0], site: [1, 0, 2], flags: [0, 1, 0] };
  assert.deepEqual([15, 16, 25, 26, 64, 65, 227, 228].map((address) => blockAt(blocks, address)), [-1, 0, 0, -1, 1, -1, 2, -1]);
  const contents = { block: [0, 2], start: [0, 4], length: [4, 4], bytes: bytes("abcdefgh") };
  const list = (filter) => plain([...filterBlocks(blocks, contents, filter)]);
  assert.deepEqual([list({}), list({ runtime: "1" }), list({ min: "11" }), list({ thread: "1", max: "50" }), list({ site: "1" }), list({ text: "de" }), list({ text: "ef" }), list({ runtime: "1", kind: "4" })],
    [[0, 2], [0, 1, 2], [2], [0], [2], [], [2], [1]]);
});

test("addresses", () => {
  assert.deepEqual(plain(parseHash("#flame?by=peak&find=a%26b%3F")), { view: "flame", params: { by: "peak", find: "a&b?" } });
  assert.equal(formatHash("sites", { sort: "", site: 0, find: "a b&" }), "#sites?site=0&find=a+b%26");
  assert.deepEqual(plain(parseHash("")), { view: "", params: {} });
});

test("charts: ticks, areas, thinning keeps the extremes", () => {
  assert.deepEqual(plain(context.ticks(1000, 4)), [0, 500, 1000]);
  assert.deepEqual(plain(context.ticks(500 * 1024, 4, 1024)), [0, 128, 256, 384].map((n) => n * 1024));
  assert.deepEqual(plain(context.ticks(0, 4)), [0]);
  assert.deepEqual(plain(context.ticks(1000, 4, 10, 130)), [500, 1000]);
  assert.deepEqual(plain(context.ticks(144, 6, 10, 0.1)), [50, 100]);
  assert.deepEqual(plain(context.ticks(7, 4, 10, 7)), [7]);
  assert.deepEqual([0, 5000, 20000, 1500000, 3e9].map(context.roundCount), ["0", "5000", "20k", "1.5M", "3G"]);
  const moments = context.readMoments({ "moment.time": [0, 10, 20], "moment.count": [1, 2, 2], "moment.site": [1, 1, 3, 3, 0], "moment.bytes": [5, 6, 7, 9, 1] });
  assert.deepEqual(plain(context.topSites(moments, 0, 20, 5)), [2, 0]);
  assert.deepEqual(plain(context.topSites(moments, 0, 5, 5)), [0]);
  assert.deepEqual(plain(context.stackAreas(moments, [0, 2], () => 20)), [[[0, 0, 5], [10, 0, 6], [20, 0, 0]], [[0, 5, 5], [10, 6, 13], [20, 0, 9]], [[0, 5, 20], [10, 13, 20], [20, 9, 20]]]);
  const times = Array.from({ length: 1000 }, (_, i) => i), values = times.map((i) => (i === 777 ? 50 : i % 3));
  const few = context.thinned(times, values, 0, 999, 20);
  assert.ok(few.length <= 41 && few[0][0] === 0 && few.some(([time, value]) => time === 777 && value === 50) && few[few.length - 1][0] === 999);
  const idle = context.thinned([...times, 1e6], [...values, 0], 0, 1e6, 20); // busy for a thousandth of the time: what was left then is what stays
  assert.deepEqual(plain(idle), [[0, 0], [777, 50], [999, 0], [1e6, 0]]);
  assert.equal(context.linePath([[0, 1], [5, 0]], (x) => x, (y) => 10 - y, true), "M0.0,9.0L5.0,10.0L5.0,10L0.0,10Z");
});

test("histograms: buckets as the recording has them", () => {
  const columns = { "growth.site": [4], "growth.verdict": [1], "growth.rate": [-5], "histogram.site": [4], "histogram.filled": [4], "histogram.bucket": [0, 17, 31, 34], "histogram.count": [1, 2, 3, 4],
    "moment.time": [], "moment.count": [], "moment.site": [], "moment.bytes": [] };
  for (const name of ["ended", "temporary", "others", "grown", "shrunk", "moved", "copied", "longest", "least"]) columns["histogram." + name] = [name === "longest" ? 255 : 2048];
  const { histograms, growth } = context.readTime(columns), found = histograms.get(4);
  assert.deepEqual(plain(growth.get(4)), { verdict: 1, rate: -5 });
  assert.deepEqual(plain(context.agingBars(found.filled)), [["< 4", 1, "1 block lived for 0 to 3 allocations of their thread"]]);
  assert.deepEqual(plain(context.lifeBars(found.filled)), [["< 4.2 ms", 2, "2 blocks lived 1.0 ms to 4.2 ms"]]);
  assert.deepEqual(plain(context.sizeBars(found.filled)).map((bar) => bar[2]), ["3 blocks of 0 bytes to 1 byte", "0 blocks of 2 bytes to 3 bytes", "0 blocks of 4 bytes to 7 bytes", "4 blocks of 8 bytes to 15 bytes"]);
  assert.equal(context.resizeWords(found), "grew 2,048 times, shrank 2,048 times, 2.0 KiB copied, one block 255 or more times");
});

test("who holds which block, to the root, also in a circle", () => {
  const blocks = { holder: [3, -1, -1, 0, 1, -1], root: [0, 0, 0, 2, 0, 0], roots: ["a root", "cache in tour"] };
  // 0 by 3, 1 by 0, 2 by 1, 3 by a root, 4 by 5, 5 by 4
  const held = context.readHolders(blocks);
  assert.deepEqual([0, 1, 3, 4].map((block) => plain(context.heldBy(held, block))), [[1], [2], [0], [5]]);
  assert.deepEqual(plain(context.holdersOf(blocks, 2)), { path: [1, 0, 3], root: "cache in tour" });
  assert.deepEqual(plain(context.holdersOf(blocks, 4)), { path: [5], root: "" });
});

test("changes between two moments are of five kinds", () => {
  const sites = { leaf: [1, 2, 3, 4, 5, 6], a: [0, 10, 10, 10, 10, 7], aBlocks: [0, 1, 1, 2, 1, 1], b: [5, 20, 5, 0, 10, 7], bBlocks: [1, 1, 1, 0, 2, 1] };
  const found = context.changesBetween(sites, "a", "b");
  assert.deepEqual(plain([...found.kind]), [1, 2, 3, 4, 2, 0]); // more blocks of as many bytes have grown
  assert.deepEqual(plain([...found.bytes]), [5, 10, -5, -10, 0, 0]);
  assert.deepEqual(plain(found.counts), [1, 1, 2, 1, 1]);
  assert.deepEqual(plain([...context.changesBetween(sites, "nothing", "b").kind]), [1, 1, 1, 0, 1, 1]);
});

test("ways to roots join the holders of one call stack, and end in circles", () => {
  const blocks = { site: [9, 9, 9, 4, 5, 6, 7], holder: [0, -1, -1, -1, 1, -1, 0], root: [2, 0, 0, 0, 0, 0, 0], size: [1, 1, 1, 30, 1, 1, 1] };
  const finder = context.wayFinder(blocks), words = (way) => { const made = []; for (let step = finder.steps[way]; step; step = finder.steps[step.outer]) made.push(step.site === undefined ? "root" + step.root : step.site); return made; };
  assert.deepEqual(plain([0, 1, 2, 3].map((block) => words(finder.wayOf(block)))), [["root2"], [9, "root2"], [9, "root2"], [9, "root2"]]);
  assert.equal(words(finder.wayOf(4)).at(-1), "root0");
  assert.deepEqual(plain(words(finder.wayOf(6))), ["root0"]);
  assert.deepEqual(plain(context.sumWays(finder, blocks, [1, 2, 3]).map(([, count, bytes, largest]) => [count, bytes, largest])), [[3, 32, 3]]);
});

test("kept orders sort parts of a table as the whole is sorted, equal ones in their order", () => {
  const columns = { size: [5, 3, 5, 1, 3, 5] }, orders = context.keptOrders(columns, 6), of = (down, rows) => plain([...orders.sorted("size", down, Uint32Array.from(rows))]);
  assert.deepEqual(of(false, [0, 1, 2, 3, 4, 5]), [3, 1, 4, 0, 2, 5]);
  assert.deepEqual(of(true, [0, 1, 2, 3, 4, 5]), [0, 2, 5, 1, 4, 3]);
  assert.deepEqual(of(true, [1, 2, 4, 5]), [2, 5, 1, 4]);
  assert.deepEqual(of(false, [2]), [2]);
  assert.deepEqual(of(true, []), []);
});

test("what is opened is a text of the address", () => {
  assert.deepEqual([...keysOf("0.3.1_0.m2")], ["0.3.1", "0.3", "0", "0.m2"]);
  assert.deepEqual([...keysOf(undefined)], []);
  assert.equal(keysText(["0", "0.3", "0.3.1", "1", "0.m2"]), "0.3.1_1_0.m2");
});
