// Sorting and looking for bytes among many; pure functions.

/** `rows` in the order of their values, which are whole numbers; equal ones stay as they are. Sorted by digits of 16 bits, so that a
 *  million rows take a few hundredths of a second. */
function orderBy(rows, values, down) {
  let low = Infinity, high = -Infinity, rising = true;
  for (const row of rows) {
    const value = values[row];
    if (value <= high) rising = false;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (rising) return down ? Uint32Array.from(rows).reverse() : Uint32Array.from(rows);
  let from = Uint32Array.from(rows), into = new Uint32Array(from.length);
  for (let digit = 1; digit <= high - low; digit *= 65536) {
    const starts = new Uint32Array(65537);
    const digitOf = (row) => Math.floor((down ? high - values[row] : values[row] - low) / digit) & 65535;
    const digits = new Uint16Array(from.length);
    for (let i = 0; i < from.length; i++) starts[(digits[i] = digitOf(from[i])) + 1]++;
    for (let i = 1; i <= 65536; i++) starts[i] += starts[i - 1];
    for (let i = 0; i < from.length; i++) into[starts[digits[i]]++] = from[i];
    [from, into] = [into, from];
  }
  return from;
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
