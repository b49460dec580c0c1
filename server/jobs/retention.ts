import type { DurableStore, Expired } from '../sessions/ports.ts';
import { createLoop, type Job } from './loop.ts';

/** Between two batches while there is more: what users wait for goes in between. */
const PAUSE_MS = 250;
const INTERVAL_MS = 10 * 60_000;
/** Rows of each kind: a batch ends well within the deadline of a statement, and holds its rows for tens of milliseconds. */
const AT_MOST = 1000;

export interface RetentionOptions {
  durable: Pick<DurableStore, 'expire'>;
  retentionMs: number;
  /** As long as a closed session may be resumed, or found by its code: nothing of it goes before. */
  neededMs: number;
  /** Of an open session: what a participant that returns begins with. */
  keepNewest: number;
  now: () => number;
  onExpired?: (expired: Expired) => void;
  onError: (error: unknown) => void;
}

/** Removes what has had its time, in bounded batches. Of several instances one does, the others come again later. */
export function createRetention(options: RetentionOptions): Job {
  const { durable, retentionMs, neededMs, keepNewest, now, onExpired, onError } = options;
  // Soon after the start, not within it: then everybody comes back at once.
  let nextAt = now() + INTERVAL_MS / 10;

  const round = async () => {
    const moment = now();
    if (moment < nextAt) return;
    nextAt = moment + INTERVAL_MS;
    const olderThan = moment - Math.max(retentionMs, neededMs);
    const expired = await durable.expire({ olderThan, keepNewest, now: moment, atMost: AT_MOST });
    if (expired === null) return;
    if (rowsOf(expired) > 0) onExpired?.(expired);
    if (expired.more) nextAt = moment;
  };

  return createLoop(PAUSE_MS, round, onError);
}

function rowsOf({ messages, sessions, events, tokens, logins, revocations, mails }: Expired): number {
  return messages + sessions + events + tokens + logins + revocations + mails;
}
