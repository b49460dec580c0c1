import type { SessionState } from '../sessions/ports.ts';
import type { SessionService } from '../sessions/session-service.ts';
import { createLoop, type Job } from './loop.ts';

/** The shortest duration that can be configured is of this order; a deadline is met so much late at most. */
const INTERVAL_MS = 250;
/** Deadlines of one round: the rest comes with the next, so a wave of them does not hold up the event loop. */
const BATCH = 200;

export interface SweeperOptions {
  state: Pick<SessionState, 'takeDue'>;
  sessions: Pick<SessionService, 'meetDeadline'>;
  onError: (error: unknown) => void;
}

/** Meets the deadlines of sessions: idle warnings, closes, ends of grace. */
export function createSweeper({ state, sessions, onError }: SweeperOptions): Job {
  const round = async () => {
    const due = await state.takeDue(BATCH);
    const results = await Promise.allSettled(due.map((session) => sessions.meetDeadline(session)));
    for (const result of results) if (result.status === 'rejected') onError(result.reason);
  };
  return createLoop(INTERVAL_MS, round, onError);
}
