import { TandemError } from '../../../protocol/errors.ts';
import type { JsonValue, Message } from '../../../protocol/session.ts';
import { DivergenceError, RefusedCommitError } from '../../sessions/ports.ts';
import type { CommitBatch, LogRange, Receipt, StoredMessage, StoredSend, StoredSession } from '../../sessions/ports.ts';
import type { Seat, SessionDocument } from '../../sessions/session.ts';
import type { CommitFailure } from '../state.conformance.ts';

/** A session as rows, so that what a batch forgets to name is missing here, as it would be in a database. */
interface Row {
  readonly document: Omit<SessionDocument, 'seats'>;
  /** Living seats, or those that lived when the session was closed, in the order in which they were taken. */
  readonly seats: ReadonlyMap<string, Seat>;
  readonly receipts: ReadonlyMap<string, Receipt>;
  readonly messages: readonly StoredMessage[];
  readonly lastActivityAt: number;
}

/**
 * `unknown_late`: the caller gives up while the commit is under way, with the rows of its sessions locked. `unknown_delayed`:
 * the network holds the statement back. Either is stored by `land`.
 */
export type RecorderFailure = CommitFailure | 'unknown_late' | 'unknown_delayed';

/** The durable store, in memory: checks every batch as the port says, and can be held, told to fail, and copied. */
export class Recorder {
  readonly batches: CommitBatch[] = [];
  readonly loads: string[] = [];
  /** Queries for ids of sends, in the order in which they were asked. */
  readonly lookups: ('recentSends' | 'findSend')[] = [];
  /** Holds the next query for recent sends back until it resolves; a rejection is what the query rejects with. */
  nextRecall: Promise<void> | null = null;
  /** Every batch that the port forbids: a test that leaves one here has found a fault. */
  readonly divergences: DivergenceError[] = [];
  failLoads = false;
  #rows = new Map<string, Row>();
  #failures: RecorderFailure[] = [];
  #late: { readonly batch: CommitBatch; readonly holdsRows: boolean }[] = [];
  #landed: { promise: Promise<void>; open: () => void } = gate();
  #gate: { promise: Promise<void>; open: () => void } | null = null;
  #waiting = 0;
  #onWaiting: (() => void)[] = [];

  /** What a new process finds. */
  copy(): Recorder {
    const copy = new Recorder();
    copy.#rows = new Map(this.#rows);
    return copy;
  }

  hold(): void {
    this.#gate ??= gate();
  }

  release(): void {
    this.#gate?.open();
    this.#gate = null;
  }

  async held(): Promise<void> {
    if (this.#waiting === 0) await new Promise<void>((resolve) => this.#onWaiting.push(resolve));
  }

  failNext(failure: RecorderFailure): void {
    this.#failures.push(failure);
  }

  /** What was late is stored now. */
  land(): void {
    for (const { batch } of this.#late.splice(0)) this.#apply(batch);
    this.#landed.open();
    this.#landed = gate();
  }

  forgetFailures(): void {
    this.#failures = [];
  }

  readonly commit = async (batch: CommitBatch): Promise<void> => {
    const failure = isEmpty(batch) ? undefined : this.#failures.shift();
    if (this.#gate !== null) {
      this.#waiting += 1;
      for (const resolve of this.#onWaiting.splice(0)) resolve();
      await this.#gate.promise;
      this.#waiting -= 1;
    } else {
      // A store that answers in the same turn would hide what happens while it works.
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
    if (failure === 'refused') throw new RefusedCommitError('the disk is full');
    if (failure === 'unknown_lost') throw new Error('the connection was lost before the commit');
    if (failure === 'unknown_late' || failure === 'unknown_delayed') {
      this.#late.push({ batch, holdsRows: failure === 'unknown_late' });
      throw new Error('no answer came in time');
    }
    this.#apply(batch);
    if (failure === 'unknown_stored') throw new Error('the connection was lost after the commit');
  };

  readonly loadSession = (sessionId: string, now: number): Promise<StoredSession | null> => {
    this.loads.push(sessionId);
    if (this.failLoads) return Promise.reject(new TandemError('UNAVAILABLE', 'the database is away'));
    const row = this.#rows.get(sessionId);
    return Promise.resolve(row === undefined ? null : storedOf(row, now));
  };

  readonly loadSessions = (now: number): Promise<StoredSession[]> => {
    const rows = [...this.#rows.values()].filter(
      ({ document: { closed, code } }) => closed === null || (code !== null && code.expiresAt > now),
    );
    return Promise.resolve(rows.map((row) => storedOf(row, now)));
  };

  readonly readMessages = (sessionId: string, range: LogRange): Promise<Message[]> => {
    if (this.failLoads) return Promise.reject(new TandemError('UNAVAILABLE', 'the database is away'));
    const messages = (this.#rows.get(sessionId)?.messages ?? []).map(messageOf);
    return Promise.resolve(
      'afterSeq' in range
        ? messages.filter(({ seq }) => seq > range.afterSeq).slice(0, range.limit)
        : messages.filter(({ seq }) => seq < range.beforeSeq).slice(-range.limit),
    );
  };

  readonly findSend = (sessionId: string, participantId: string | null, id: string): Promise<StoredSend | null> => {
    this.lookups.push('findSend');
    const sends = this.#sends(sessionId).filter((send) => send.participantId === participantId && send.id === id);
    return Promise.resolve(sends[0] ?? null);
  };

  readonly recentSends = async (sessionId: string, since: number, limit: number): Promise<StoredSend[]> => {
    this.lookups.push('recentSends');
    const sends = this.#sends(sessionId)
      .filter(({ sentAt }) => sentAt >= since)
      .slice(0, limit);
    const gate = this.nextRecall;
    this.nextRecall = null;
    await gate;
    return sends;
  };

  readonly raiseEpoch = async (sessionId: string, knownEpoch: number): Promise<number | null> => {
    if (this.failLoads) throw new TandemError('UNAVAILABLE', 'the database is away');
    // It takes the session's row, which whoever writes to the session holds until the commit has ended.
    if (this.#rows.has(sessionId) && this.#isHeld(sessionId)) await this.#landed.promise;
    const row = this.#rows.get(sessionId);
    if (row === undefined || row.document.closed !== null) return null;
    const { epoch } = row.document;
    if (epoch !== knownEpoch) return epoch;
    this.#rows.set(sessionId, { ...row, document: { ...row.document, epoch: epoch + 1 } });
    return epoch + 1;
  };

  readonly findByCode = (code: string, now: number): Promise<string | null> => {
    for (const [id, { document }] of this.#rows) {
      if (document.closed === null && document.code?.value === code && document.code.expiresAt > now) {
        return Promise.resolve(id);
      }
    }
    return Promise.resolve(null);
  };

  readonly findByKey = (keyHash: string): Promise<string | null> => {
    for (const [id, { document, seats }] of this.#rows) {
      const isLed = [...seats.values()].some(({ key }) => key?.hash === keyHash);
      if (document.closed === null && isLed) return Promise.resolve(id);
    }
    return Promise.resolve(null);
  };

  readonly closedAmong = (sessionIds: readonly string[]): Promise<{ id: string; epoch: number }[]> => {
    const documents = sessionIds.flatMap((id) => {
      const row = this.#rows.get(id);
      return row === undefined || row.document.closed === null ? [] : [{ id, epoch: row.document.epoch }];
    });
    return Promise.resolve(documents);
  };

  #isHeld(sessionId: string): boolean {
    return this.#late.some(({ batch: { sessions, messages, receipts }, holdsRows }) => {
      const ids = [
        ...sessions.map(({ document }) => document.id),
        ...[...messages, ...receipts].map((one) => one.sessionId),
      ];
      return holdsRows && ids.includes(sessionId);
    });
  }

  /** Newest first. */
  #sends(sessionId: string): StoredSend[] {
    const messages = this.#rows.get(sessionId)?.messages ?? [];
    return [...messages].reverse();
  }

  #apply(batch: CommitBatch): void {
    const changed = new Map<string, Row>();
    try {
      for (const { document, changedSeatIds, lastActivityAt } of batch.sessions) {
        const before = this.#rows.get(document.id);
        if (changed.has(document.id)) throw new DivergenceError(`${document.id} is twice in one batch`);
        if (before !== undefined && before.document.epoch !== document.epoch) {
          throw new DivergenceError(`epoch ${document.epoch} after ${before.document.epoch}`);
        }
        changed.set(document.id, rowOf(document, changedSeatIds, lastActivityAt, batch, before));
      }
      for (const message of batch.messages) {
        const row = changed.get(message.sessionId) ?? this.#rowOf(message.sessionId);
        const held = row.messages[message.seq - 1];
        if (held !== undefined && (held.id !== message.id || held.participantId !== message.participantId)) {
          throw new DivergenceError(`seq ${message.seq} is taken by other content`);
        }
        if (message.seq > row.messages.length + 1) throw new DivergenceError(`seq ${message.seq} leaves a hole`);
        const messages = held === undefined ? [...row.messages, message] : row.messages;
        const lastActivityAt = Math.max(row.lastActivityAt, message.sentAt);
        changed.set(message.sessionId, { ...row, messages, lastActivityAt });
      }
      for (const { sessionId, seatId, delivered, read } of batch.receipts) {
        const row = changed.get(sessionId) ?? this.#rowOf(sessionId);
        const before = row.receipts.get(seatId) ?? { delivered: 0, read: 0 };
        const receipt = { delivered: Math.max(before.delivered, delivered), read: Math.max(before.read, read) };
        changed.set(sessionId, { ...row, receipts: new Map(row.receipts).set(seatId, receipt) });
      }
    } catch (error) {
      if (error instanceof DivergenceError) this.divergences.push(error);
      throw error;
    }
    for (const [id, row] of changed) this.#rows.set(id, row);
    this.batches.push(batch);
  }

  #rowOf(sessionId: string): Row {
    const row = this.#rows.get(sessionId);
    if (row === undefined) throw new DivergenceError(`nothing is stored of ${sessionId}`);
    return row;
  }
}

function rowOf(
  { seats: living, ...document }: SessionDocument,
  changedSeatIds: readonly string[],
  lastActivityAt: number,
  batch: CommitBatch,
  before: Row | undefined,
): Row {
  const seats = new Map(before?.seats);
  for (const seat of living) if (changedSeatIds.includes(seat.id)) seats.set(seat.id, seat);
  for (const { sessionId, seat } of batch.ended) if (sessionId === document.id) seats.delete(seat.id);
  const [stored, decided] = [[...seats.values()], living].map((list) => list.map(({ id, role }) => `${role} ${id}`));
  if (stored?.join() !== decided?.join()) {
    throw new DivergenceError(`the batch names seats that make ${String(stored)} of ${String(decided)}`);
  }
  const { receipts = new Map<string, Receipt>(), messages = [] } = before ?? {};
  return { document, seats, receipts, messages, lastActivityAt };
}

/** Without what the store does not keep: connections, and their generations. */
function storedOf({ document, seats, receipts, messages, lastActivityAt }: Row, now: number): StoredSession {
  const away = [...seats.values()].map((seat): Seat => ({
    ...seat,
    presence: 'away',
    awaySince: now,
    generation: 0,
    instance: null,
  }));
  return { document: { ...document, seats: away }, lastSeq: messages.length, lastActivityAt, receipts };
}

function messageOf({ sessionId, seq, id, participantId, type, bodyJson, sentAt }: StoredMessage): Message {
  const body = JSON.parse(bodyJson) as JsonValue;
  return { id, seq, sessionId, from: participantId ?? 'server', type, body, sentAt: new Date(sentAt).toISOString() };
}

function isEmpty(batch: CommitBatch): boolean {
  return [batch.sessions, batch.ended, batch.messages, batch.receipts].every((list) => list.length === 0);
}

function gate(): { promise: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}
