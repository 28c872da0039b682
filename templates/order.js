// Sorting and looking for bytes among many; pure functions.

const FEW_ROWS = 2000; // are compared with each other: that needs no room for keys of all

/** `rows` in the order of their values, which are whole numbers; equal ones stay as they are. Sorted by digits of 16 bits, so that a
 *  million rows take a few hundredths of a second. */
function orderBy(rows, values, down) {
  const count = rows.length;
  if (count <= FEW_ROWS) return Uint32Array.from(rows).sort(down ? (a, b) => values[b] - values[a] : (a, b) => values[a] - values[b]);
  let low = Infinity, high = -Infinity, rising = true;
  for (let i = 0; i < count; i++) {
    const value = values[rows[i]];
    if (value <= high) rising = false;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (rising) return down ? Uint32Array.from(rows).reverse() : Uint32Array.from(rows);
  const lower = new Uint32Array(values.length), upper = high - low >= 2 ** 32 ? new Uint32Array(values.length) : null;
  for (let i = 0; i < count; i++) {
    const row = rows[i], key = down ? high - values[row] : values[row] - low;
    lower[row] = key;
    if (upper) upper[row] = key / 2 ** 32;
  }
  let from = Uint32Array.from(rows), into = new Uint32Array(count);
  for (let bit = 0; 2 ** bit <= high - low; bit += 16) {
    sortByDigit(from, into, bit < 32 ? lower : upper, bit % 32);
    [from, into] = [into, from];
  }
  return from;
}

/** Copies rows in the order of 16 bits of their keys. */
function sortByDigit(from, into, keys, shift) {
  const starts = new Uint32Array(65537);
  for (let i = 0; i < from.length; i++) starts[((keys[from[i]] >>> shift) & 65535) + 1]++;
  for (let i = 1; i <= 65536; i++) starts[i] += starts[i - 1];
  for (let i = 0; i < from.length; i++) into[starts[(keys[from[i]] >>> shift) & 65535]++] = from[i];
}

/** Sorts parts of a table by columns, each of which is sorted once and kept: of `rows`, ascending, (key, down, rows) gives those in order. */
function keptOrders(columns, count) {
  const all = Uint32Array.from({ length: count }, (_, row) => row), kept = {}, there = new Uint8Array(count);
  const whole = (key) => (kept[key] ||= orderBy(all, columns[key], false));
  const sorted = (key, down, rows) => {
    const order = whole(key), chosen = rows.length < count ? new Uint32Array(rows.length) : order.slice();
    if (rows.length < count) {
      there.fill(0);
      for (let i = 0; i < rows.length; i++) there[rows[i]] = 1;
      for (let i = 0, at = 0; i < count; i++) if (there[order[i]]) chosen[at++] = order[i];
    }
    return down ? turned(chosen, columns[key]) : chosen;
  };
  return { whole, sorted };
}

/** Ascending rows as descending ones; equal ones stay in their order. */
function turned(rows, values) {
  const found = new Uint32Array(rows.length);
  for (let end = rows.length, at = 0; end > 0;) {
    let start = end - 1;
    const value = values[rows[start]];
    while (start > 0 && values[rows[start - 1]] === value) start--;
    for (let i = start; i < end; i++) found[at++] = rows[i];
    end = start;
  }
  return found;
}

/** The values that a column of whole numbers below 2^16 has, ascending; those above are left out. */
function distinct(column) {
  const seen = new Uint8Array(65536), found = [];
  for (let i = 0; i < column.length; i++) if (column[i] < 65536) seen[column[i]] = 1;
  seen.forEach((there, value) => { if (there) found.push(value); });
  return found;
}

/** Where a value stands in ascending values: the last place that is not larger, or -1. */
function lastNotAbove(values, value) {
  let low = -1, high = values.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (values[middle] <= value) low = middle; else high = middle - 1;
  }
  return low;
}

/** Whether `wanted` stands in `bytes` between two places. */
function holdsBytes(bytes, from, to, wanted) {
  const last = to - wanted.length;
  for (let at = bytes.indexOf(wanted[0], from); at >= 0 && at <= last; at = bytes.indexOf(wanted[0], at + 1)) {
    let same = 1;
    while (same < wanted.length && bytes[at + same] === wanted[same]) same++;
    if (same === wanted.length) return true;
  }
  return false;
}

/** What to look for inside of blocks: 'text' as UTF-8, or bytes given as 'hex: de ad be ef'. */
function wantedBytes(text) {
  const hex = /^hex:\s*((?:[0-9a-f]{2}\s*)+)$/i.exec(text);
  return hex ? Uint8Array.from(hex[1].match(/[0-9a-f]{2}/gi), (byte) => parseInt(byte, 16)) : new TextEncoder().encode(text);
}
