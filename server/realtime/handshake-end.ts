import { CLOSINGS, type ClosingReason } from '../../protocol/closings.ts';
import { TandemError } from '../../protocol/errors.ts';

const RETRY_AFTER_MS = 200;

/** What a connection hears that was ended, or lost its seat, while it was shaking hands. */
export function endedWhileShakingHands(closing: ClosingReason | null): TandemError {
  if (closing !== null && CLOSINGS[closing].reconnect) {
    // Its seat waits for it: under another epoch, or on another instance.
    return new TandemError('UNAVAILABLE', 'The connection ended while the seat was being resumed: resume again.', {
      retryAfterMs: RETRY_AFTER_MS,
    });
  }
  if (closing === 'revoked') return new TandemError('UNAUTHENTICATED', 'The login ended: sign in again.');
  return new TandemError('RESUME_REJECTED', 'The seat was taken or ended while it was being resumed.');
}
