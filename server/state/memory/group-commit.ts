import { TandemError } from '../../../protocol/errors.ts';
import {
  DivergenceError,
  RefusedCommitError,
  type CommitBatch,
  type DurableStore,
  type StoredMessage,
} from '../../sessions/ports.ts';
import type { EndedSeat, SessionDocument } from '../../sessions/session.ts';
import type { SessionEntry } from './session-entry.ts';

/** One decided change on its way to being visible. */
export interface Write {
  readonly entry: SessionEntry;
  /** Unix milliseconds. */
  readonly decidedAt: number;
  /** False: nothing to store, it only waits for its turn. */
  readonly lasting: boolean;
  readonly document?: { readonly document: SessionDocument; readonly changedSeatIds: readonly string[] };
  readonly ended?: readonly EndedSeat[];
  readonly message?: StoredMessage;
  readonly receipt?: { readonly seatId: string; readonly delivered: number; readonly read: number };
  /** Never throws. */
  becomeVisible(): void;
  fail(error: TandemError): void;
}

export interface GroupCommitOptions {
  commit: DurableStore['commit'];
  /** The entry's decided state is worth nothing any more. */
  onBroken: (entry: SessionEntry, error: unknown) => void;
}

/** Writes of one transaction at most: keeps a commit short enough that nobody waits for strangers. */
const BATCH_WRITES = 1000;

/**
 * One commit at a time; what is decided meanwhile goes into the next. What arrives in one turn of the event loop shares
 * a transaction, so the cost of a commit (1 to 2 ms) is paid once per turn and not once per message.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  #queue: Write[] = [];
  #inFlight: readonly Write[] = [];
  #isRunning = false;
  #idle: { promise: Promise<void>; resolve: () => void } | null = null;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** Writes that are not yet stored. */
  get backlog(): number {
    return this.#queue.length + this.#inFlight.length;
  }

  /** When the oldest of them was decided; null when there is none. */
  get oldestAt(): number | null {
    return (this.#inFlight[0] ?? this.#queue[0])?.decidedAt ?? null;
  }

  add(write: Write): void {
    if (write.entry.isGone) {
      write.fail(failureOf(new Error('the session was set aside before this was decided')));
      return;
    }
    write.entry.pendingWrites += 1;
    this.#queue.push(write);
    if (this.#isRunning) return;
    this.#isRunning = true;
    setImmediate(() => void this.#run());
  }

  /** Resolves when nothing waits. */
  async drained(): Promise<void> {
    if (!this.#isRunning) return;
    if (this.#idle === null) {
      let resolve = () => {};
      const promise = new Promise<void>((done) => (resolve = done));
      this.#idle = { promise, resolve };
    }
    await this.#idle.promise;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const writes = this.#queue.length <= BATCH_WRITES ? this.#queue : this.#queue.slice(0, BATCH_WRITES);
      this.#queue = writes === this.#queue ? [] : this.#queue.slice(BATCH_WRITES);
      this.#inFlight = writes;
      await this.#store(writes);
      this.#inFlight = [];
    }
    this.#isRunning = false;
    this.#idle?.resolve();
    this.#idle = null;
  }

  async #store(writes: readonly Write[]): Promise<void> {
    if (writes.some((write) => write.lasting)) {
      try {
        await this.#options.commit(batchOf(writes));
      } catch (error) {
        const bySession = bySessionOf(writes);
        if (isNothingStored(error) && bySession.size > 1) {
          // One session's poison must not fail the others: each is tried alone.
          for (const own of bySession.values()) await this.#store(own);
        } else {
          this.#fail(writes, new Set(bySession.keys()), error);
        }
        return;
      }
    }
    for (const write of writes) {
      write.entry.pendingWrites -= 1;
      write.becomeVisible();
    }
  }

  /** Everything that was decided on top of what failed fails with it. */
  #fail(writes: readonly Write[], entries: ReadonlySet<SessionEntry>, cause: unknown): void {
    for (const entry of entries) this.#options.onBroken(entry, cause);
    const lost = [...writes, ...this.#queue.filter((write) => entries.has(write.entry))];
    this.#queue = this.#queue.filter((write) => !entries.has(write.entry));
    for (const write of lost) {
      write.entry.pendingWrites -= 1;
      write.fail(failureOf(cause));
    }
  }
}

function bySessionOf(writes: readonly Write[]): Map<SessionEntry, Write[]> {
  const groups = new Map<SessionEntry, Write[]>();
  for (const write of writes) {
    const group = groups.get(write.entry);
    if (group === undefined) groups.set(write.entry, [write]);
    else group.push(write);
  }
  return groups;
}

function isNothingStored(error: unknown): boolean {
  return error instanceof RefusedCommitError || error instanceof DivergenceError;
}

function failureOf(cause: unknown): TandemError {
  if (cause instanceof DivergenceError) {
    return new TandemError('INTERNAL', 'The stored session differs from this one; it is read again. Repeat.', {
      cause,
    });
  }
  const message = 'The database did not store this in time; whether it did is unknown. Repeat with the same id or key.';
  return new TandemError('UNAVAILABLE', message, { cause, retryAfterMs: 1000 });
}

/** Several changes of one session become one row: the last document has them all. */
function batchOf(writes: readonly Write[]): CommitBatch {
  const sessions = new Map<
    string,
    { document: SessionDocument; changedSeatIds: Set<string>; lastActivityAt: number }
  >();
  const receipts = new Map<string, CommitBatch['receipts'][number]>();
  const ended: (EndedSeat & { sessionId: string })[] = [];
  const messages: StoredMessage[] = [];
  for (const { entry, lasting, document, ended: endedHere, message, receipt } of writes) {
    if (!lasting) continue;
    if (message !== undefined) messages.push(message);
    if (receipt !== undefined) receipts.set(receipt.seatId, { sessionId: entry.id, ...receipt });
    if (document !== undefined) {
      const changedSeatIds = sessions.get(entry.id)?.changedSeatIds ?? new Set<string>();
      for (const seatId of document.changedSeatIds) changedSeatIds.add(seatId);
      const { lastActivityAt } = entry;
      sessions.set(entry.id, { document: document.document, changedSeatIds, lastActivityAt });
    }
    for (const end of endedHere ?? []) ended.push({ sessionId: entry.id, ...end });
  }
  return {
    sessions: [...sessions.values()].map(({ changedSeatIds, ...rest }) => ({
      ...rest,
      changedSeatIds: rest.document.seats.filter((seat) => changedSeatIds.has(seat.id)).map((seat) => seat.id),
    })),
    ended,
    messages,
    receipts: [...receipts.values()],
  };
}
