import { fromBase64url, toBase64url } from './base64url.ts';
import { formatCode, parseCode, type TypedCode } from './code.ts';

/** What another device needs to go on with a seat. */
export interface Handover {
  sessionId: string;
  participantId: string;
  resumeToken: string;
  /** Key of an encrypted session, null when it is not encrypted. */
  secret: string | null;
}

export type Target =
  | { kind: 'code'; code: string; secret: string | null }
  | { kind: 'handover'; handover: string }
  | {
      kind: 'fault';
      /** `damaged`: it was a link, but its key or handover is cut off or altered; or it is too long for anything. */
      fault: Exclude<TypedCode, { kind: 'code' }> | { kind: 'damaged' };
    };

const DAMAGED: Target = { kind: 'fault', fault: { kind: 'damaged' } };

/** Longest that anything made here can be is 700 characters; a link's own address comes on top. */
const LONGEST_TARGET = 4096;
/** Longest code that the wire takes. */
const LONGEST_CODE = 64;

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const TOKEN = /^[\w-]{1,256}$/;

/**
 * The link that joins directly. Code and key are in the fragment, which browsers never send to a server or a log. The
 * key stands there as it is: whoever has the link can read the session.
 */
export function pairingLink(base: string, code: string, secret: string | null): string {
  return inFragment(base, formatCode(code) + (secret === null ? '' : `.${secret}`));
}

/** The link that takes a seat over: a secret. */
export function handoverLink(base: string, handover: string): string {
  return inFragment(base, `take:${handover}`);
}

function inFragment(base: string, text: string): string {
  return `${base.replace(/\/$/, '')}/#${text}`;
}

/** What stands in the fragment of a link (`#BCD-234`), null when there is none. */
export function codeInFragment(hash: string): string | null {
  return decoded(hash.replace(/^#/, '')) || null;
}

/** What people type, paste or scan: a code in any spelling, a link, a fragment with or without `#`, a handover. */
export function parseTarget(text: string): Target {
  if (text.length > LONGEST_TARGET) return DAMAGED;
  // Some messengers escape the `#` too, so it is looked for again.
  const target = afterHash(decoded(afterHash(text))).replace(/\s/g, '');
  const handover = target.replace(/^take:/, '');
  if (decodeHandover(handover)) return { kind: 'handover', handover };
  if (handover !== target) return DAMAGED;
  // A dot after fewer characters than a code has was typed: `BCD.234` is no link that lost its key.
  const [, typed = target, secret = null] = /^([^.]{6,})\.(.*)$/.exec(target) ?? [];
  const code = parseCode(typed);
  if (code.kind !== 'code') return { kind: 'fault', fault: code };
  const isWhole = code.code.length <= LONGEST_CODE && (secret === null || isSecret(secret));
  return isWhole ? { ...code, secret } : DAMAGED;
}

export function encodeHandover({ sessionId, participantId, resumeToken, secret }: Handover): string {
  return toBase64url(new TextEncoder().encode(JSON.stringify([sessionId, participantId, resumeToken, secret])));
}

/** Null unless it has every part, each in its shape. */
export function decodeHandover(text: string): Handover | null {
  try {
    const bytes = text.length < 1024 ? fromBase64url(text) : null;
    // What is not ASCII fits none of the shapes below.
    const parts = JSON.parse(String.fromCharCode(...(bytes ?? []))) as unknown[];
    const [sessionId, participantId, resumeToken, secret] = parts;
    return parts.length === 4 &&
      matches(UUID, sessionId) &&
      matches(UUID, participantId) &&
      matches(TOKEN, resumeToken) &&
      (secret === null || isSecret(secret))
      ? { sessionId, participantId, resumeToken, secret }
      : null;
  } catch {
    // No JSON, or no list.
    return null;
  }
}

/** Whether it looks like 32 bytes of base64url. */
export function isSecret(value: unknown): value is string {
  return matches(/^[\w-]{43}$/, value);
}

function matches(pattern: RegExp, value: unknown): value is string {
  return typeof value === 'string' && pattern.test(value);
}

function afterHash(text: string): string {
  return text.slice(text.lastIndexOf('#') + 1);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoding: take it as it stands, and let the reader of the code complain.
    return text;
  }
}
