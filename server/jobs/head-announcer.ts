import type { SessionService } from '../sessions/session-service.ts';
import { createLoop, type Job } from './loop.ts';

/** A client that lost the tail of a conversation on its way learns of it after this time at most. */
const INTERVAL_MS = 10_000;

/** Tells sessions how far they are, so that a lost last message is noticed. */
export function createHeadAnnouncer(
  sessions: Pick<SessionService, 'announceHeads'>,
  onError: (error: unknown) => void,
): Job {
  return createLoop(INTERVAL_MS, () => sessions.announceHeads(), onError);
}
