//@ts-check
/**
 * Draws a link as a QR code (ISO/IEC 18004), as far as a link needs one: bytes, the lowest error correction, at most 106
 * of them, always the same mask. Nothing here has to do with Tandem; an application would take a package from npm.
 */

/** By version, from 1 on: bytes that fit in all, and how many more there are to correct errors. */
const VERSIONS = [
  { data: 19, correction: 7 },
  { data: 34, correction: 10 },
  { data: 55, correction: 15 },
  { data: 80, correction: 20 },
  { data: 108, correction: 26 },
];

/** Tells readers that error correction is low and that the mask is 0; comes from a table of the standard. */
const FORMAT = 0b111011111000100;

/**
 * The picture; null when the text is too long for it.
 * @param {string} text
 */
export function qrCode(text) {
  const modules = qrModules(text);
  if (modules === null) return null;
  const border = 4;
  const size = modules.length + 2 * border;
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
  svg.setAttribute('shape-rendering', 'crispEdges');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', 'The link as a QR code');
  const path = document.createElementNS(svg.namespaceURI, 'path');
  const squares = modules.flatMap((row, y) =>
    row.map((dark, x) => (dark ? `M${x + border} ${y + border}h1v1h-1z` : '')),
  );
  path.setAttribute('d', squares.join(''));
  svg.append(path);
  return svg;
}

/**
 * Rows of dark (true) and light squares.
 * @param {string} text
 * @returns {boolean[][] | null}
 */
function qrModules(text) {
  const bytes = [...new TextEncoder().encode(text)];
  // A head of four bits, the length in eight, and four bits of an end.
  const version = VERSIONS.findIndex(({ data }) => bytes.length + 2 <= data) + 1;
  const kind = VERSIONS[version - 1];
  if (kind === undefined) return null;
  const bits = [0b0100, bytes.length >> 4, bytes.length & 15, ...bytes.flatMap((byte) => [byte >> 4, byte & 15]), 0];
  const data = [];
  for (let i = 0; i < bits.length; i += 2) data.push(((bits[i] ?? 0) << 4) | (bits[i + 1] ?? 0));
  for (let i = 0; data.length < kind.data; i++) data.push(i % 2 === 0 ? 0xec : 0x11);
  const codewords = [...data, ...correctionOf(data, kind.correction)];

  const size = 17 + 4 * version;
  const fixed = fixedModules(size, version);
  const modules = fixed.map((row) => row.map((module) => module === true));
  let bit = 0;
  // Two columns at a time, from the right, upwards and downwards in turn; the column of the clock is left out.
  for (let right = size - 1, isUp = true; right > 0; right -= 2, isUp = !isUp) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step++) {
      const y = isUp ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        const row = modules[y];
        if (row === undefined || fixed[y]?.[x] !== null) continue;
        const isSet = (((codewords[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1;
        row[x] = isSet !== ((x + y) % 2 === 0);
        bit += 1;
      }
    }
  }
  return modules;
}

/**
 * What is the same in every code of a size; null where data goes.
 * @param {number} size
 * @param {number} version
 */
function fixedModules(size, version) {
  /** @type {(boolean | null)[][]} */
  const modules = Array.from({ length: size }, () => Array.from({ length: size }, () => null));
  /** @param {number} x @param {number} y @param {boolean} dark */
  const set = (x, y, dark) => {
    const row = modules[y];
    if (row !== undefined && x >= 0 && x < size) row[x] = dark;
  };
  /** Squares in squares. @param {number} x @param {number} y @param {number} radius @param {number[]} light */
  const target = (x, y, radius, light) => {
    for (let dy = -radius; dy <= radius; dy++) {
      for (let dx = -radius; dx <= radius; dx++)
        set(x + dx, y + dy, !light.includes(Math.max(Math.abs(dx), Math.abs(dy))));
    }
  };
  for (let i = 0; i < size; i++) {
    set(6, i, i % 2 === 0);
    set(i, 6, i % 2 === 0);
  }
  target(3, 3, 4, [2, 4]);
  target(size - 4, 3, 4, [2, 4]);
  target(3, size - 4, 4, [2, 4]);
  if (version > 1) target(size - 7, size - 7, 2, [1]);
  for (let i = 0; i < 15; i++) {
    const dark = ((FORMAT >> i) & 1) === 1;
    // Twice: around the upper left corner, and divided between the two others.
    if (i < 6) set(8, i, dark);
    else if (i < 8) set(8, i + 1, dark);
    else set(i === 8 ? 7 : 14 - i, 8, dark);
    if (i < 8) set(size - 1 - i, 8, dark);
    else set(8, size - 15 + i, dark);
  }
  set(8, size - 8, true);
  return modules;
}

/**
 * Reed-Solomon: the remainder of the data by a polynomial, over a field of 256 numbers.
 * @param {number[]} data
 * @param {number} count
 */
function correctionOf(data, count) {
  let divisor = [1];
  for (let i = 0, root = 1; i < count; i++, root = times(root, 2)) {
    const factor = root;
    divisor = [...divisor, 0].map((term, at) => term ^ times(divisor[at - 1] ?? 0, factor));
  }
  /** @type {number[]} */
  let rest = Array.from({ length: count }, () => 0);
  for (const byte of data) {
    const factor = byte ^ (rest[0] ?? 0);
    rest = [...rest.slice(1), 0].map((term, at) => term ^ times(divisor[at + 1] ?? 0, factor));
  }
  return rest;
}

/** Product in that field. @param {number} a @param {number} b */
function times(a, b) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    product ^= ((b >> bit) & 1) * a;
  }
  return product;
}
