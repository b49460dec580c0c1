/**
 * A token taken apart, before anybody has looked at its signature. Stricter than the libraries: one spelling for each
 * token, so that a changed text is another token.
 */

/** A token of our own has 400 characters; foreign ones carry what their users are called, and more. */
const MOST_CHARACTERS = 8192;
const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;
/** RFC 9068 names the second; other types are tokens for something else. */
const TYPES = new Set(['JWT', 'AT+JWT']);

export interface TokenText {
  readonly alg: string;
  readonly kid: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
  /** What the signature is over. */
  readonly signed: string;
}

/** Null when it is no signed token that could be meant for us. */
export function readToken(token: string): TokenText | null {
  if (token.length > MOST_CHARACTERS) return null;
  const match = COMPACT.exec(token);
  if (match === null) return null;
  const [, headerText = '', claimsText = '', signature = ''] = match;
  if (![headerText, claimsText, signature].every(isCanonical)) return null;
  const header = objectOf(headerText);
  const claims = objectOf(claimsText);
  if (header === null || claims === null) return null;
  const { alg, kid, typ } = header;
  if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return null;
  if (typ !== undefined && !isType(typ)) return null;
  // What must be understood, we do not.
  if ('crit' in header) return null;
  return { alg, kid, claims, signed: `${headerText}.${claimsText}` };
}

/** The last character of base64 has bits that mean nothing, and decoders take any of them. */
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part;
}

function objectOf(part: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(part, 'base64url')));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    return value as Record<string, unknown>; // An object of JSON is that.
  } catch {
    // No JSON in UTF-8.
    return null;
  }
}

function isType(typ: unknown): boolean {
  return typeof typ === 'string' && TYPES.has(typ.toUpperCase().replace(/^APPLICATION\//, ''));
}
