// A block's bytes in several readings; pure functions. Numbers are little-endian, as on every machine crunch runs on.

/** A line of a hex dump: offset, bytes and text. */
function dumpLine(bytes, start, width) {
  const slice = bytes.subarray(start, start + width), hex = Array.from(slice, (byte) => byte.toString(16).padStart(2, "0"));
  const left = hex.slice(0, width / 2).join(" "), right = hex.slice(width / 2).join(" ");
  return { offset: start.toString(16).padStart(6, "0"), hex: (left + "  " + right).padEnd(width * 3 + 1),
    text: Array.from(slice, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join(""),
    zero: slice.every((byte) => byte === 0) };
}

const READINGS = {
  i8: { bytes: 1, read: (view, at) => view.getInt8(at) }, u8: { bytes: 1, read: (view, at) => view.getUint8(at) },
  i16: { bytes: 2, read: (view, at) => view.getInt16(at, true) }, u16: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  i32: { bytes: 4, read: (view, at) => view.getInt32(at, true) }, u32: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  i64: { bytes: 8, read: (view, at) => view.getBigInt64(at, true) }, u64: { bytes: 8, read: (view, at) => view.getBigUint64(at, true) },
  f32: { bytes: 4, read: (view, at) => view.getFloat32(at, true) }, f64: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
};

/** A number as text; floats in as few digits as tell them apart from their neighbours. */
function readingWords(reading, value) {
  if (typeof value === "bigint" || reading[0] !== "f") return String(value);
  return reading === "f32" ? String(Number(value.toPrecision(9))) : String(value);
}

/** All whole values of a reading in the bytes, as [offset, text]. */
function readValues(bytes, reading, most = Infinity) {
  const { bytes: width, read } = READINGS[reading], view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length), found = [];
  for (let at = 0; at + width <= bytes.length && found.length < most; at += width) found.push([at, readingWords(reading, read(view, at))]);
  return found;
}

/** Runs of printable text of at least `least` bytes, as [offset, text]: UTF-8, or the ASCII in what is none. */
function findStrings(bytes, least = 4) {
  const found = [];
  for (const [start, end] of runs(bytes, 0, bytes.length, least, (byte) => byte >= 32 && byte !== 127)) {
    const text = utf8(bytes.subarray(start, end));
    if (text !== null) found.push([start, text]);
    else for (const [from, to] of runs(bytes, start, end, least, (byte) => byte < 127)) found.push([from, utf8(bytes.subarray(from, to))]);
  }
  return found;
}

/** Where `fits`, or white space, holds for at least `least` bytes on end, as [start, end]. */
function runs(bytes, from, to, least, fits) {
  const found = [];
  let start = from;
  for (let at = from; at <= to; at++) {
    if (at < to && (fits(bytes[at]) || bytes[at] === 9 || bytes[at] === 10 || bytes[at] === 13)) continue;
    if (at - start >= least) found.push([start, at]);
    start = at + 1;
  }
  return found;
}

function utf8(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Text from memory fit to be shown: what has no shape or turns the direction of writing becomes an escape. */
function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, (char) => {
    const known = { "\n": "\\n", "\t": "\\t", "\r": "\\r" }[char];
    return known || "\\u" + char.codePointAt(0).toString(16).padStart(4, "0");
  });
}

/** Pointer-sized words (4 or 8 bytes) as [offset, address]; what needs more than 56 bits is no address. */
function readPointers(bytes, width) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length), found = [];
  for (let at = 0; at + width <= bytes.length; at += width) {
    const low = view.getUint32(at, true), high = width === 8 ? view.getUint32(at + 4, true) : 0;
    found.push([at, high < 2 ** 24 ? high * 2 ** 32 + low : -1]);
  }
  return found;
}

/** The block (a number of `blocks`) that an address lies in, or -1. A pointer right behind a block is none into it. */
function blockAt(blocks, address) {
  const at = lastNotAbove(blocks.address, address);
  return at >= 0 && address < blocks.address[at] + Math.max(1, blocks.size[at]) ? at : -1;
}
