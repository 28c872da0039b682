// What charts are made of: round numbers for axes, and series of values over time. Pure functions, but for the last ones, which draw.

/** Round values from `least` to at most `most`, about `count` of them, in steps of 1, 2 or 5 of `base`'s powers. */
function ticks(most, count, base = 10, least = 0) {
  if (!(most > least)) return [least];
  const rough = (most - least) / count, unit = base ** Math.floor(Math.log(rough) / Math.log(base));
  const steps = base === 10 ? [1, 2, 5, 10] : [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
  const step = unit * (steps.find((each) => each * unit >= rough) || base), found = [];
  for (let value = Math.max(0, Math.ceil(least / step - 0.0001)) * step; value <= most * 1.0001; value += step) found.push(value);
  return found;
}

/** A round count in few letters: 500, 20k, 1.5M. */
function roundCount(value) {
  const [unit, letter] = [[1e9, "G"], [1e6, "M"], [1e4, "k"]].find(([least]) => value >= least) || [1, ""];
  return letter === "k" ? value / 1000 + "k" : value / unit + letter;
}

/** The moments of a run: [{ time, top: Map of site to bytes }]; times in microseconds. */
function readMoments(columns) {
  const found = [];
  let at = 0;
  columns["moment.time"].forEach((time, i) => {
    const top = new Map();
    for (const end = at + columns["moment.count"][i]; at < end; at++) {
      const site = columns["moment.site"][at] - 1;
      if (site >= 0) top.set(site, (top.get(site) || 0) + columns["moment.bytes"][at]);
    }
    found.push({ time, top });
  });
  return found;
}

/** The `count` sites with most bytes at any moment from one time to another. */
function topSites(moments, from, to, count) {
  const most = new Map();
  for (const { time, top } of moments) {
    if (time < from || time > to) continue;
    for (const [site, bytes] of top) most.set(site, Math.max(most.get(site) || 0, bytes));
  }
  return [...most.entries()].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, count).map(([site]) => site);
}

/** Areas one on top of another: for each site, and at last for the others, [[time, bottom, top], …]. whole(time): live bytes then. */
function stackAreas(moments, sites, whole) {
  const areas = [...sites, -1].map(() => []);
  for (const { time, top } of moments) {
    let bottom = 0;
    sites.forEach((site, i) => { const bytes = top.get(site) || 0; areas[i].push([time, bottom, bottom + bytes]); bottom += bytes; });
    areas[sites.length].push([time, bottom, Math.max(bottom, whole(time))]);
  }
  return areas;
}

/** The number of the last of ascending values that is not above a value; the first where all are. */
function at(values, value) {
  return Math.max(0, lastNotAbove(values, value));
}

/** Few points in place of many: of each of `count` parts of the time the one with the largest value and the last one, and always the first. */
function thinned(times, values, from, to, count) {
  const first = at(times, from), last = Math.min(times.length - 1, at(times, to) + 1), span = Math.max(1, (to - from) / count), found = [];
  for (let start = first, end; start <= last; start = end) {
    let best = start;
    for (end = start + 1; end <= last && times[end] < times[start] + span; end++) if (values[end] > values[best]) best = end;
    for (const i of new Set([...(start === first ? [start] : []), best, end - 1])) found.push([times[i], values[i]]);
  }
  return found;
}

/** The path of a line; area: closed down to y(0). */
function linePath(points, x, y, area) {
  if (!points.length) return "";
  const line = points.map(([time, value], i) => `${i ? "L" : "M"}${x(time).toFixed(1)},${y(value).toFixed(1)}`).join("");
  return area ? `${line}L${x(points[points.length - 1][0]).toFixed(1)},${y(0)}L${x(points[0][0]).toFixed(1)},${y(0)}Z` : line;
}

/** The path between two lines: [[time, bottom, top], …]. */
function areaPath(points, x, y) {
  if (!points.length) return "";
  const up = points.map(([time, , top], i) => `${i ? "L" : "M"}${x(time).toFixed(1)},${y(top).toFixed(1)}`);
  const down = points.slice().reverse().map(([time, bottom]) => `L${x(time).toFixed(1)},${y(bottom).toFixed(1)}`);
  return up.join("") + down.join("") + "Z";
}

/** Upright bars of [label, count, words] each; what it shows is also its text for those who cannot see it. */
function barChart(title, bars) {
  const most = Math.max(1, ...bars.map(([, count]) => count)), figure = element("figure", "bars"), box = element("div", "bars-box");
  figure.append(element("figcaption", "", title));
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", `${title}: ` + bars.filter(([, count]) => count).map(([, , words]) => words).join("; "));
  for (const [label, count, words] of bars) {
    const column = element("div", "bars-column"), bar = element("div", count ? "bars-bar" : "bars-bar none");
    column.title = words;
    bar.style.height = count ? `max(2px, ${(100 * count) / most}%)` : "0";
    const holder = element("div", "bars-holder");
    holder.append(bar);
    column.append(holder, element("span", "", label));
    box.append(column);
  }
  figure.append(box);
  return figure;
}
