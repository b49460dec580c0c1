import { parseTarget } from '../client/index.ts';
import type { Target } from '../client/index.ts';

/** Why a text is no way into a session. */
export type Unreadable =
  | (Target & { kind: 'fault' })['fault']
  /** Something else altogether, such as the QR code of a bottle. */
  | { kind: 'foreign_text' }
  /** A link to another server, or to this one by another address. */
  | { kind: 'elsewhere'; host: string };

export type PairingText =
  | { kind: 'invitation'; code: string; secret: string | null }
  | { kind: 'handover'; handover: string }
  | { kind: 'unreadable'; fault: Unreadable };

/** What somebody typed or pasted: a code, or a link of this server. `origin` is the page's own. */
export function readTyped(text: string, origin: string): PairingText {
  const typed = text.trim();
  const url = /^https?:/i.test(typed) ? urlOf(typed) : null;
  if (url !== null && url.hash === '' && !/%23/.test(typed)) return unreadable({ kind: 'foreign_text' });
  const target = parseTarget(typed);
  const isElsewhere = url !== null && url.origin !== origin;
  if (target.kind === 'fault') return unreadable(isElsewhere ? { kind: 'foreign_text' } : target.fault);
  // Its code is worth nothing here, and would count as a wrong one.
  if (isElsewhere) return unreadable({ kind: 'elsewhere', host: url.host });
  return target.kind === 'code' ? { ...target, kind: 'invitation' } : target;
}

/** What a QR code says. Anybody may have made it, so what is not an invitation is not explained letter by letter. */
export function readScanned(text: string, origin: string): PairingText {
  const read = readTyped(text, origin);
  return read.kind === 'unreadable' && read.fault.kind !== 'elsewhere' ? unreadable({ kind: 'foreign_text' }) : read;
}

function urlOf(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    // Only looks like one.
    return null;
  }
}

function unreadable(fault: Unreadable): PairingText {
  return { kind: 'unreadable', fault };
}
