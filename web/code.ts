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
  const groups = Math.max(1, Math.floor(code.length / 3));
  const longer = code.length % 3;
  const parts: string[] = [];
  let from = 0;
  for (let group = 0; group < groups; group++) {
    const length = group < longer ? 4 : 3;
    parts.push(code.slice(from, from + length));
    from += length;
  }
  return parts.join('-');
}

/** What stands in the fragment of a pairing link (`#BCD-234`), null when there is none. */
export function codeInFragment(hash: string): string | null {
  const text = hash.replace(/^#/, '');
  if (text === '') return null;
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoding: take it as it stands, and let the reader of the code complain.
    return text;
  }
}

/** The link that joins directly. The code is in the fragment, which browsers never send to a server or a log. */
export function pairingLink(origin: string, code: string): string {
  return `${origin}/#${formatCode(code)}`;
}
