import type { Session } from '../../protocol/session.ts';
import type { RefusalKind } from '../sessions/refusals.ts';

/** What an invitation depends on, as members of the session see it. */
export type InvitingSession = Pick<
  Session,
  'id' | 'code' | 'codeExpiresAt' | 'status' | 'locked' | 'capacity' | 'participants'
>;

export interface JoinableCode {
  readonly code: string;
  /** Unix milliseconds. */
  readonly codeExpiresAt: number;
}

/** By which code the session can be joined now; or why it can't be. An invitation to what nobody can join is a mail for nothing. */
export function joinableCode(session: InvitingSession): JoinableCode | RefusalKind {
  const { code, codeExpiresAt, status, locked, capacity, participants } = session;
  if (status === 'closed') return 'session_closed';
  if (locked) return 'session_locked';
  if (code !== null && codeExpiresAt !== null) return { code, codeExpiresAt: Date.parse(codeExpiresAt) };
  return participants.length >= capacity ? 'session_full' : 'code_dead';
}
