import { TandemError } from '../../protocol/errors.ts';
import {
  DivergenceError,
  type ArchiveOutcome,
  type ArchiveSource,
  type DurableStore,
  type UnarchivedSession,
} from '../sessions/ports.ts';
import { batchesOf, batchOf, BatchSize, bytesOf } from './archiver-batch.ts';
import { isLocked, isRefusal, reasonOf } from './archiver-refusal.ts';
import { salvage } from './archiver-salvage.ts';
import type { Job } from './loop.ts';
import { createShared } from './shared-work.ts';

/**
 * Between two rounds while there is work, and longest when there is none: how far the archive lags behind at most, while
 * all is well. A round costs Redis two looks at each session that it stores, so a session that is never quiet costs
 * more the shorter the pause. A look at nothing is one command, in a cluster one for each partition: 4 a second when idle.
 */
const BUSY_MS = 100;
const IDLE_MS = 250;
/** After a failed round: the database is asked no more often. */
const FAILED_MS = 500;
/** How long the rounds of a stop go on: the last that began in time ends within what a stop leaves to them. */
const STOP_MS = 1500;
const SESSIONS = 500;
const MESSAGES_OF_SESSION = 500;
/** A source may stop at bytes before it has so many messages: what is this large counts as cut off. */
const FULL_BYTES = 128 * 1024;
/** Sessions that are read at once. The messages of twice as many are held in memory. */
const READ_AT_ONCE = 100;
/** Sessions whose participants have changed since the last round, and of whose messages little is needed; more are left. */
const CHANGED = 500;
const MESSAGES_OF_CHANGED = 1;

/** Of one session, for whoever waits: what grows faster than it is stored is left to the rounds of the loop. */
const FEW_ROUNDS = 20;
/** For whoever keeps it from growing: as many as the largest backlog needs in the smallest batches. */
const ALL_ROUNDS = 4000;

export interface ArchiverOptions {
  source: ArchiveSource;
  durable: Pick<DurableStore, 'commit'>;
  /** Called when it stops working and when it works again. */
  onTurn: (isWell: boolean, error?: unknown) => void;
  /**
   * A session that the archive contradicts or does not take is set aside: an alarm, when it is, and when the reason is
   * another. `seq`: the message that is refused. Without `onDivergence` told of each try that is contradicted.
   */
  onPoison: (sessionId: string, error: unknown, epoch: number | null, seq: number | null) => void;
  /** It was set aside, and all that was read of it is stored, or it was put back from the archive. */
  onMended?: (sessionId: string) => void;
  /** Puts a session that the archive contradicts back from there; what was put back is tried at once. */
  onDivergence?: (sessionId: string, epoch: number) => Promise<void>;
  /** Monotonic milliseconds. */
  clock?: () => number;
}

export interface Archiver extends Job {
  /** Archives one session now, for whoever must not answer before; false when that did not work in time. */
  archive(sessionId: string): Promise<boolean>;
  /** The same for what a session is put back without, unless it is archived: however much there is, and whatever became of it. */
  archiveRest(sessionId: string): Promise<ArchiveOutcome>;
  /** Archives those sessions now of which more than messages has changed, unless the last round failed. */
  archiveChanges(): Promise<void>;
  /** How long the oldest of what was taken last had been waiting; as long as it cannot be stored, it still is. */
  lagMs(): number;
  /** Sessions of the whole deployment that are set aside. */
  countAside(): Promise<number>;
}

/** Moves what the hot state has into the durable store. Nothing is dropped on the way: what fails comes again. */
export function createArchiver(options: ArchiverOptions): Archiver {
  const { source, durable, onTurn, onPoison, onMended, onDivergence, clock = () => performance.now() } = options;
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> = Promise.resolve();
  let isStopped = true;
  let isWell = true;
  let lag = 0;
  // What was taken and could not be stored is tried again first: it is handed out to nobody else for a while, and a
  // round without it would look as if all were well.
  let pending: { readonly sessionId: string; readonly sinceAt: number }[] = [];
  const size = new BatchSize();
  /** Of one session: no more than fits into a transaction. */
  const mostOfSession = () => Math.min(MESSAGES_OF_SESSION, size.messages);

  /** Throws what the database throws. */
  const commit = async (sessions: readonly UnarchivedSession[]) => {
    const batch = batchOf(sessions);
    try {
      await durable.commit(batch);
    } catch (error) {
      if (!isRefusal(error) && !isLocked(error)) size.failed(batch.messages.length);
      throw error;
    }
    size.stored(batch.messages.length);
  };

  /** What was said in this round of sessions whose row somebody else holds. */
  const locked: Error[] = [];

  const turn = (well: boolean, error?: unknown) => {
    if (well === isWell) return;
    isWell = well;
    onTurn(well, error);
  };

  /** Not waited for: what puts it back asks for the session to be archived before. */
  const mend = (sessionId: string, epoch: number) => {
    if (onDivergence === undefined) return;
    void onDivergence(sessionId, epoch)
      .then(async () => {
        if (await source.release(sessionId)) onMended?.(sessionId);
      })
      // It comes again when its time has come, and that is tried again then.
      .catch(() => undefined);
  };

  const setAside = async (sessionId: string, error: unknown, epoch: number | null, seq: number | null) => {
    const outcome = await source.setAside(sessionId, epoch, reasonOf(error));
    if (outcome === 'gone') return;
    const isDivergence = error instanceof DivergenceError && epoch !== null;
    if (outcome === 'news' || (isDivergence && onDivergence === undefined)) onPoison(sessionId, error, epoch, seq);
    if (isDivergence) mend(sessionId, epoch);
  };

  const setApart = async (session: UnarchivedSession, refusal: unknown) => {
    const { stored, fault, seq } = await salvage(durable, session, refusal).catch((error: unknown) => {
      if (error instanceof TandemError) throw error;
      // Its document cannot be read: nobody knows what of it could be stored.
      return { stored: null, fault: error, seq: null };
    });
    if (stored !== null && (await source.settlePart(stored)) === 'gone') return;
    const { sessionId, epoch } = session;
    await setAside(sessionId, fault, epoch, seq);
  };

  const settle = async (session: UnarchivedSession) => {
    const outcome = await source.settle(session);
    if (session.asideMs !== null && outcome !== 'gone') onMended?.(session.sessionId);
    return outcome;
  };

  const apart = async (session: UnarchivedSession, error: unknown) => {
    if (isRefusal(error)) await setApart(session, error);
    // It is left to its lease.
    else if (isLocked(error)) locked.push(error);
    else throw error;
  };

  /** Each by itself: one that the database refuses must not keep the others from it. */
  const storeApart = async (sessions: readonly UnarchivedSession[]) => {
    for (const session of sessions) {
      try {
        await commit([session]);
      } catch (error) {
        await apart(session, error);
        continue;
      }
      await settle(session);
    }
  };

  const store = async (sessions: readonly UnarchivedSession[], most: number): Promise<boolean> => {
    try {
      await commit(sessions);
    } catch (error) {
      const [session, ...others] = sessions;
      if (session !== undefined && others.length === 0) await apart(session, error);
      else if (isRefusal(error) || isLocked(error)) await storeApart(sessions);
      else throw error;
      return false;
    }
    const outcomes = await Promise.all(sessions.map(settle));
    // What came while it was stored waits for the next round; what did not fit does not. Otherwise a session that is never
    // quiet would keep the archiver running for a message at a time.
    return outcomes.some((outcome, index) => outcome === 'more' && isFull(sessions[index], most));
  };

  /** A session that cannot be read must not keep the others from the archive; a store that cannot be asked keeps all. */
  const readAll = async (sessionIds: readonly string[], most: number): Promise<UnarchivedSession[]> => {
    const reads = await Promise.allSettled(sessionIds.map((id) => source.read(id, most)));
    const found: UnarchivedSession[] = [];
    for (const [index, result] of reads.entries()) {
      if (result.status === 'fulfilled') {
        if (result.value !== null) found.push(result.value);
      } else if (result.reason instanceof TandemError) throw result.reason;
      else await setAside(sessionIds[index] ?? '', result.reason, null, null);
    }
    return found;
  };

  const readSome = (waiting: typeof pending) => {
    const most = mostOfSession();
    const ids = waiting.slice(0, READ_AT_ONCE).map(({ sessionId }) => sessionId);
    const reading = readAll(ids, most);
    // Nobody awaits it when the round ends before with a fault.
    reading.catch(() => undefined);
    return { reading, most };
  };

  const round = async (): Promise<'more at once' | 'some' | 'none'> => {
    locked.length = 0;
    if (pending.length === 0) {
      const taken = await source.take(SESSIONS);
      lag = Math.max(0, ...taken.map(({ sinceMs }) => sinceMs));
      pending = taken.map(({ sessionId, sinceMs }) => ({ sessionId, sinceAt: clock() - sinceMs }));
    }
    if (pending.length === 0) return 'none';
    let hasMore = pending.length >= SESSIONS;
    let next = readSome(pending);
    while (pending.length > 0) {
      const { reading, most } = next;
      const found = await reading;
      const rest = pending.slice(READ_AT_ONCE);
      // While Postgres stores these.
      next = readSome(rest);
      // What is likely to be refused again is not stored with others; what is not due is left: another has just tried.
      await storeApart(found.filter(({ asideMs }) => asideMs === 0));
      const sessions = found.filter(({ asideMs }) => asideMs === null);
      for (const batch of batchesOf(sessions, size)) hasMore = (await store(batch, most)) || hasMore;
      pending = rest;
    }
    const [refused] = locked;
    if (refused !== undefined) throw refused;
    return hasMore ? 'more at once' : 'some';
  };

  const plan = (waitMs: number) => {
    if (isStopped) return;
    timer = setTimeout(() => {
      running = run();
    }, waitMs);
    timer.unref();
  };
  let pauseMs = IDLE_MS;
  const run = async () => {
    try {
      const left = await round();
      turn(true);
      pauseMs = left === 'none' ? Math.min(IDLE_MS, 2 * pauseMs) : BUSY_MS;
      plan(left === 'more at once' ? 0 : pauseMs);
    } catch (error) {
      turn(false, error);
      plan(FAILED_MS);
    }
  };

  const archiveAll = async (sessionId: string, rounds: number): Promise<ArchiveOutcome> => {
    let read: UnarchivedSession | null = null;
    let empty = 0;
    try {
      // A log that ends before its head, because a part of it is lost, has no more, however often it is read.
      for (let done = 0; done < rounds && empty < FEW_ROUNDS; done += 1) {
        read = await source.read(sessionId, mostOfSession());
        if (read === null) return 'gone';
        // Nobody waits for what is known to be refused.
        if ((read.asideMs ?? 0) > 0) return 'refused';
        await commit([read]);
        const outcome = await settle(read);
        if (outcome !== 'more') return outcome === 'done' ? 'stored' : 'gone';
        empty = read.messages.length === 0 ? empty + 1 : 0;
      }
    } catch (error) {
      if (read === null || !isRefusal(error)) return 'unavailable';
      await setApart(read, error).catch(() => undefined);
      return 'refused';
    }
    return empty < FEW_ROUNDS ? 'unavailable' : 'refused';
  };

  /** Together, since they are few and small; each by itself where that fails. */
  const archiveChanges = async (): Promise<void> => {
    const ids = await source.changed(CHANGED);
    const reads = await Promise.all(ids.map((id) => source.read(id, MESSAGES_OF_CHANGED)));
    const found = reads.flatMap((read) => (read?.asideMs === null ? [read] : []));
    for (const batch of batchesOf(found, size)) {
      try {
        await commit(batch);
        await Promise.all(batch.map(settle));
      } catch {
        for (const { sessionId } of batch) await archiveAll(sessionId, FEW_ROUNDS);
      }
    }
  };

  const changes = createShared(archiveChanges);

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
        if ((await round().catch(() => 'none')) !== 'more at once') break;
      }
    },
    archive: async (sessionId) => (await archiveAll(sessionId, FEW_ROUNDS)) === 'stored',
    archiveRest: (sessionId) => archiveAll(sessionId, ALL_ROUNDS),
    archiveChanges: async () => {
      // Whoever asks is told what there is.
      if (isWell) await changes.next().catch(() => undefined);
    },
    lagMs: () => pending.reduce((most, { sinceAt }) => Math.max(most, clock() - sinceAt), lag),
    countAside: () => source.countAside(),
  };
}

/** Whether there was more to read than is read at once. */
function isFull(session: UnarchivedSession | undefined, most: number): boolean {
  if (session === undefined) return false;
  return session.messages.length >= most || bytesOf(session) >= FULL_BYTES;
}
