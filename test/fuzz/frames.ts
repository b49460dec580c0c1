import type { Random } from '../support/random.ts';

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

interface FrameOptions {
  readonly opcode: number;
  readonly isFinal?: boolean;
  /** The three reserved bits. */
  readonly reserved?: number;
  readonly mask?: Buffer | null;
  /** What the header says, whatever follows it. */
  readonly claimedLength?: bigint;
}

/** A mask of zeros is a mask, and leaves the payload readable. */
const NO_CHANGE = Buffer.alloc(4);

/** One frame as a client sends it (RFC 6455, 5.2), or as none should. */
export function frame(payload: Buffer, options: FrameOptions): Buffer {
  const { opcode, isFinal = true, reserved = 0, mask = NO_CHANGE, claimedLength } = options;
  const length = claimedLength ?? BigInt(payload.length);
  const first = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode;
  const maskBit = mask === null ? 0 : 0x80;
  let header: Buffer;
  if (length < 126n) {
    header = Buffer.from([first, maskBit | Number(length)]);
  } else if (length < 65_536n) {
    header = Buffer.from([first, maskBit | 126, Number(length) >> 8, Number(length) & 0xff]);
  } else {
    header = Buffer.alloc(10);
    header[0] = first;
    header[1] = maskBit | 127;
    header.writeBigUInt64BE(length, 2);
  }
  if (mask === null) return Buffer.concat([header, payload]);
  const isPlain = mask.every((byte) => byte === 0);
  const masked = isPlain ? payload : Buffer.from(payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
  return Buffer.concat([header, mask, masked]);
}

export function textFrame(text: string): Buffer {
  return frame(Buffer.from(text), { opcode: TEXT });
}

export function binaryFrame(bytes: Buffer): Buffer {
  return frame(bytes, { opcode: BINARY });
}

export function closeFrame(): Buffer {
  return frame(Buffer.from([0x03, 0xe8]), { opcode: CLOSE });
}

/** The same message in an unusual form that every server must take: masked, in pieces, with pings between them. */
export function unusualText(text: string, random: Random): Buffer {
  const bytes = Buffer.from(text);
  const mask = Buffer.from([random.below(256), random.below(256), random.below(256), random.below(256)]);
  if (random.below(2) === 0 || bytes.length < 3) return frame(bytes, { opcode: TEXT, mask });
  const at = 1 + random.below(bytes.length - 1);
  return Buffer.concat([
    frame(bytes.subarray(0, at), { opcode: TEXT, isFinal: false, mask }),
    frame(Buffer.from('between'), { opcode: random.pick([PING, PONG]) }),
    frame(Buffer.alloc(0), { opcode: 0, isFinal: false }),
    frame(bytes.subarray(at), { opcode: 0, mask }),
  ]);
}

type Make = (random: Random) => Buffer;

/** What is no WebSocket, by name: after it the connection may be gone, and nothing else. */
export const BAD_FRAMES: readonly (readonly [string, Make])[] = [
  ['unmasked', () => frame(Buffer.from('42["session:get",{}]'), { opcode: TEXT, mask: null })],
  ['reserved bits', (random) => frame(Buffer.from('3'), { opcode: TEXT, reserved: 1 + random.below(7) })],
  [
    'an unknown opcode',
    (random) => frame(Buffer.from('x'), { opcode: random.pick([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) }),
  ],
  ['a continuation of nothing', () => frame(Buffer.from('3'), { opcode: 0 })],
  [
    'a message within a message',
    () => Buffer.concat([frame(Buffer.from('4'), { opcode: TEXT, isFinal: false }), textFrame('42["session:get",{}]')]),
  ],
  ['a message that never ends', () => frame(Buffer.from('42["session:get",'), { opcode: TEXT, isFinal: false })],
  ['a fragmented ping', () => frame(Buffer.from('x'), { opcode: PING, isFinal: false })],
  ['a ping of 126 bytes', () => frame(Buffer.alloc(126), { opcode: PING })],
  ['70 kB', () => frame(Buffer.alloc(70_000, 'x'), { opcode: TEXT })],
  ['70 kB of binary', () => frame(Buffer.alloc(70_000), { opcode: BINARY })],
  [
    '70 kB in pieces',
    () =>
      Buffer.concat([
        frame(Buffer.alloc(40_000, 'x'), { opcode: TEXT, isFinal: false }),
        frame(Buffer.alloc(40_000, 'x'), { opcode: 0 }),
      ]),
  ],
  ['a length of 2^63', () => frame(Buffer.from('x'), { opcode: TEXT, claimedLength: 2n ** 63n })],
  ['a length of 2^53', () => frame(Buffer.from('x'), { opcode: BINARY, claimedLength: 2n ** 53n })],
  ['a length of 4 GiB', () => frame(Buffer.from('x'), { opcode: TEXT, claimedLength: 2n ** 32n })],
  ['more announced than sent', () => frame(Buffer.from('x'), { opcode: TEXT, claimedLength: 60_000n })],
  ['no UTF-8', () => frame(Buffer.from([0x34, 0x32, 0xff, 0xfe, 0xc0, 0x80]), { opcode: TEXT })],
  ['half a character', () => frame(Buffer.from([0x34, 0x32, 0xf0, 0x9f]), { opcode: TEXT })],
  ['surrogates in UTF-8', () => frame(Buffer.from([0x34, 0xed, 0xa0, 0x80]), { opcode: TEXT })],
  ['a close of 1 byte', () => frame(Buffer.from([3]), { opcode: CLOSE })],
  ['a close with a code that is not one', (random) => frame(Buffer.from([0, random.below(256)]), { opcode: CLOSE })],
  ['a close with a reason that is no UTF-8', () => frame(Buffer.from([3, 0xe8, 0xff]), { opcode: CLOSE })],
  ['a message after its close', () => Buffer.concat([closeFrame(), textFrame('42["session:get",{}]')])],
  ['noise', (random) => Buffer.from(Array.from({ length: 1 + random.below(200) }, () => random.below(256)))],
  ['HTTP', () => Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
];

/** Right, and more of it than anybody needs. */
export function pingFlood(count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => frame(Buffer.from('ping'), { opcode: PING })));
}

export function emptyPieces(count: number): Buffer {
  const piece = frame(Buffer.alloc(0), { opcode: 0, isFinal: false });
  return Buffer.concat([
    frame(Buffer.from('3'), { opcode: TEXT, isFinal: false }),
    ...Array.from({ length: count }, () => piece),
    frame(Buffer.alloc(0), { opcode: 0 }),
  ]);
}

/** Reads what a server sends: complete, unmasked frames. Keeps what is incomplete. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  read(chunk: Buffer): { readonly opcode: number; readonly payload: Buffer }[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: { opcode: number; payload: Buffer }[] = [];
    for (;;) {
      const rest = this.#rest;
      if (rest.length < 2) return frames;
      const short = (rest[1] ?? 0) & 0x7f;
      const headerLength = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (rest.length < headerLength) return frames;
      const length = short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
      const end = headerLength + length;
      if (rest.length < end) return frames;
      frames.push({ opcode: (rest[0] ?? 0) & 0x0f, payload: rest.subarray(headerLength, end) });
      this.#rest = rest.subarray(end);
    }
  }
}
