import {
  DivergenceError,
  RefusedCommitError,
  type ArchiveSource,
  type CommitBatch,
  type DurableStore,
  type UnarchivedSession,
} from '../sessions/ports.ts';
import type { Job } from './loop.ts';

/** Between two rounds when there was little to do: how far the archive lags behind at most, while all is well. */
const IDLE_MS = 100;
/** After a failed round: the database is asked no more often. */
const FAILED_MS = 500;
const SESSIONS = 100;
const MESSAGES_OF_SESSION = 500;
/** Messages of one transaction: it must end well within the deadline of a statement. */
const MESSAGES_OF_BATCH = 2000;

export interface ArchiverOptions {
  source: ArchiveSource;
  durable: Pick<DurableStore, 'commit'>;
  /** Called when it stops working and when it works again. */
  onTurn: (isWell: boolean, error?: unknown) => void;
  /** A session that the archive contradicts or does not take: an alarm, the others go on. */
  onPoison: (sessionId: string, error: unknown) => void;
}

export interface Archiver extends Job {
  /** Archives one session now, for whoever must not answer before; false when that did not work in time. */
  archive(sessionId: string): Promise<boolean>;
  /** How long the oldest of what was taken last had been waiting. */
  lagMs(): number;
}

/** Moves what the hot state has into the durable store. Nothing is dropped on the way: what fails comes again. */
export function createArchiver({ source, durable, onTurn, onPoison }: ArchiverOptions): Archiver {
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> = Promise.resolve();
  let isStopped = true;
  let isWell = true;
  let lag = 0;

  const turn = (well: boolean, error?: unknown) => {
    if (well === isWell) return;
    isWell = well;
    onTurn(well, error);
  };

  /** Each by itself: one that the database refuses must not keep the others from it. */
  const storeApart = async (sessions: readonly UnarchivedSession[]) => {
    for (const session of sessions) {
      try {
        await durable.commit(batchOf([session]));
      } catch (error) {
        if (!isRefusal(error)) throw error;
        onPoison(session.document.id, error);
        continue;
      }
      await source.settle(session);
    }
  };

  const store = async (sessions: readonly UnarchivedSession[]): Promise<boolean> => {
    try {
      await durable.commit(batchOf(sessions));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await storeApart(sessions);
      return false;
    }
    const outcomes = await Promise.all(sessions.map((session) => source.settle(session)));
    return outcomes.includes('more');
  };

  /** True when there is more to do at once. */
  const round = async (): Promise<boolean> => {
    const taken = await source.take(SESSIONS);
    lag = Math.max(0, ...taken.map(({ sinceMs }) => sinceMs));
    let hasMore = taken.length >= SESSIONS;
    let batch: UnarchivedSession[] = [];
    let messages = 0;
    const read = await Promise.all(taken.map(({ sessionId }) => source.read(sessionId, MESSAGES_OF_SESSION)));
    for (const session of read) {
      if (session === null) continue;
      if (messages + session.messages.length > MESSAGES_OF_BATCH && batch.length > 0) {
        hasMore = (await store(batch)) || hasMore;
        batch = [];
        messages = 0;
      }
      batch.push(session);
      messages += session.messages.length;
    }
    if (batch.length > 0) hasMore = (await store(batch)) || hasMore;
    return hasMore;
  };

  const plan = (waitMs: number) => {
    if (isStopped) return;
    timer = setTimeout(() => {
      running = run();
    }, waitMs);
    timer.unref();
  };
  const run = async () => {
    try {
      const hasMore = await round();
      turn(true);
      plan(hasMore ? 0 : IDLE_MS);
    } catch (error) {
      turn(false, error);
      plan(FAILED_MS);
    }
  };

  return {
    start: () => {
      if (!isStopped) return;
      isStopped = false;
      plan(0);
    },
    stop: async () => {
      const wasRunning = !isStopped;
      isStopped = true;
      if (timer !== null) clearTimeout(timer);
      await running;
      // What came in last goes out now; what does not is found by whoever runs next.
      for (let rounds = 0; wasRunning && rounds < 100; rounds += 1) {
        if (!(await round().catch(() => false))) break;
      }
    },
    archive: async (sessionId) => {
      try {
        for (let rounds = 0; rounds < 20; rounds += 1) {
          const session = await source.read(sessionId, MESSAGES_OF_SESSION);
          if (session === null) return false;
          await durable.commit(batchOf([session]));
          if ((await source.settle(session)) !== 'more') return true;
        }
        return false;
      } catch (error) {
        if (isRefusal(error)) onPoison(sessionId, error);
        return false;
      }
    },
    lagMs: () => lag,
  };
}

function isRefusal(error: unknown): boolean {
  return error instanceof DivergenceError || error instanceof RefusedCommitError;
}

function batchOf(sessions: readonly UnarchivedSession[]): CommitBatch {
  return {
    sessions: sessions.map(({ document, version, lastActivityAt }) => ({
      document,
      changedSeatIds: document.seats.map(({ id }) => id),
      lastActivityAt,
      version,
    })),
    ended: sessions.flatMap(({ document, ended }) => ended.map((seat) => ({ ...seat, sessionId: document.id }))),
    messages: sessions.flatMap(({ messages }) => messages),
    receipts: sessions.flatMap(({ document, receipts }) =>
      [...receipts].map(([seatId, { delivered, read }]) => ({ sessionId: document.id, seatId, delivered, read })),
    ),
  };
}
