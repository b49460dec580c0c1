import { randomInt } from 'node:crypto';
import { CODE_ALPHABET } from '../../protocol/limits.ts';

/** A guess must miss: live codes stay below one in this many of the space, or codes get longer. */
const SPACE_PER_LIVE_CODE = 100_000;
const MAX_LENGTH = 12;
const MAX_TYPED_LENGTH = 64;

/** The length of the next code: at least `minLength`, and longer while live codes are dense. */
export function codeLength(minLength: number, liveCodes: number): number {
  let length = minLength;
  while (length < MAX_LENGTH && (liveCodes + 1) * SPACE_PER_LIVE_CODE > CODE_ALPHABET.length ** length) length += 1;
  return length;
}

/** A code from the operating system's random source; `randomInt` is free of modulo bias. */
export function newCode(length: number): string {
  let code = '';
  for (let position = 0; position < length; position += 1) code += CODE_ALPHABET[randomInt(CODE_ALPHABET.length)] ?? '';
  return code;
}

/**
 * What was typed, as it stands on the wire: case, spaces and hyphens do not matter. Null: other characters, or so many
 * that nobody typed them and no key of a store should hold them.
 */
export function normalizeCode(typed: string): string | null {
  const bare = typed.replace(/[\s-]+/g, '');
  if (bare.length > MAX_TYPED_LENGTH) return null;
  // Before upper case, because that turns other letters into ours: "\u00df" into "SS", "\u017f" into "S".
  if (!/^[0-9A-Za-z]+$/.test(bare)) return null;
  const code = bare.toUpperCase();
  for (const character of code) if (!CODE_ALPHABET.includes(character)) return null;
  return code;
}
