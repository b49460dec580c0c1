import { expect, it } from '@jest/globals';
import { CLOSINGS, type ClosingReason } from '../../protocol/closings.ts';
import { endedWhileShakingHands } from './handshake-end.ts';

it.each(Object.entries(CLOSINGS))(
  'a handshake that %s ended may be tried again where a connection would',
  (reason, { reconnect }) => {
    const { code } = endedWhileShakingHands(reason as ClosingReason); // The table has no others.
    // Whose login ended may come back to the seat after signing in.
    const ended = reason === 'revoked' ? 'UNAUTHENTICATED' : 'RESUME_REJECTED';
    expect(code).toBe(reconnect ? 'UNAVAILABLE' : ended);
  },
);

it('a handshake whose seat is gone is not tried again', () => {
  expect(endedWhileShakingHands(null).code).toBe('RESUME_REJECTED');
});
