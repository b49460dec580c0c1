import { TandemError } from '../../protocol/errors.ts';
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
const IDLE_MS = 250;
/** After a failed round: the database is asked no more often. */
const FAILED_MS = 500;
/** How long the rounds of a stop go on: the last that began in time ends within what a stop leaves to them. */
const STOP_MS = 1500;
const SESSIONS = 100;
const MESSAGES_OF_SESSION = 500;
/** Messages of one transaction: it must end well within the deadline of a statement. */
const MESSAGES_OF_BATCH = 2000;
const BYTES_OF_BATCH = 4 * 1024 * 1024;
/** A source may stop at bytes before it has so many messages: what is this large counts as cut off. */
const FULL_BYTES = 128 * 1024;
/** Sessions whose messages are held in memory. */
const READ_AT_ONCE = 50;

export interface ArchiverOptions {
  source: ArchiveSource;
  durable: Pick<DurableStore, 'commit'>;
  /** Called when it stops working and when it works again. */
  onTurn: (isWell: boolean, error?: unknown) => void;
  /** A session that the archive contradicts or does not take: an alarm, the others go on. */
  onPoison: (sessionId: string, error: unknown, epoch: number | null) => void;
  /** Monotonic milliseconds. */
  clock?: () => number;
}

export interface Archiver extends Job {
  /** Archives one session now, for whoever must not answer before; false when that did not work in time. */
  archive(sessionId: string): Promise<boolean>;
  /** How long the oldest of what was taken last had been waiting; as long as it cannot be stored, it still is. */
  lagMs(): number;
}

/** Moves what the hot state has into the durable store. Nothing is dropped on the way: what fails comes again. */
export function createArchiver(options: ArchiverOptions): Archiver {
  const { source, durable, onTurn, onPoison, clock = () => performance.now() } = options;
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> = Promise.resolve();
  let isStopped = true;
  let isWell = true;
  let lag = 0;
  // What was taken and could not be stored is tried again first: it is handed out to nobody else for a while, and a
  // round without it would look as if all were well.
  let pending: { readonly sessionId: string; readonly sinceAt: number }[] = [];

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
        onPoison(session.document.id, error, session.document.epoch);
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
    // What came while it was stored waits for the next round; what did not fit does not. Otherwise a session that is never
    // quiet would keep the archiver running for a message at a time.
    return outcomes.some((outcome, index) => outcome === 'more' && isFull(sessions[index]));
  };

  /** A session that cannot be read must not keep the others from the archive; a store that cannot be asked keeps all. */
  const readAll = async (sessionIds: readonly string[]): Promise<UnarchivedSession[]> => {
    const reads = await Promise.allSettled(sessionIds.map((id) => source.read(id, MESSAGES_OF_SESSION)));
    const found: UnarchivedSession[] = [];
    for (const [index, result] of reads.entries()) {
      if (result.status === 'fulfilled') {
        if (result.value !== null) found.push(result.value);
      } else if (result.reason instanceof TandemError) throw result.reason;
      else onPoison(sessionIds[index] ?? '', result.reason, null);
    }
    return found;
  };

  /** True when there is more to do at once. */
  const round = async (): Promise<boolean> => {
    if (pending.length === 0) {
      const taken = await source.take(SESSIONS);
      lag = Math.max(0, ...taken.map(({ sinceMs }) => sinceMs));
      pending = taken.map(({ sessionId, sinceMs }) => ({ sessionId, sinceAt: clock() - sinceMs }));
    }
    let hasMore = pending.length >= SESSIONS;
    while (pending.length > 0) {
      const group = pending.slice(0, READ_AT_ONCE).map(({ sessionId }) => sessionId);
      for (const batch of batchesOf(await readAll(group))) hasMore = (await store(batch)) || hasMore;
      pending = pending.slice(group.length);
    }
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
      const endAt = performance.now() + STOP_MS;
      while (wasRunning && performance.now() < endAt) {
        if (!(await round().catch(() => false))) break;
      }
    },
    archive: async (sessionId) => {
      let epoch: number | null = null;
      try {
        for (let rounds = 0; rounds < 20; rounds += 1) {
          const session = await source.read(sessionId, MESSAGES_OF_SESSION);
          if (session === null) return false;
          epoch = session.document.epoch;
          await durable.commit(batchOf([session]));
          const outcome = await source.settle(session);
          if (outcome !== 'more') return outcome === 'done';
        }
        return false;
      } catch (error) {
        if (isRefusal(error)) onPoison(sessionId, error, epoch);
        return false;
      }
    },
    lagMs: () => pending.reduce((most, { sinceAt }) => Math.max(most, clock() - sinceAt), lag),
  };
}

/** Whether there was more to read than is read at once. */
function isFull(session: UnarchivedSession | undefined): boolean {
  if (session === undefined) return false;
  return session.messages.length >= MESSAGES_OF_SESSION || bytesOf(session) >= FULL_BYTES;
}

function bytesOf({ messages }: UnarchivedSession): number {
  return messages.reduce((sum, { bodyJson }) => sum + bodyJson.length, 0);
}

/** In their order; more than one only when they would be too much for one transaction. */
function batchesOf(sessions: readonly UnarchivedSession[]): UnarchivedSession[][] {
  const batches: UnarchivedSession[][] = [];
  let [messages, bytes] = [0, 0];
  for (const session of sessions) {
    const ownBytes = bytesOf(session);
    const fits = messages + session.messages.length <= MESSAGES_OF_BATCH && bytes + ownBytes <= BYTES_OF_BATCH;
    const batch = batches.at(-1);
    if (batch === undefined || !fits) {
      batches.push([session]);
      [messages, bytes] = [0, 0];
    } else batch.push(session);
    messages += session.messages.length;
    bytes += ownBytes;
  }
  return batches;
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
