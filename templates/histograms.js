// What becomes of the blocks of a site: how long they live, how large they are, what realloc does to them, how it goes over time.
const BY_ALLOCATIONS = 16, BY_TIME = 15, TIME_UNIT_NS = 2 ** 20;

/** Everything about single sites that the pack `time` has: verdicts and histograms by site, and the moments. */
function readTime(columns) {
  if (!columns) return null;
  const growth = new Map(), histograms = new Map();
  columns["growth.site"].forEach((site, i) => growth.set(site, { verdict: columns["growth.verdict"][i], rate: columns["growth.rate"][i] }));
  let at = 0;
  columns["histogram.site"].forEach((site, i) => {
    const filled = new Map();
    for (const end = at + columns["histogram.filled"][i]; at < end; at++) filled.set(columns["histogram.bucket"][at], columns["histogram.count"][at]);
    const found = { filled };
    for (const name of ["others", "grown", "shrunk", "copied", "longest", "least"]) found[name] = columns["histogram." + name][i];
    histograms.set(site, found);
  });
  return { columns, growth, histograms, moments: readMoments(columns) };
}

/** The filled buckets from `from` on, as [number, count], with the empty ones between them; none if all are empty. */
function bucketRange(filled, from, count) {
  const present = [...filled.keys()].filter((bucket) => bucket >= from && bucket < from + count);
  if (!present.length) return [];
  const found = [];
  for (let bucket = Math.min(...present); bucket <= Math.max(...present); bucket++) found.push([bucket - from, filled.get(bucket) || 0]);
  return found;
}

function sizeBars(filled) {
  return bucketRange(filled, BY_ALLOCATIONS + BY_TIME, 30).map(([bucket, count]) => {
    const low = bucket ? 2 ** (bucket + 1) / 2 : 0;
    return [sizeWords(low).replace(" bytes", "").replace(" byte", ""), count, `${plural(count, "block")} of ${sizeWords(low)} to ${sizeWords(2 ** (bucket + 1) - 1)}`];
  });
}

function lifeBars(filled) {
  return bucketRange(filled, BY_ALLOCATIONS, BY_TIME).map(([bucket, count]) => {
    const low = bucket ? TIME_UNIT_NS * 4 ** (bucket - 1) : 0, high = TIME_UNIT_NS * 4 ** bucket;
    return ["< " + timeWords(high), count, `${plural(count, "block")} lived ${bucket ? timeWords(low) : "0 s"} to ${timeWords(high)}`];
  });
}

function agingBars(filled) {
  return bucketRange(filled, 0, BY_ALLOCATIONS).map(([bucket, count]) =>
    ["< " + shortCount(4 ** (bucket + 1)), count, `${plural(count, "block")} lived for ${bucket ? number(4 ** bucket) : 0} to ${number(4 ** (bucket + 1) - 1)} allocations of their thread`]);
}

function shortCount(count) {
  for (const [unit, name] of [[2 ** 30, "G"], [2 ** 20, "M"], [2 ** 10, "K"]]) if (count >= unit) return count / unit + name;
  return String(count);
}

/** 'grew 17 times, 8 MB copied'; empty where realloc did nothing. */
function resizeWords(found) {
  const words = [];
  if (found.grown) words.push(`grew ${plural(found.grown, "time")}`);
  if (found.shrunk) words.push(`shrank ${plural(found.shrunk, "time")}`);
  if (found.copied) words.push(`${sizeWords(found.copied)} copied`);
  if (found.longest > 1) words.push(`one block ${found.longest}${found.longest === 255 ? " or more" : ""} times`);
  return words.join(", ");
}

/** The rows and charts of a site's detail. */
function siteTime(page, site) {
  const { time } = page, rows = [], charts = [];
  if (!time) return { rows, charts };
  const growth = time.growth.get(site), found = time.histograms.get(site);
  if (growth) {
    const rate = growth.rate ? `, ${growth.rate > 0 ? "+" : "−"}${sizeWords(Math.abs(growth.rate))} a second` : "";
    rows.push(["Over time", page.facts.verdicts[growth.verdict] + rate]);
    charts.push(siteCurve(time, site));
  }
  if (!found) return { rows, charts };
  if (resizeWords(found)) rows.push(["realloc", resizeWords(found)]);
  if (found.others) rows.push(["Freed elsewhere", `${plural(found.others, "block")} by another thread`]);
  for (const [title, bars] of [["Sizes of the blocks that ended", sizeBars(found.filled)], ["How long they lived", lifeBars(found.filled)],
    ["How many allocations they outlived", agingBars(found.filled)]]) if (bars.length) charts.push(barChart(title + (found.least ? ", at least" : ""), bars));
  return { rows, charts };
}

/** A site's live bytes, as far as it was among the largest. */
function siteCurve(time, site) {
  const points = time.moments.map((moment) => [moment.time, moment.top.get(site) || 0]), most = Math.max(1, ...points.map(([, bytes]) => bytes));
  const start = points[0][0], span = Math.max(1, points[points.length - 1][0] - start);
  const figure = element("figure", "curve"), caption = element("figcaption");
  const svg = drawn("svg", { role: "img", viewBox: "0 0 1000 60", preserveAspectRatio: "none", width: "100%", height: 60, "aria-label": `Live bytes over time, at most ${sizeWords(most)}` });
  svg.append(drawn("path", { d: linePath(points, (at_) => (1000 * (at_ - start)) / span, (bytes) => 60 - (60 * bytes) / most, true) }));
  caption.append(element("span", "", timeWords(start * 1000)), element("span", "", `at most ${sizeWords(most)}`), element("span", "", timeWords((start + span) * 1000)));
  figure.append(svg, caption);
  return figure;
}
