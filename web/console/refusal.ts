import { ERRORS, TandemError } from '../../protocol/errors.ts';
import type { WireError } from '../../protocol/errors.ts';

/** What a refused handshake means for the next one. */
export type Refusal =
  /** Another try changes nothing. */
  | { readonly kind: 'end'; readonly error: TandemError }
  | { readonly kind: 'again'; readonly why: 'gone' | 'busy'; readonly afterMs: number };

/** `wasOpen`: whether this token has been taken before. */
export function refusalOf(error: Error & { data?: unknown }, wasOpen: boolean): Refusal {
  if (error.message === 'Invalid namespace') {
    // One of an older version, while they are replaced one by one: the next may know the console again.
    if (wasOpen) return { kind: 'again', why: 'gone', afterMs: 0 };
    return { kind: 'end', error: new TandemError('UNKNOWN_COMMAND') };
  }
  const wire = wireErrorOf(error.data);
  if (wire?.retryable === false) return { kind: 'end', error: TandemError.fromWire(wire) };
  return { kind: 'again', why: wire?.code === 'UNAVAILABLE' ? 'busy' : 'gone', afterMs: wire?.retryAfterMs ?? 0 };
}

/** Null where the connection did not come about at all. */
function wireErrorOf(data: unknown): WireError | null {
  if (typeof data !== 'object' || data === null || !('code' in data)) return null;
  // Sent by our own server with every refusal; a code that this page does not know is taken as one that may pass.
  const wire = data as WireError;
  return Object.hasOwn(ERRORS, wire.code) ? wire : null;
}
