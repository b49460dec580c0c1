import type { RedisAddress, RedisReply } from './client-types.ts';

export const SLOTS = 16_384;

/** The slot of a key, as Redis Cluster computes it: CRC16 of the hash tag, or of the whole key where there is none. */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = open === -1 ? -1 : key.indexOf('}', open + 1);
  // An empty tag is none.
  return crc16(close > open + 1 ? key.slice(open + 1, close) : key) % SLOTS;
}

/** CRC16-CCITT (XMODEM): https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#appendix-a-crc16-reference-implementation-in-ansi-c */
function crc16(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text)) crc = ((crc << 8) & 0xffff) ^ (TABLE[((crc >> 8) ^ byte) & 0xff] ?? 0);
  return crc;
}

const TABLE = Uint16Array.from({ length: 256 }, (_, index) => {
  let crc = index << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  return crc;
});

/** Who owns each slot, by the answer to CLUSTER SLOTS; null where nobody does. A node that does not know its own host names none. */
export function ownersFrom(reply: RedisReply, asked: RedisAddress): (string | null)[] {
  const owners = new Array<string | null>(SLOTS).fill(null);
  for (const range of listOf(reply)) {
    const [from, to, primary] = listOf(range);
    const [host, port] = listOf(primary ?? null);
    owners.fill(placeName({ host: nameOf(host) || asked.host, port: Number(port) }), Number(from), Number(to) + 1);
  }
  return owners;
}

/** Where an error `MOVED 3999 127.0.0.1:6381` or `ASK …` leads. Without a host it is the one that was asked. */
export function redirectFrom(message: string, asked: RedisAddress): string | null {
  const target = /^(?:MOVED|ASK) \d+ (\S*):(\d+)$/.exec(message);
  if (target === null) return null;
  const host = (target[1] ?? '').replace(/^\[(.*)\]$/, '$1');
  return placeName({ host: host === '' || host === '?' ? asked.host : host, port: Number(target[2]) });
}

/** A node's address as text, by which it is told from others. */
export function placeName({ host, port }: RedisAddress): string {
  return `${host} ${port}`;
}

export function addressOf(place: string): RedisAddress {
  const [host = '', port] = place.split(' ');
  return { host, port: Number(port) };
}

function listOf(reply: RedisReply | undefined): readonly RedisReply[] {
  return Array.isArray(reply) ? (reply as readonly RedisReply[]) : [];
}

function nameOf(host: RedisReply | undefined): string {
  return typeof host === 'string' && host !== '?' ? host : '';
}
