// Packs: columns of numbers and texts, as src/report/pack.py writes them.
const DELTA = 1, SIGNED = 2, WIDE = 4, TEXT = 8;

/** The columns of a pack, by name, from its directory and its inflated bytes. */
function readColumns(directory, bytes) {
  const columns = Object.create(null); // names may come from an address
  let at = 0;
  for (const [name, count, planes, coding] of directory) {
    if (coding & TEXT) {
      columns[name] = count ? new TextDecoder().decode(bytes.subarray(at, at + planes)).split("\0") : [];
      at += planes;
    } else {
      columns[name] = readNumbers(bytes.subarray(at, at + planes * count), count, planes, coding);
      at += planes * count;
    }
  }
  return columns;
}

/** One column of numbers. What fits into a byte stays where it is. */
function readNumbers(bytes, count, planes, coding) {
  if (planes === 1 && !(coding & (DELTA | SIGNED))) return bytes;
  const values = coding & WIDE ? new Float64Array(count) : new Int32Array(count);
  const low = new Uint32Array(count), high = new Uint32Array(planes > 4 ? count : 0);
  for (let plane = 0; plane < planes; plane++) {
    const into = plane < 4 ? low : high, shift = 8 * (plane % 4), from = plane * count;
    for (let i = 0; i < count; i++) into[i] |= bytes[from + i] << shift;
  }
  let sum = 0;
  for (let i = 0; i < count; i++) {
    let value = low[i] + (planes > 4 ? high[i] * 2 ** 32 : 0);
    if (coding & SIGNED) {
      const half = (low[i] >>> 1) + (planes > 4 ? high[i] * 2 ** 31 : 0);
      value = low[i] & 1 ? -half - 1 : half;
    }
    values[i] = coding & DELTA ? (sum += value) : value;
  }
  return values;
}

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Gives the columns of a pack of this page, unpacked once, when first asked for; null if the page has no such pack. */
function packReader(directories) {
  const promised = {};
  return (name) => {
    if (!directories[name]) return Promise.resolve(null);
    return (promised[name] ||= (async () => {
      const holder = document.getElementById("pack-" + name), bytes = await inflate(fromBase64(holder.textContent));
      holder.textContent = "";
      return readColumns(directories[name], bytes);
    })());
  };
}
