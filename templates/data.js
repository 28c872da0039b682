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
  const delta = coding & DELTA, signed = coding & SIGNED;
  if (planes === 1 && !delta && !signed) return bytes;
  const values = coding & WIDE ? new Float64Array(count) : new Int32Array(count), last = planes > 4 ? 4 : planes;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    let value = bytes[i];
    for (let plane = 1, at = i + count; plane < last; plane++, at += count) value |= bytes[at] << (8 * plane);
    value >>>= 0;
    for (let plane = 4, at = i + 4 * count, unit = 2 ** 32; plane < planes; plane++, at += count, unit *= 256) value += bytes[at] * unit;
    if (signed) value = value % 2 ? -(value - 1) / 2 - 1 : value / 2;
    values[i] = delta ? (sum += value) : value;
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
  const stream = new DecompressionStream("deflate"), writer = stream.writable.getWriter();
  writer.write(bytes).catch(() => {}); // a pack that cannot be inflated fails where it is read
  writer.close().catch(() => {});
  return new Uint8Array(await new Response(stream.readable).arrayBuffer());
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
