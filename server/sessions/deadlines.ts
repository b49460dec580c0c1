/** When a session asks for something that nobody commands: a warning, a close, the end of a grace. Pure. */
import type { CloseReason } from '../../protocol/session.ts';
import { closeSession, type Rule, type SessionDocument } from './session.ts';

export interface Timings {
  readonly graceMs: number;
  readonly idleWarningMs: number;
  readonly idleTimeoutMs: number;
  readonly ttlMs: number;
}

/** What the deadlines depend on beside the document. */
export interface Activity {
  /** Unix ms of the last command that counts as activity. */
  readonly lastActivityAt: number;
  /** Whether `session:idle` was told since then. */
  readonly idleWarned: boolean;
}

export type Deadline =
  | { readonly kind: 'close'; readonly at: number; readonly reason: CloseReason }
  | { readonly kind: 'timeout'; readonly at: number; readonly seatId: string }
  | { readonly kind: 'warn'; readonly at: number; readonly closesAt: number };

/** The earliest deadline of an open session; null for a closed one, which has none. */
export function nextDeadline(session: SessionDocument, activity: Activity, timings: Timings): Deadline | null {
  if (session.closed !== null) return null;
  const closing = closeDeadline(session, activity, timings);
  let next: Deadline = closing;
  for (const seat of session.seats) {
    if (seat.awaySince === null) continue;
    const at = seat.awaySince + timings.graceMs;
    if (at < next.at) next = { kind: 'timeout', at, seatId: seat.id };
  }
  if (!activity.idleWarned) {
    const at = activity.lastActivityAt + timings.idleWarningMs;
    if (at < next.at) next = { kind: 'warn', at, closesAt: closing.at };
  }
  return next;
}

/** Closes what is due: looked at again on the current session, because somebody may have spoken or joined since. */
export function closeWhenDue(timings: Timings): Rule<{ kind: 'closed' } | { kind: 'not_due' }> {
  return (session, { now, lastActivityAt }) => {
    const due = session.closed === null ? closeDeadline(session, { lastActivityAt }, timings) : null;
    if (due === null || due.at > now) return { kind: 'keep', outcome: { kind: 'not_due' } };
    return closeSession(session, due.reason, now);
  };
}

function closeDeadline(
  session: SessionDocument,
  { lastActivityAt }: Pick<Activity, 'lastActivityAt'>,
  { idleTimeoutMs, ttlMs }: Timings,
): Deadline & { kind: 'close' } {
  const idle = { kind: 'close', at: lastActivityAt + idleTimeoutMs, reason: 'idle' } as const;
  const expired = { kind: 'close', at: lastActivityAt + ttlMs, reason: 'expired' } as const;
  const earliest = expired.at < idle.at ? expired : idle;
  if (session.everPaired || session.code === null) return earliest;
  // Nobody ever joined, and from here on nobody can.
  return session.code.expiresAt < earliest.at
    ? { kind: 'close', at: session.code.expiresAt, reason: 'expired' }
    : earliest;
}
