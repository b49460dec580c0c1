import { crc32, inflateSync } from 'node:zlib';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue, alpha of each point. */
  readonly rgba: Uint8ClampedArray;
}

/** Points of a PNG of one bit each, without filter or interlacing. Throws where a chunk is not what its checksum says. */
export function decodePng(png: Buffer): Picture {
  const data: Buffer[] = [];
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at);
    const named = png.subarray(at + 4, at + 8 + length);
    if (png.readUInt32BE(at + 8 + length) !== crc32(named)) throw new RangeError('a chunk is damaged');
    if (named.toString('latin1', 0, 4) === 'IDAT') data.push(named.subarray(4));
    at += length + 12;
  }
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const stride = 1 + Math.ceil(width / 8);
  const lines = inflateSync(Buffer.concat(data));
  if (!png.subarray(24, 29).equals(Buffer.from([1, 0, 0, 0, 0])) || lines.length !== stride * height) {
    throw new RangeError('a PNG of another kind');
  }
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let y = 0; y < height; y += 1) {
    if (lines[y * stride] !== 0) throw new RangeError('a line is filtered');
    for (let x = 0; x < width; x += 1) {
      const isLight = ((lines[y * stride + 1 + (x >> 3)] ?? 0) & (0x80 >> (x & 7))) !== 0;
      if (!isLight) rgba.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  return { width, height, rgba };
}
