import { isIPv6 } from 'node:net';
import { maskIp } from './mask-ip.ts';
import { createSecretMask, type TextMask } from './secret-mask.ts';

/** The characters of pairing codes (protocol.md); a library that quotes a key or a command may quote a code with it. */
const CODE_CHARACTERS = '23456789BCDFGHJKMNPQRSTVWXYZ';

/**
 * 64 characters before the sign at most (RFC 5321, 4.5.3.1.1): with a bound no text takes long. The directory of a
 * package (`name@1.2.3`) is no address.
 */
const MAIL_ADDRESS =
  /([^\s@<>()[\]{}"'`,;:=/\\]{1,64})@(?!\d+\.\d+\.\d+(?![\p{L}\d.-]))([\p{L}\p{N}][\p{L}\p{N}.-]{0,254})/gu;

interface Mask {
  /** Looked for first: most texts have it not, and a pattern that searches in vain costs most. */
  readonly sign: string;
  readonly pattern: RegExp;
  readonly replace: string | ((...groups: string[]) => string);
}

/** In this order: what stands first may hold what stands after. */
const MASKS: readonly Mask[] = [
  // What V8, Postgres and Redis quote of what they were given: it may be a body, and nothing else tells it from one.
  // V8 quotes 21 characters at most, with dots where it left some out.
  { sign: 'JSON', pattern: /(?:\.{3})?"[^]{0,64}?"(?:\.{3})? is not valid JSON/g, replace: '"***" is not valid JSON' },
  { sign: 'invalid ', pattern: /(\binvalid (?:input|byte)[^:\n]{0,100}: )[^\n]*/g, replace: '$1***' },
  { sign: 'with args', pattern: /(with args beginning with: )[^\n]*/g, replace: '$1***' },
  { sign: 'Key (', pattern: /(\bKey \([^)\n]{0,200}\)=)\([^\n]*\)/g, replace: '$1(***)' },
  // A JSON Web Token, whole or cut.
  { sign: 'eyJ', pattern: /\beyJ[\w-]{8,}(?:\.[\w-]+){0,2}/g, replace: '[token]' },
  { sign: '@', pattern: MAIL_ADDRESS, replace: (_all, local = '', domain = '') => masked(local, domain) },
  // User and password of a URL; a password may hold an @ of its own.
  { sign: '://', pattern: /([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/]*@/gi, replace: '$1***@' },
  {
    sign: ':',
    pattern: /(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:(?<=:)(?:\d{1,3}\.){3}\d{1,3})?(?![\w:]|\.\d)/gi,
    replace: (found = '') => (isIPv6(found) ? maskIp(found) : found),
  },
  { sign: '.', pattern: /(?<![\w.])((?:\d{1,3}\.){3})\d{1,3}(?![\w.]*\w)/g, replace: '$1x' },
  // Keys and tokens: hex, or base64 of 24 bytes and more.
  { sign: '', pattern: /\b[0-9a-f]{32,}\b/gi, replace: '[secret]' },
  {
    sign: '',
    pattern: /(?<![\w+-])[\w+-]{32,}={0,2}/g,
    replace: (found = '') => (isRandom(found) ? '[secret]' : found),
  },
  // A code with its name, however it was typed; without it, as the server writes it.
  { sign: '', pattern: /(\bcode\b[\s"'`:=()]{1,4})[2-9bcdfghjkmnp-z][2-9bcdfghjkmnp-z-]{5,12}\b/gi, replace: '$1***' },
  {
    sign: '',
    pattern: new RegExp(`\\b(?=[2-9-]*[B-Z])[${CODE_CHARACTERS}]{3,6}-?[${CODE_CHARACTERS}]{3,6}\\b`, 'g'),
    replace: '***',
  },
];

/**
 * Text of others (an error's message, its stack) without what no log may hold: addresses of people and machines, tokens,
 * keys, passwords in URLs, codes, and what a library quotes of what it was given. A last line of defence: our own
 * messages have none of it to begin with.
 */
export function maskText(text: string): string {
  let result = text;
  for (const { sign, pattern, replace } of MASKS) {
    if (!result.includes(sign)) continue;
    result = typeof replace === 'string' ? result.replace(pattern, replace) : result.replace(pattern, replace);
  }
  return result;
}

/** As `maskText`, and without these secrets of the configuration, whatever they look like. */
export function createTextMask(secrets: readonly string[]): TextMask {
  const hide = createSecretMask(secrets);
  return (text, isCut) => maskText(hide(text, isCut));
}

/** `a***@example.com`: an operator recognises the domain that refuses, and nobody the person. */
export function maskMailAddress(address: string): string {
  const at = address.lastIndexOf('@');
  return at < 1 ? '***' : masked(address, address.slice(at + 1));
}

function masked(local: string, domain: string): string {
  return `${String.fromCodePoint(local.codePointAt(0) ?? 42)}***@${domain}`;
}

/** A word of our code has no digits amid capitals and small letters, or is shorter. */
function isRandom(word: string): boolean {
  return /\d/.test(word) && /[A-Z]/.test(word) && /[a-z]/.test(word);
}
