import type { InvitingSession } from '../../server/mail/joinable-code.ts';

export const INVITING_CODE = 'BCD234';

/** A session that can be joined for a quarter of an hour. */
export function invitingSession(id: string, more: Partial<InvitingSession> = {}): InvitingSession {
  const codeExpiresAt = new Date(Date.now() + 15 * 60_000).toISOString();
  return {
    ...{ id, code: INVITING_CODE, codeExpiresAt, status: 'waiting', locked: false, capacity: 2, participants: [] },
    ...more,
  };
}
