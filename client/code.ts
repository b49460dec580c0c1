import { CODE_ALPHABET } from '../protocol/limits.ts';

/** Shortest code that a server can be configured to issue; they only get longer. */
const SHORTEST = 6;

export type TypedCode =
  | { kind: 'code'; code: string }
  | { kind: 'empty' }
  | { kind: 'too_short' }
  /** A character that no code contains. */
  | { kind: 'foreign'; character: string };

/**
 * A code as somebody typed or pasted it, as the wire wants it. What cannot be a code is found here, because a typed
 * code that does not exist counts against the network's allowance of wrong codes.
 */
export function parseCode(typed: string): TypedCode {
  const code = typed.replace(/[\s\p{Pd}\u200b\u2060\ufeff]/gu, '').toUpperCase();
  if (code === '') return { kind: 'empty' };
  const foreign = Array.from(code).find((character) => !CODE_ALPHABET.includes(character));
  if (foreign !== undefined) return { kind: 'foreign', character: foreign };
  return code.length < SHORTEST ? { kind: 'too_short' } : { kind: 'code', code };
}

/** A code as people read it: groups of three and four, `BCD-234`, `BCDF-2345`, `BCDF-2345-678`. */
export function formatCode(code: string): string {
  const longer = (code.length % 3) * 4;
  const groups = code.slice(0, longer).replace(/.{4}/g, '$&-') + code.slice(longer).replace(/.{3}/g, '$&-');
  return groups.replace(/-$/, '');
}
