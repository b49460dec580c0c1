/**
 * Where a page of a list ended, as text that means something to its own list alone: a digest of the list's name, then
 * the place. It proves nothing: a place is no secret, and who may read a list is asked with every page.
 */
import { createHash } from 'node:crypto';
import { TandemError } from '../../protocol/errors.ts';

const DIGEST_BYTES = 6;
const LONGEST = 256;

export function writeCursor(list: string, place: string): string {
  return Buffer.concat([digestOf(list), Buffer.from(place)]).toString('base64url');
}

/** Throws `INVALID_PAYLOAD` for what is no cursor of this list; `place` is what its places look like. */
export function readCursor(list: string, cursor: string, place: RegExp): RegExpExecArray {
  const bytes = Buffer.from(cursor.slice(0, LONGEST), 'base64url');
  const found = place.exec(bytes.subarray(DIGEST_BYTES).toString());
  // Written back: the decoder skips what is no base64url.
  const isOurs = bytes.subarray(0, DIGEST_BYTES).equals(digestOf(list)) && bytes.toString('base64url') === cursor;
  if (isOurs && found !== null) return found;
  const message = 'expected the nextCursor of a page of this list';
  throw new TandemError('INVALID_PAYLOAD', `cursor: ${message}`, { issues: [{ path: 'cursor', message }] });
}

function digestOf(list: string): Buffer {
  return createHash('sha256').update(list).digest().subarray(0, DIGEST_BYTES);
}
