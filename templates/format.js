// Numbers, times and names as people read them; pure functions but for the choice of units.

const UNITS = { binary: { base: 1024, names: ["", "KiB", "MiB", "GiB", "TiB"] }, decimal: { base: 1000, names: ["", "kB", "MB", "GB", "TB"] } };
let units = UNITS.binary;
const LONG_NAME = 160, SHORT_NAME = 60;

function useUnits(name) {
  units = UNITS[name] || UNITS.binary;
}

const counted = new Intl.NumberFormat("en");

function number(count) {
  return counted.format(count);
}

function plural(count, noun) {
  return number(count) + " " + noun + (count === 1 ? "" : "s");
}

/** Bytes for people, as the rest of crunch writes them. */
function sizeWords(bytes) {
  const { base, names } = units, large = Math.abs(bytes);
  if (large < base) return plural(bytes, "byte");
  let unit = 1;
  while (unit < 4 && large >= base ** (unit + 1)) unit++;
  const value = bytes / base ** unit;
  return value.toFixed(Math.abs(value) >= 100 ? 0 : 1) + " " + names[unit];
}

/** A change of bytes, and of a number: '+3.4 KiB', '−2'. */
function signedSize(bytes) {
  return signOf(bytes) + sizeWords(Math.abs(bytes));
}

function signedNumber(count) {
  return signOf(count) + number(Math.abs(count));
}

function signOf(value) {
  return value > 0 ? "+" : value < 0 ? "−" : "±";
}

/** A duration for people, from nanoseconds. */
function timeWords(ns) {
  const value = ns / 1e9;
  if (!ns) return "0 s";
  if (value < 0.001) return (value * 1e6).toFixed(0) + " µs";
  if (value < 1) return (value * 1e3).toFixed(1) + " ms";
  if (value < 60) return value.toFixed(2) + " s";
  return value < 3600 ? `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s` : `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
}

function shareWords(part, whole) {
  const share = whole ? (100 * part) / whole : 0;
  return share > 0 && share < 0.1 ? "under 0.1 %" : share.toFixed(share < 10 ? 1 : 0) + " %";
}

const SIZE = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)(b?)(?:ytes?)?\s*$/i;

/** '4k', '1.5 MiB', '300': as bytes; NaN if it is none. Without KiB or kB the page's units are meant. */
function parseSize(text) {
  const match = SIZE.exec(text);
  if (!match) return NaN;
  const power = " kmgt".indexOf(match[2].toLowerCase() || " ");
  return Math.round(Number(match[1]) * (match[3] ? 1024 : match[4] && match[2] ? 1000 : units.base) ** power);
}

/** The same text, saying which units are meant: '4 KiB' of '4k', so that an address means the same to everybody. */
function sizeWithUnit(text) {
  const match = SIZE.exec(text);
  if (!match || !match[2] || match[3] || match[4]) return text;
  return `${match[1]} ${units.names[" kmgt".indexOf(match[2].toLowerCase())]}`;
}

const CLOSED_BY = { "(": ")", "<": ">" };
const PARTS = /(operator(?:\(\)|<=>|<<=?|>>=?|->\*?|[<>]=?)|\(anonymous namespace\)|->|[()<>])/; // names and brackets

/** A long C++ or Rust name without its parameters, and if that is not enough, without template arguments; cut at last. */
function shortName(name, most) {
  for (const [opening, closing, instead] of [["(", ")", ""], ["<", ">", "<…>"]]) {
    if (name.length <= most) return name;
    const awaited = [];
    let kept = "";
    for (const part of name.split(PARTS)) {
      if (CLOSED_BY[part] && awaited.push(CLOSED_BY[part]) === 1 && part === opening) kept += instead;
      if (awaited[0] !== closing) kept += part;
      if (part === awaited[awaited.length - 1]) awaited.pop();
    }
    name = kept.replace(/ const$/, "");
  }
  return name.length <= most ? name : name.slice(0, most - 1) + "…";
}

function baseName(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The address an editor opens a source line by, made from a pattern with {file} and {line}; empty where there is none. */
function editorLink(pattern, folder, file, line) {
  if (!pattern || !file || !line) return "";
  const whole = file.startsWith("/") ? file : folder + "/" + file;
  return pattern.replaceAll("{file}", encodeURI(whole).replace(/[?#]/g, encodeURIComponent)).replaceAll("{line}", String(line));
}
