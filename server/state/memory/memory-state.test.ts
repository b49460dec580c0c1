import { afterEach, describe, expect, it } from '@jest/globals';
import { TandemError } from '../../../protocol/errors.ts';
import { MemoryLimits } from './memory-limits.ts';
import { MemoryState } from './memory-state.ts';
import {
  DivergenceError,
  RefusedCommitError,
  type AppendRequest,
  type CommitBatch,
  type Receipt,
  type StoredMessage,
  type StoredSend,
  type StoredSession,
} from '../../sessions/ports.ts';
import { fingerprintOf } from '../../sessions/fingerprint.ts';
import { closeByHost, dropConnection, joinSession, lockSession, openSession } from '../../sessions/session.ts';
import type { Seat, SeatHolder, SessionDocument } from '../../sessions/session.ts';
import {
  describeSessionState,
  type CommitFailure,
  type Delivery,
  type Harness,
  type HarnessOptions,
} from '../state.conformance.ts';

/** A session as rows, so that what a batch forgets to name is missing here, as it would be in a database. */
interface Row {
  readonly document: Omit<SessionDocument, 'seats'>;
  /** Living seats, or those that lived when the session was closed, in the order in which they were taken. */
  readonly seats: ReadonlyMap<string, Seat>;
  readonly receipts: ReadonlyMap<string, Receipt>;
  readonly messages: readonly StoredMessage[];
  readonly lastActivityAt: number;
}

/** The durable store, in memory: checks every batch as the port says, and can be held, told to fail, and copied. */
class Recorder {
  readonly batches: CommitBatch[] = [];
  readonly loads: string[] = [];
  /** Every batch that the port forbids: a test that leaves one here has found a fault. */
  readonly divergences: DivergenceError[] = [];
  failLoads = false;
  #rows = new Map<string, Row>();
  #failures: CommitFailure[] = [];
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

  failNext(failure: CommitFailure): void {
    this.#failures.push(failure);
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

  readonly findSend = (sessionId: string, participantId: string, id: string): Promise<StoredSend | null> => {
    const sends = this.#sends(sessionId).filter((send) => send.participantId === participantId && send.id === id);
    return Promise.resolve(sends[0] ?? null);
  };

  readonly recentSends = (sessionId: string, since: number, limit: number): Promise<StoredSend[]> =>
    Promise.resolve(
      this.#sends(sessionId)
        .filter(({ sentAt }) => sentAt >= since)
        .slice(0, limit),
    );

  /** Newest first. */
  #sends(sessionId: string): StoredSend[] {
    const messages = this.#rows.get(sessionId)?.messages ?? [];
    return messages
      .flatMap(({ participantId, ...rest }) => (participantId === null ? [] : [{ participantId, ...rest }]))
      .reverse();
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

function isEmpty(batch: CommitBatch): boolean {
  return [batch.sessions, batch.ended, batch.messages, batch.receipts].every((list) => list.length === 0);
}

function gate(): { promise: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}

const START = Date.parse('2026-01-31T12:00:00.000Z');

/** The in-process state over a recorder. */
class MemoryHarness implements Harness {
  readonly deliveries: Delivery[] = [];
  readonly faults: unknown[] = [];
  state: MemoryState;
  recorder = new Recorder();
  readonly #options: HarnessOptions;
  readonly #maxBacklog: number | undefined;
  #now = START;

  constructor(options: HarnessOptions, maxBacklog?: number) {
    this.#options = options;
    this.#maxBacklog = maxBacklog;
    this.state = this.#openState();
  }

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }

  holdCommits(): void {
    this.recorder.hold();
  }

  commitHeld(): Promise<void> {
    return this.recorder.held();
  }

  releaseCommits(): void {
    this.recorder.release();
  }

  failNextCommit(failure: CommitFailure): void {
    this.recorder.failNext(failure);
  }

  async restart(): Promise<void> {
    const [old, killed] = [this.state, this.recorder];
    this.recorder = killed.copy();
    this.state = this.#openState();
    await this.state.start();
    // What the killed process still had on its way goes into a store that nobody reads any more.
    killed.release();
    await old.stop();
    expect(killed.divergences).toEqual([]);
  }

  async close(): Promise<void> {
    await this.state.stop();
    expect(this.recorder.divergences).toEqual([]);
  }

  #openState(): MemoryState {
    const { recorder } = this;
    const state: MemoryState = new MemoryState({
      durable: recorder,
      onMessage: (message, sender) => {
        if (this.recorder === recorder) this.deliveries.push({ message, sender });
      },
      limits: new MemoryLimits(() => this.#now),
      ...this.#options,
      now: () => this.#now,
      onFault: (error) => this.faults.push(error),
      ...(this.#maxBacklog === undefined ? {} : { maxBacklog: this.#maxBacklog }),
    });
    return state;
  }
}

async function open(options: HarnessOptions, maxBacklog?: number): Promise<MemoryHarness> {
  const harness = new MemoryHarness(options, maxBacklog);
  await harness.state.start();
  return harness;
}

describeSessionState('the in-process state', open);

describe('the in-process state', () => {
  const minute = 60_000;
  const options: HarnessOptions = {
    timings: {
      graceMs: 10 * minute,
      idleWarningMs: 5 * minute,
      idleTimeoutMs: 30 * minute,
      ttlMs: 1440 * minute,
    },
    retryHorizonMs: 60 * minute,
    hotMessages: 500,
  };
  const opened: MemoryHarness[] = [];
  let serial = 0;

  afterEach(async () => {
    for (const harness of opened.splice(0)) {
      harness.recorder.failLoads = false;
      harness.releaseCommits();
      await harness.close();
    }
  });

  async function opening(maxBacklog?: number): Promise<MemoryHarness> {
    const harness = await open(options, maxBacklog);
    opened.push(harness);
    return harness;
  }

  async function createRoom(h: MemoryHarness): Promise<{ id: string; code: string; host: SeatHolder }> {
    serial += 1;
    const [id, seatId, code] = [`session ${serial}`, `seat ${serial}`, `CODE${serial}`];
    const expiresAt = h.now() + 15 * minute;
    const document = openSession(
      {
        id,
        now: h.now(),
        capacity: 2,
        approval: false,
        shareHistory: false,
        metadata: {},
        code: { value: code, expiresAt },
      },
      { id: seatId, name: null, userId: null, tokenHash: seatId, keyHash: null, instance: 'here' },
    );
    const created = await h.state.create(document, () => undefined);
    expect(created.kind).toBe('created');
    return { id, code, host: { seatId, generation: 1 } };
  }

  function message({ id: sessionId, host: sender }: { id: string; host: SeatHolder }): AppendRequest {
    serial += 1;
    const bodyJson = JSON.stringify(serial);
    return {
      ...{ sessionId, sender, id: `message-${serial}`, type: 'text', body: serial, bodyJson },
      ...{ fingerprint: fingerprintOf('text', bodyJson), limits: [] },
    };
  }

  it('commits what arrives in one turn as one batch, across sessions', async () => {
    const h = await opening();
    const rooms = [await createRoom(h), await createRoom(h), await createRoom(h)];
    const before = h.recorder.batches.length;
    const calls: Promise<unknown>[] = rooms.flatMap((room) =>
      Array.from({ length: 20 }, () => h.state.append(message(room))),
    );
    calls.push(...rooms.map(({ id, host }) => h.state.change(id, lockSession(host, true))));
    await Promise.all(calls);
    const batches = h.recorder.batches.slice(before);
    expect(batches).toHaveLength(1);
    expect(batches[0]?.messages).toHaveLength(60);
    expect(batches[0]?.sessions).toHaveLength(3);
  });

  it('gathers what arrives during a commit into the next', async () => {
    const h = await opening();
    const room = await createRoom(h);
    const before = h.recorder.batches.length;
    h.holdCommits();
    const calls = [h.state.append(message(room))];
    await h.commitHeld();
    for (let index = 0; index < 30; index += 1) {
      calls.push(h.state.append(message(room)));
      await new Promise((resolve) => void setImmediate(resolve));
    }
    h.releaseCommits();
    await Promise.all(calls);
    expect(h.recorder.batches.slice(before).map(({ messages }) => messages.length)).toEqual([1, 30]);
    expect(h.deliveries.map((one) => one.message.seq)).toEqual(Array.from({ length: 31 }, (_, index) => index + 1));
  });

  it('says durable of exactly what is visible', async () => {
    const h = await opening();
    const room = await createRoom(h);
    expect(await h.state.append(message(room))).toMatchObject({ seq: 1, durableSeq: 1 });
    expect(await h.state.read(room.id)).toMatchObject({ lastSeq: 1, durableSeq: 1 });
    expect(await h.state.readLog(room.id, { afterSeq: 0, limit: 1 })).toMatchObject({ lastSeq: 1, durableSeq: 1 });
    expect(await h.state.takeMovedHeads()).toMatchObject([{ lastSeq: 1, durableSeq: 1 }]);
  });

  it('commits nothing for a lost connection, a repetition, a refusal and a look', async () => {
    const h = await opening();
    const room = await createRoom(h);
    const request = message(room);
    await h.state.append(request);
    const before = h.recorder.batches.length;
    expect(await h.state.append(request)).toMatchObject({ kind: 'duplicate' });
    expect(await h.state.append({ ...request, fingerprint: 'other' })).toEqual({ kind: 'id_reused' });
    await h.state.recordReceipt(room.id, room.host, { read: 5 });
    await h.state.change(room.id, lockSession(room.host, false));
    await h.state.read(room.id);
    await h.state.change(room.id, dropConnection(room.host));
    expect(h.recorder.batches).toHaveLength(before);
  });

  it('does not wait for a commit with a change that a restart forgets', async () => {
    const h = await opening();
    const [room, other] = [await createRoom(h), await createRoom(h)];
    h.holdCommits();
    const waiting = h.state.append(message(other));
    await h.commitHeld();
    const dropped = await h.state.change(room.id, dropConnection(room.host));
    expect(dropped).toMatchObject({ outcome: { kind: 'away' } });
    h.releaseCommits();
    await waiting;
  });

  it('drops a session whose commit failed, and reads it again', async () => {
    const h = await opening();
    const [room, other] = [await createRoom(h), await createRoom(h)];
    h.failNextCommit('unknown_lost');
    await expect(h.state.append(message(room))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(h.faults).toHaveLength(1);
    expect(await h.state.append(message(room))).toMatchObject({ kind: 'appended', seq: 1 });
    expect(await h.state.append(message(other))).toMatchObject({ kind: 'appended', seq: 1 });
    expect(h.recorder.loads).toEqual([room.id]);
  });

  it('refuses to touch a session that it cannot read again, until it can', async () => {
    const h = await opening();
    const [room, other] = [await createRoom(h), await createRoom(h)];
    h.failNextCommit('unknown_stored');
    h.recorder.failLoads = true;
    const request = message(room);
    await expect(h.state.append(request)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(h.state.append(request)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const close = closeByHost(room.host);
    await expect(h.state.change(room.id, close)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await h.state.append(message(other))).toMatchObject({ kind: 'appended', seq: 1 });
    expect(h.deliveries.filter((one) => one.message.sessionId === room.id).map((one) => one.message.seq)).toEqual([]);
    h.recorder.failLoads = false;
    expect(await h.state.append(request)).toMatchObject({ kind: 'duplicate', seq: 1 });
    expect(await h.state.append(message(room))).toMatchObject({ kind: 'appended', seq: 2 });
  });

  it('lets the deadlines of a session go on that nobody asked for since its commit failed', async () => {
    const h = await opening();
    const room = await createRoom(h);
    h.failNextCommit('unknown_lost');
    await expect(h.state.append(message(room))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    h.advance(options.timings.idleWarningMs);
    expect(await h.state.takeDue(10)).toMatchObject([{ sessionId: room.id, deadline: { kind: 'warn' } }]);
  });

  it('keeps a refusal that concerns one session from the others in its batch', async () => {
    const h = await opening();
    const [room, other] = [await createRoom(h), await createRoom(h)];
    // The batch is refused, then the first session's part of it is refused when it is tried alone.
    h.failNextCommit('refused');
    h.failNextCommit('refused');
    const answers = await Promise.allSettled([h.state.append(message(room)), h.state.append(message(other))]);
    expect(answers[0]).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE' } });
    expect(answers[1]).toMatchObject({ status: 'fulfilled', value: { kind: 'appended', seq: 1 } });
    expect(await h.state.append(message(room))).toMatchObject({ kind: 'appended', seq: 1 });
  });

  it('answers INTERNAL when the store holds something else, and takes the store at its word', async () => {
    const h = await opening();
    const room = await createRoom(h);
    // Somebody else wrote seq 1: the database wins.
    const { sessionId, type, bodyJson } = message(room);
    const foreign = { sessionId, epoch: 1, seq: 1, id: 'foreign-message', participantId: null, type, bodyJson };
    await h.recorder.commit({ sessions: [], ended: [], messages: [{ ...foreign, sentAt: h.now() }], receipts: [] });
    await expect(h.state.append(message(room))).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(h.recorder.divergences.splice(0)).toHaveLength(1);
    expect(await h.state.append(message(room))).toMatchObject({ kind: 'appended', seq: 2 });
  });

  it('refuses what exceeds the backlog, takes it back, and loses nothing that it took', async () => {
    const h = await opening(50);
    const room = await createRoom(h);
    h.holdCommits();
    const first = h.state.append(message(room));
    await h.commitHeld();
    const requests = Array.from({ length: 80 }, () => message(room));
    const answers = Promise.allSettled(requests.map((request) => h.state.append(request)));
    expect(h.state.counts().backlog).toBeLessThanOrEqual(51);
    h.releaseCommits();
    expect(await first).toMatchObject({ kind: 'appended', seq: 1 });
    const settled = await answers;
    const refused = settled.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThanOrEqual(30);
    expect(refused.length).toBeLessThanOrEqual(31);
    for (const answer of refused) expect(answer).toMatchObject({ reason: { code: 'UNAVAILABLE' } });
    const repeated = await repeatInGroups(h, requests, 40);
    expect(repeated).toEqual(new Set(Array.from({ length: 80 }, (_, index) => index + 2)));
    expect(h.deliveries.map((one) => one.message.seq)).toEqual(Array.from({ length: 81 }, (_, index) => index + 1));
  });

  it('goes on when a listener or an onVisible throws', async () => {
    const h = await opening();
    const room = await createRoom(h);
    const guest = { id: 'late', name: null, userId: null, tokenHash: 'late', keyHash: null, instance: 'here' };
    const thrown = new Error('a fault of the caller');
    const join = joinSession(room.code, guest, options.retryHorizonMs);
    const joined = h.state.change(room.id, join, () => {
      throw thrown;
    });
    // Whether the caller is told is free; that it is answered, and that the session goes on, is not.
    const sent = h.state.append(message(room));
    await Promise.allSettled([joined]);
    expect(await sent).toMatchObject({ kind: 'appended', seq: 1 });
    expect((await h.state.read(room.id))?.document.seats).toHaveLength(2);
  });

  async function repeatInGroups(h: MemoryHarness, requests: AppendRequest[], size: number): Promise<Set<number>> {
    const seqs = new Set<number>();
    for (let from = 0; from < requests.length; from += size) {
      const group = requests.slice(from, from + size);
      for (const answer of await Promise.all(group.map((request) => h.state.append(request)))) {
        if ('seq' in answer) seqs.add(answer.seq);
      }
    }
    return seqs;
  }
});
