/**
 * What every implementation of `SessionState` must do: each sentence of the port's documentation, checked against
 * nothing but the port. An implementation plugs in by opening a `Harness`; the suite knows nothing else of it.
 */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { TandemError } from '../../protocol/errors.ts';
import type { LimitInfo } from '../../protocol/errors.ts';
import type { JsonValue, Message } from '../../protocol/session.ts';
import { closeWhenDue } from '../sessions/deadlines.ts';
import { fingerprintOf } from '../sessions/fingerprint.ts';
import type { Timings } from '../sessions/deadlines.ts';
import type { LimitRequest } from '../../protocol/limits.ts';
import type { AppendRequest, AppendResult, SessionSnapshot, SessionState } from '../sessions/ports.ts';
import {
  closeByHost,
  dropConnection,
  findSeat,
  joinSession,
  kickParticipant,
  leaveSession,
  lockSession,
  openSession,
  reopenSession,
  resumeSeat,
  timeOutSeat,
} from '../sessions/session.ts';
import type { JoinOutcome, Rule, SeatHolder, SessionDocument } from '../sessions/session.ts';

export interface HarnessOptions {
  readonly timings: Timings;
  readonly retryHorizonMs: number;
  readonly hotMessages: number;
}

/** What the message listener was called with. */
export interface Delivery {
  readonly message: Message;
  readonly sender: SeatHolder;
}

/** `refused`: the store says no and keeps nothing. `unknown_*`: the answer is lost, the write was stored or lost. */
export type CommitFailure = 'refused' | 'unknown_stored' | 'unknown_lost';

/** What a harness can do to the way into the lasting level of the session. */
export type CommitHook = 'hold' | CommitFailure;

export interface Harness {
  /** Another object after `restart`. */
  readonly state: SessionState;
  /** All deliveries so far, across restarts, in the order in which the listener was called. */
  readonly deliveries: readonly Delivery[];
  now(): number;
  /** Moves the clock of the state; it stands still otherwise. */
  advance(ms: number): void;
  /** From now on no write is stored until `releaseCommits`. */
  holdCommits(): void;
  /** Resolves when a write waits to be stored. */
  commitHeld(): Promise<void>;
  releaseCommits(): void;
  /** The next write that is not yet on its way fails in this way (a held one: when it is released). */
  failNextCommit(failure: CommitFailure): void;
  /** Ends the state as `kill -9` would, and starts a new one over what was stored. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

type Open = (options: HarnessOptions) => Promise<Harness>;

const MINUTE = 60_000;
const DEFAULTS: HarnessOptions = {
  timings: { graceMs: 10 * MINUTE, idleWarningMs: 5 * MINUTE, idleTimeoutMs: 30 * MINUTE, ttlMs: 1440 * MINUTE },
  retryHorizonMs: 60 * MINUTE,
  hotMessages: 500,
};
const CODE_TTL_MS = 15 * MINUTE;
/** A deadline that nobody acted upon is handed out again no later than this. */
const DUE_AGAIN_MS = 10_000;
const EVERY_HOOK: readonly CommitHook[] = ['hold', 'refused', 'unknown_stored', 'unknown_lost'];

/** `capabilities`: the hooks that this harness has. Tests that need another are listed by name as not applicable. */
export function describeSessionState(name: string, open: Open, capabilities: readonly CommitHook[] = EVERY_HOOK): void {
  const suite = suiteOver(open, capabilities);
  describe(`${name} as SessionState`, () => {
    describe('append', () => appending(suite));
    describe('a repeated id', () => repeating(suite));
    describe('limits', () => limiting(suite));
    describe('connections of a seat', () => holding(suite));
    describe('create and change', () => changing(suite));
    describe('codes', () => findingByCode(suite));
    describe('keys', () => findingByKey(suite));
    describe('onVisible and the message listener', () => watching(suite));
    describe('receipts', () => receipting(suite));
    describe('the log', () => reading(suite));
    describe('activity and deadlines', () => timing(suite));
    describe('heads, counts, probe and stop', () => operating(suite));
    describe('after a restart', () => restarting(suite));
    describe('before it is stored', () => storing(suite));
    describe('a write that fails', () => failing(suite));
  });
}

interface Suite {
  readonly test: (name: string, run: (harness: Harness) => Promise<void>, options?: Partial<HarnessOptions>) => void;
  readonly testWith: (hooks: readonly CommitHook[], name: string, run: (harness: Harness) => Promise<void>) => void;
}

function suiteOver(open: Open, capabilities: readonly CommitHook[]): Suite {
  const over =
    (run: (harness: Harness) => Promise<void>, options: Partial<HarnessOptions> = {}) =>
    async (): Promise<void> => {
      const harness = await open({ ...DEFAULTS, ...options });
      try {
        await run(harness);
      } finally {
        harness.releaseCommits();
        await harness.close();
      }
    };
  return {
    test: (name, run, options) => it(name, over(run, options)),
    testWith(hooks, name, run) {
      const missing = hooks.filter((hook) => !capabilities.includes(hook));
      if (missing.length === 0) it(name, over(run));
      else it.skip(`${name} (not applicable: the harness has no ${missing.join(', ')})`, over(run));
    },
  };
}

function appending({ test }: Suite): void {
  test('numbers the parallel messages of several senders without a hole, in one order for all', async (h) => {
    const room = await createRoom(h, { capacity: 5 });
    const senders = [room.host, await join(h, room), await join(h, room), await join(h, room), await join(h, room)];
    const calls: { sender: SeatHolder; id: string; answer: Promise<AppendResult> }[] = [];
    for (let index = 0; index < 80; index += 1) {
      for (const sender of senders) {
        const request = message(room, sender);
        calls.push({ sender, id: request.id, answer: h.state.append(request) });
      }
    }
    const seqs = new Map<string, number>();
    const highest = new Map<string, number>();
    for (const { sender, id, answer } of calls) {
      const { seq } = expectKind(await answer, 'appended');
      seqs.set(id, seq);
      expect(seq).toBeGreaterThan(highest.get(sender.seatId) ?? 0);
      highest.set(sender.seatId, seq);
    }
    expect([...seqs.values()].sort((a, b) => a - b)).toEqual(range(1, 400));
    expect(h.deliveries.map(({ message: { seq } }) => seq)).toEqual(range(1, 400));
    for (const { message: delivered, sender } of h.deliveries) {
      expect(seqs.get(delivered.id)).toBe(delivered.seq);
      expect(sender.seatId).toBe(delivered.from);
    }
    const page = await readLog(h, room.id, { afterSeq: 0, limit: 500 });
    expect(page.messages).toEqual(h.deliveries.map((delivery) => delivery.message));
  });

  test('numbers each session by itself', async (h) => {
    const rooms = [await createRoom(h), await createRoom(h), await createRoom(h)];
    const calls = range(1, 50).flatMap(() => rooms.map((room) => h.state.append(message(room, room.host))));
    for (const answer of await Promise.all(calls)) expectKind(answer, 'appended');
    for (const room of rooms) expect(deliveredSeqs(h, room.id)).toEqual(range(1, 50));
  });

  test('delivers and stores what was sent, before it answers', async (h) => {
    const room = await createRoom(h);
    const guest = await join(h, room);
    h.advance(1234);
    const body = { text: 'Grüße', list: [1, null, { deep: true }] };
    const request = message(room, guest, { type: 'chat.text', body });
    const accepted = expectKind(await h.state.append(request), 'appended');
    expect(accepted).toMatchObject({ seq: 1, sentAt: h.now(), epoch: 1 });
    expect(accepted.durableSeq).toBeLessThanOrEqual(1);
    const { id, type } = request;
    const sentAt = new Date(h.now()).toISOString();
    const expected = { id, seq: 1, sessionId: room.id, from: guest.seatId, type, body, sentAt };
    expect(h.deliveries).toEqual([{ message: expected, sender: guest }]);
    expect((await readLog(h, room.id, { afterSeq: 0, limit: 10 })).messages).toEqual([expected]);
    expect(await read(h, room.id)).toMatchObject({ lastSeq: 1, lastActivityAt: h.now() });
  });

  test('spends no seq on what it refuses', async (h) => {
    const room = await createRoom(h);
    expectKind(await h.state.append(message(room, { seatId: randomUUID(), generation: 1 })), 'not_seated');
    expectKind(await h.state.append({ ...message(room, room.host), sessionId: randomUUID() }), 'no_such_session');
    const limits = [limitOf('messages_user', 1)];
    expect(await sendOk(h, room, room.host, { limits })).toBe(1);
    expectKind(await h.state.append(message(room, room.host, { limits })), 'rate_limited');
    expect(await sendOk(h, room, room.host)).toBe(2);
    await close(h, room);
    expectKind(await h.state.append(message(room, room.host)), 'session_closed');
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
    expect((await read(h, room.id)).lastSeq).toBe(2);
  });
}

function repeating({ test }: Suite): void {
  test('sent 100 times in parallel is one message, one delivery, and 99 duplicates', async (h) => {
    const room = await createRoom(h);
    await sendOk(h, room, room.host);
    const request = message(room, room.host);
    const answers = await Promise.all(range(1, 100).map(() => h.state.append(request)));
    expect(answers.filter(({ kind }) => kind === 'appended')).toHaveLength(1);
    expect(answers.filter(({ kind }) => kind === 'duplicate')).toHaveLength(99);
    for (const answer of answers) expect(answer).toMatchObject({ seq: 2, sentAt: h.now(), epoch: 1 });
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
    expect((await read(h, room.id)).lastSeq).toBe(2);
  });

  test('sent later gives the first seq and time', async (h) => {
    const room = await createRoom(h);
    const request = message(room, room.host);
    const first = expectKind(await h.state.append(request), 'appended');
    await sendOk(h, room, room.host);
    h.advance(MINUTE);
    const again = expectKind(await h.state.append(request), 'duplicate');
    expect(again).toMatchObject({ seq: 1, sentAt: first.sentAt, epoch: 1 });
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
  });

  test('with other content is refused, at once and later', async (h) => {
    const room = await createRoom(h);
    const id = freshId();
    const [first, second] = await Promise.all([
      h.state.append(message(room, room.host, { id, body: 'one' })),
      h.state.append(message(room, room.host, { id, body: 'two' })),
    ]);
    expectKind(first, 'appended');
    expectKind(second, 'id_reused');
    expectKind(await h.state.append(message(room, room.host, { id, body: 'one', type: 'other' })), 'id_reused');
    expectKind(await h.state.append(message(room, room.host, { id, body: 'one' })), 'duplicate');
    expect(deliveredSeqs(h, room.id)).toEqual([1]);
  });

  test('of another sender, or in another session, is another message', async (h) => {
    const [room, other] = [await createRoom(h), await createRoom(h)];
    const guest = await join(h, room);
    const id = freshId();
    expect(await sendOk(h, room, room.host, { id })).toBe(1);
    expect(await sendOk(h, room, guest, { id })).toBe(2);
    expect(await sendOk(h, other, other.host, { id })).toBe(1);
  });

  test('is known within the retry horizon and new beyond it', async (h) => {
    const room = await createRoom(h);
    const request = message(room, room.host);
    expectKind(await h.state.append(request), 'appended');
    h.advance(DEFAULTS.retryHorizonMs - 1);
    expectKind(await h.state.append(request), 'duplicate');
    expectKind(await findSend(h, request), 'duplicate');
    h.advance(2);
    expectKind(await findSend(h, request), 'unknown');
    expect(expectKind(await h.state.append(otherwise(request)), 'appended').seq).toBe(2);
    expectKind(await h.state.append(request), 'id_reused');
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
  });

  test(
    'is known however many messages the log has dropped since',
    async (h) => {
      const room = await createRoom(h);
      const request = message(room, room.host);
      expectKind(await h.state.append(request), 'appended');
      for (let index = 0; index < 60; index += 1) await sendOk(h, room, room.host);
      expect((await readLog(h, room.id, { afterSeq: 0, limit: 200 })).firstSeq).toBeGreaterThan(1);
      expect(expectKind(await h.state.append(request), 'duplicate').seq).toBe(1);
    },
    { hotMessages: 10 },
  );

  test('is known after the close', async (h) => {
    const room = await createRoom(h);
    const request = message(room, room.host);
    expectKind(await h.state.append(request), 'appended');
    await close(h, room);
    expect(expectKind(await h.state.append(request), 'duplicate').seq).toBe(1);
    expectKind(await h.state.append(otherwise(request)), 'id_reused');
    expectKind(await h.state.append(message(room, room.host)), 'session_closed');
    expect(expectKind(await findSend(h, request), 'duplicate').seq).toBe(1);
    expect(deliveredSeqs(h, room.id)).toEqual([1]);
  });

  test('is known on the next connection of the same seat', async (h) => {
    const room = await createRoom(h);
    const request = message(room, room.host);
    expectKind(await h.state.append(request), 'appended');
    const sender = await resume(h, room, room.host);
    expect(expectKind(await h.state.append({ ...request, sender }), 'duplicate').seq).toBe(1);
  });

  test('is looked up by findSend without being sent', async (h) => {
    const room = await createRoom(h);
    const guest = await join(h, room);
    const request = message(room, room.host);
    expectKind(await findSend(h, request), 'unknown');
    expectKind(await h.state.append(request), 'appended');
    expect(expectKind(await findSend(h, request), 'duplicate')).toMatchObject({ seq: 1, sentAt: h.now(), epoch: 1 });
    expectKind(await findSend(h, otherwise(request)), 'id_reused');
    expectKind(await findSend(h, { ...request, sender: guest }), 'unknown');
    expectKind(await findSend(h, { ...request, sessionId: randomUUID() }), 'unknown');
    expect((await read(h, room.id)).lastSeq).toBe(1);
  });
}

function limiting({ test }: Suite): void {
  test('are counted all or none', async (h) => {
    const room = await createRoom(h);
    const [user, ip] = [limitOf('messages_user', 2), limitOf('messages_ip', 4)];
    expect(await sendOk(h, room, room.host, { limits: [ip, user] })).toBe(1);
    expect(await sendOk(h, room, room.host, { limits: [ip, user] })).toBe(2);
    for (let index = 0; index < 5; index += 1) {
      const refused = expectKind(
        await h.state.append(message(room, room.host, { limits: [ip, user] })),
        'rate_limited',
      );
      expect(refused.limit).toEqual(user.info);
      expect(refused.retryAfterMs).toBe(user.info.durationSeconds * 1000);
    }
    // The address has two points left, because the refused messages counted for none.
    expect(await sendOk(h, room, room.host, { limits: [ip] })).toBe(3);
    expect(await sendOk(h, room, room.host, { limits: [ip] })).toBe(4);
    const last = expectKind(await h.state.append(message(room, room.host, { limits: [ip] })), 'rate_limited');
    expect(last.limit).toEqual(ip.info);
  });

  test('let through exactly their points of a parallel burst', async (h) => {
    const room = await createRoom(h);
    const guest = await join(h, room);
    const limits = [limitOf('messages_ip', 10)];
    const answers = await Promise.all(
      range(1, 60).map((index) => h.state.append(message(room, index % 2 === 0 ? guest : room.host, { limits }))),
    );
    const accepted = answers.filter((answer) => answer.kind === 'appended');
    expect(accepted.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(range(1, 10));
    expect(answers.filter(({ kind }) => kind === 'rate_limited')).toHaveLength(50);
    expect(deliveredSeqs(h, room.id)).toEqual(range(1, 10));
  });

  test('hold for a bucket across sessions, and for that bucket alone', async (h) => {
    const [room, other] = [await createRoom(h), await createRoom(h)];
    const limit = limitOf('messages_ip', 1);
    await sendOk(h, room, room.host, { limits: [limit] });
    expectKind(await h.state.append(message(other, other.host, { limits: [limit] })), 'rate_limited');
    await sendOk(h, other, other.host, { limits: [{ ...limit, bucket: 'another' }] });
  });

  test('are not counted for a repetition, which is recognised when they are exhausted', async (h) => {
    const room = await createRoom(h);
    const limits = [limitOf('messages_user', 2)];
    const request = message(room, room.host, { limits });
    expectKind(await h.state.append(request), 'appended');
    for (let index = 0; index < 5; index += 1) expectKind(await h.state.append(request), 'duplicate');
    expectKind(await h.state.append(otherwise(request)), 'id_reused');
    await sendOk(h, room, room.host, { limits });
    expectKind(await h.state.append(message(room, room.host, { limits })), 'rate_limited');
    expect(expectKind(await h.state.append(request), 'duplicate').seq).toBe(1);
    expectKind(await h.state.append(otherwise(request)), 'id_reused');
  });

  test('are counted once for parallel repetitions', async (h) => {
    const room = await createRoom(h);
    const limits = [limitOf('messages_user', 2)];
    const request = message(room, room.host, { limits });
    await Promise.all(range(1, 20).map(() => h.state.append(request)));
    await sendOk(h, room, room.host, { limits });
    expectKind(await h.state.append(message(room, room.host, { limits })), 'rate_limited');
  });

  test('are not counted for who may not send', async (h) => {
    const [room, closed] = [await createRoom(h), await createRoom(h)];
    await close(h, closed);
    const limits = [limitOf('messages_ip', 1)];
    const stale = { ...room.host, generation: room.host.generation + 1 };
    expectKind(await h.state.append(message(room, stale, { limits })), 'not_seated');
    expectKind(await h.state.append(message(closed, closed.host, { limits })), 'session_closed');
    const nowhere = { ...message(room, room.host, { limits }), sessionId: randomUUID() };
    expectKind(await h.state.append(nowhere), 'no_such_session');
    expect(await sendOk(h, room, room.host, { limits })).toBe(1);
  });

  test('are free again when they said they would be', async (h) => {
    const room = await createRoom(h);
    const limits = [limitOf('messages_user', 1)];
    await sendOk(h, room, room.host, { limits });
    h.advance(10_000);
    const request = message(room, room.host, { limits });
    const { retryAfterMs } = expectKind(await h.state.append(request), 'rate_limited');
    expect(retryAfterMs).toBe(50_000);
    h.advance(retryAfterMs - 1);
    expectKind(await h.state.append(request), 'rate_limited');
    h.advance(1);
    expectKind(await h.state.append(request), 'appended');
  });
}

function holding({ test }: Suite): void {
  test('only the newest may speak', async (h) => {
    const room = await createRoom(h);
    await sendOk(h, room, room.host);
    const newer = await resume(h, room, room.host);
    expect(newer.generation).toBeGreaterThan(room.host.generation);
    const before = await read(h, room.id);
    expectKind(await h.state.append(message(room, room.host)), 'not_seated');
    expectKind(await h.state.recordReceipt(room.id, room.host, { read: 1 }), 'not_seated');
    expectKind(await h.state.touch(room.id, room.host, 'active'), 'not_seated');
    expectKind(await h.state.reportIdle(room.id, room.host), 'not_seated');
    expect(await read(h, room.id)).toEqual(before);
    expect(await sendOk(h, room, newer)).toBe(2);
  });

  test('the late end of an older one changes nothing', async (h) => {
    const room = await createRoom(h);
    const newer = await resume(h, room, room.host);
    const before = await read(h, room.id);
    expect(decided(await h.state.change(room.id, dropConnection(room.host)))).toEqual({ kind: 'stale' });
    expect(await read(h, room.id)).toEqual(before);
    expect(findSeat(before.document, newer.seatId)?.presence).toBe('online');
    expect(await sendOk(h, room, newer)).toBe(1);
  });

  test('two that resume at the same instant both succeed, and one of them holds the seat', async (h) => {
    const room = await createRoom(h);
    const holders = await Promise.all(range(1, 10).map(() => resume(h, room, room.host)));
    expect(new Set(holders.map(({ generation }) => generation)).size).toBe(10);
    const answers = await Promise.all(holders.map((holder) => h.state.append(message(room, holder))));
    expect(answers.filter(({ kind }) => kind === 'appended')).toHaveLength(1);
    expect(answers.filter(({ kind }) => kind === 'not_seated')).toHaveLength(9);
  });

  test('who left or was kicked may not speak', async (h) => {
    const room = await createRoom(h, { capacity: 3 });
    const [left, kicked] = [await join(h, room), await join(h, room)];
    expectKind(decided(await h.state.change(room.id, leaveSession(left))), 'left');
    expectKind(decided(await h.state.change(room.id, kickParticipant(room.host, kicked.seatId))), 'kicked');
    for (const holder of [left, kicked]) {
      expectKind(await h.state.append(message(room, holder)), 'not_seated');
      expectKind(await h.state.recordReceipt(room.id, holder, { read: 0 }), 'not_seated');
      expectKind(await h.state.touch(room.id, holder), 'not_seated');
    }
  });
}

function changing({ test }: Suite): void {
  test('give the session as it was created', async (h) => {
    const document = newDocument(h, { metadata: { colour: 'blue' } });
    const seen: SessionSnapshot[] = [];
    const { snapshot } = expectKind(await h.state.create(document, (visible) => void seen.push(visible)), 'created');
    expect(snapshot).toMatchObject({ document, lastSeq: 0, durableSeq: 0, lastActivityAt: h.now() });
    expect(seen).toEqual([snapshot]);
    expect(await h.state.read(document.id)).toEqual(snapshot);
    expect(await readLog(h, document.id, { afterSeq: 0, limit: 10 })).toEqual({
      ...{ epoch: 1, lastSeq: 0, durableSeq: 0, firstSeq: 1, messages: [] },
    });
  });

  test('know nothing of a session that does not exist', async (h) => {
    const id = randomUUID();
    let seen = 0;
    expect(await h.state.change(id, counting, () => (seen += 1))).toEqual({ kind: 'no_such_session' });
    expect(seen).toBe(0);
    expect(await h.state.read(id)).toBeNull();
    expect(await h.state.readLog(id, { afterSeq: 0, limit: 10 })).toBeNull();
    expectKind(await h.state.touch(id, { seatId: randomUUID(), generation: 1 }), 'not_seated');
  });

  test('run every rule on the outcome of the one before', async (h) => {
    const room = await createRoom(h);
    const seen: number[] = [];
    const results = await Promise.all(
      range(1, 100).map(() => h.state.change(room.id, counting, (outcome) => void seen.push(outcome))),
    );
    expect(results.map(decided).sort((a, b) => a - b)).toEqual(range(1, 100));
    expect(seen).toEqual(range(1, 100));
    expect((await read(h, room.id)).document.metadata).toEqual({ count: 100 });
  });

  test('show a rule the time, the head and the last activity', async (h) => {
    const room = await createRoom(h);
    await sendOk(h, room, room.host);
    h.advance(5);
    const contexts: unknown[] = [];
    const look: Rule<null> = (_session, context) => {
      contexts.push({ ...context });
      return { kind: 'keep', outcome: null };
    };
    await h.state.change(room.id, look);
    expect(contexts.at(-1)).toEqual({ now: h.now(), lastSeq: 1, lastActivityAt: h.now() - 5 });
  });

  test('tell onVisible of a decision that keeps the session as it is', async (h) => {
    const room = await createRoom(h);
    const before = await read(h, room.id);
    const seen: unknown[] = [];
    const rule = lockSession(room.host, false);
    const result = await h.state.change(room.id, rule, (outcome, snapshot) => void seen.push({ outcome, snapshot }));
    expect(result).toEqual({ kind: 'decided', outcome: { kind: 'locked', changed: false }, snapshot: before });
    expect(seen).toEqual([{ outcome: { kind: 'locked', changed: false }, snapshot: before }]);
  });

  test('give the last seat to exactly one of many', async (h) => {
    const room = await createRoom(h, { capacity: 3 });
    await join(h, room);
    const outcomes = await Promise.all(range(1, 30).map(() => tryJoin(h, room)));
    expect(outcomes.filter(({ kind }) => kind === 'joined')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'session_full')).toHaveLength(29);
    expect((await read(h, room.id)).document.seats).toHaveLength(3);
  });

  test('leave a snapshot that was given out as it was', async (h) => {
    const room = await createRoom(h);
    await sendOk(h, room, room.host);
    const snapshot = await read(h, room.id);
    const { lastSeq, durableSeq, lastActivityAt } = snapshot;
    const copy = { receipts: [...snapshot.receipts], activity: [...snapshot.activity] };
    h.advance(1000);
    await sendOk(h, room, room.host);
    await h.state.recordReceipt(room.id, room.host, { read: 2 });
    await h.state.reportIdle(room.id, room.host);
    await join(h, room);
    expect(snapshot).toMatchObject({ lastSeq, durableSeq, lastActivityAt });
    expect({ receipts: [...snapshot.receipts], activity: [...snapshot.activity] }).toEqual(copy);
    expect(snapshot.document.seats).toHaveLength(1);
  });
}

function findingByCode({ test }: Suite): void {
  test('lead to the session while it is waiting, full, locked or closed', async (h) => {
    const room = await createRoom(h);
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    await join(h, room);
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    expectKind(decided(await h.state.change(room.id, lockSession(room.host, true))), 'locked');
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    await close(h, room);
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    expect((await read(h, room.id)).document.closed).toEqual({ reason: 'closed', at: h.now() });
  });

  test('lead nowhere when they were never issued, killed or are expired', async (h) => {
    expect(await h.state.findByCode(freshCode())).toBeNull();
    const [kicked, expired] = [await createRoom(h), await createRoom(h)];
    const guest = await join(h, kicked);
    expectKind(decided(await h.state.change(kicked.id, kickParticipant(kicked.host, guest.seatId))), 'kicked');
    expect(await h.state.findByCode(kicked.code)).toBeNull();
    h.advance(CODE_TTL_MS - 1);
    expect(await h.state.findByCode(expired.code)).toBe(expired.id);
    h.advance(1);
    expect(await h.state.findByCode(expired.code)).toBeNull();
  });

  test('are replaced by a reopening', async (h) => {
    const room = await createRoom(h);
    const value = freshCode();
    const rule = reopenSession(room.host, { value, expiresAt: h.now() + CODE_TTL_MS });
    expectKind(decided(await h.state.change(room.id, rule)), 'reopened');
    expect(await h.state.findByCode(room.code)).toBeNull();
    expect(await h.state.findByCode(value)).toBe(room.id);
  });

  test('are claimed once by parallel creations, and the others leave nothing behind', async (h) => {
    const code = freshCode();
    let seen = 0;
    const documents = range(1, 20).map(() => newDocument(h, { code }));
    const results = await Promise.all(documents.map((document) => h.state.create(document, () => (seen += 1))));
    expect(results.filter(({ kind }) => kind === 'created')).toHaveLength(1);
    expect(results.filter(({ kind }) => kind === 'code_taken')).toHaveLength(19);
    expect(seen).toBe(1);
    const found = await h.state.findByCode(code);
    for (const [index, { id }] of documents.entries()) {
      const created = results[index]?.kind === 'created';
      expect(await h.state.read(id)).toEqual(created ? expect.anything() : null);
      if (created) expect(found).toBe(id);
    }
    expect(h.state.counts().sessions).toEqual({ waiting: 1, paired: 0 });
  });

  test('are refused to a change when they lead elsewhere, and the session stays as it was', async (h) => {
    const [room, other] = [await createRoom(h), await createRoom(h)];
    const before = await read(h, room.id);
    let seen = 0;
    const rule = reopenSession(room.host, { value: other.code, expiresAt: h.now() + CODE_TTL_MS });
    expect(await h.state.change(room.id, rule, () => (seen += 1))).toEqual({ kind: 'code_taken' });
    expect(seen).toBe(0);
    expect(await read(h, room.id)).toEqual(before);
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    expect(await h.state.findByCode(other.code)).toBe(other.id);
  });

  test('are claimed once by parallel changes', async (h) => {
    const rooms = [await createRoom(h), await createRoom(h), await createRoom(h)];
    const code = { value: freshCode(), expiresAt: h.now() + CODE_TTL_MS };
    const results = await Promise.all(rooms.map(({ id, host }) => h.state.change(id, reopenSession(host, code))));
    expect(results.filter(({ kind }) => kind === 'decided')).toHaveLength(1);
    expect(results.filter(({ kind }) => kind === 'code_taken')).toHaveLength(2);
  });

  test('are taken while they would still be found, and free again when they are dead', async (h) => {
    const [closed, expiring] = [await createRoom(h), await createRoom(h)];
    await close(h, closed);
    expectKind(await h.state.create(newDocument(h, { code: closed.code }), ignore), 'code_taken');
    h.advance(CODE_TTL_MS);
    const next = newDocument(h, { code: expiring.code });
    expectKind(await h.state.create(next, ignore), 'created');
    expect(await h.state.findByCode(expiring.code)).toBe(next.id);
  });

  test('take nothing from the session that has it now when the one that had it before goes on', async (h) => {
    const before = await createRoom(h);
    h.advance(CODE_TTL_MS);
    const now = newDocument(h, { code: before.code });
    expectKind(await h.state.create(now, ignore), 'created');
    expectKind(decided(await h.state.change(before.id, lockSession(before.host, true))), 'locked');
    expect(await h.state.findByCode(before.code)).toBe(now.id);
    await close(h, before);
    expect(await h.state.findByCode(before.code)).toBe(now.id);
  });

  test('are counted while they are alive', async (h) => {
    expect(await h.state.countLiveCodes()).toBe(0);
    const [room] = [await createRoom(h), await createRoom(h)];
    expect(await h.state.countLiveCodes()).toBe(2);
    await join(h, room);
    expect(await h.state.countLiveCodes()).toBe(2);
    h.advance(CODE_TTL_MS);
    expect(await h.state.countLiveCodes()).toBe(0);
  });

  test('are not counted once they were killed', async (h) => {
    const [kicked, reopened] = [await createRoom(h), await createRoom(h)];
    const guest = await join(h, kicked);
    await h.state.change(kicked.id, kickParticipant(kicked.host, guest.seatId));
    expect(await h.state.countLiveCodes()).toBe(1);
    const code = { value: freshCode(), expiresAt: h.now() + CODE_TTL_MS };
    expectKind(decided(await h.state.change(reopened.id, reopenSession(reopened.host, code))), 'reopened');
    expect(await h.state.countLiveCodes()).toBe(1);
  });

  test('are not counted once they are expired, whatever their session goes on to do', async (h) => {
    const expired = await createRoom(h);
    h.advance(CODE_TTL_MS);
    await createRoom(h);
    expectKind(decided(await h.state.change(expired.id, lockSession(expired.host, true))), 'locked');
    expect(await h.state.countLiveCodes()).toBe(1);
  });
}

function findingByKey({ test }: Suite): void {
  test('of parallel creations make one session', async (h) => {
    const keyHash = freshId();
    let seen = 0;
    const documents = range(1, 20).map(() => newDocument(h, { keyHash }));
    const results = await Promise.all(documents.map((document) => h.state.create(document, () => (seen += 1))));
    expect(results.filter(({ kind }) => kind === 'created')).toHaveLength(1);
    expect(seen).toBe(1);
    const winner = await h.state.findByKey(keyHash);
    for (const [index, result] of results.entries()) {
      if (result.kind === 'created') expect(winner).toBe(documents[index]?.id);
      else expect(result).toEqual({ kind: 'key_taken', sessionId: winner });
    }
    expect(h.state.counts().sessions).toEqual({ waiting: 1, paired: 0 });
    expect(await h.state.countLiveCodes()).toBe(1);
  });

  test('of parallel joins take one seat', async (h) => {
    const room = await createRoom(h, { capacity: 5 });
    const keyHash = freshId();
    const outcomes = await Promise.all(range(1, 20).map(() => tryJoin(h, room, keyHash)));
    expect(outcomes.filter(({ kind }) => kind === 'joined')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'retaken')).toHaveLength(19);
    const { seats } = (await read(h, room.id)).document;
    expect(seats).toHaveLength(2);
    expect(seats[1]?.generation).toBe(20);
    expect(await h.state.findByKey(keyHash)).toBe(room.id);
  });

  test('lead to the session of the seat, of host and guest, and nowhere else', async (h) => {
    const keyHash = freshId();
    const room = await createRoom(h, { keyHash });
    const guestKey = freshId();
    await join(h, room, guestKey);
    expect(await h.state.findByKey(keyHash)).toBe(room.id);
    expect(await h.state.findByKey(guestKey)).toBe(room.id);
    expect(await h.state.findByKey(freshId())).toBeNull();
    const repeated = await h.state.create(newDocument(h, { keyHash: guestKey }), ignore);
    expect(repeated).toEqual({ kind: 'key_taken', sessionId: room.id });
  });

  test('are new again beyond the retry horizon', async (h) => {
    const keyHash = freshId();
    const room = await createRoom(h, { keyHash });
    h.advance(DEFAULTS.retryHorizonMs - 1);
    expect(await h.state.findByKey(keyHash)).toBe(room.id);
    h.advance(2);
    const next = newDocument(h, { keyHash });
    expectKind(await h.state.create(next, ignore), 'created');
    expect(await h.state.findByKey(keyHash)).toBe(next.id);
  });
}

function watching({ test, testWith }: Suite): void {
  test('lose nothing and double nothing for a seat that is attached in onVisible of its join', async (h) => {
    const room = await createRoom(h, { capacity: 50 });
    const attached: { joinedSeq: number; head: number; after: number }[] = [];
    const calls: Promise<unknown>[] = [];
    for (let round = 0; round < 12; round += 1) {
      for (let index = 0; index < 20; index += 1) calls.push(h.state.append(message(room, room.host)));
      const rule = joinRule(room);
      calls.push(
        h.state.change(room.id, rule, (outcome, { lastSeq }) => {
          const { seat } = expectKind(outcome, 'joined');
          attached.push({ joinedSeq: seat.joinedSeq, head: lastSeq, after: h.deliveries.length });
        }),
      );
      // Some of it arrives in one go, some while the rest is on its way.
      if (round % 3 === 0) await turn();
    }
    await Promise.all(calls);
    expect(attached).toHaveLength(12);
    for (const { joinedSeq, head, after } of attached) {
      const seqs = deliveredSeqs(h, room.id);
      expect(seqs.slice(0, after)).toEqual(range(1, joinedSeq));
      expect(seqs.slice(after)).toEqual(range(joinedSeq + 1, 240));
      expect(head).toBe(joinedSeq);
    }
  });

  test('are called in the order of the decisions, before the callers are answered', async (h) => {
    const room = await createRoom(h);
    const order: string[] = [];
    const calls = range(1, 30).flatMap((index) => [
      h.state
        .change(room.id, counting, (count) => void order.push(`change ${count} after ${h.deliveries.length}`))
        .then((result) => {
          expect(order).toContain(`change ${decided(result)} after ${index - 1}`);
        }),
      h.state.append(message(room, room.host)).then((answer) => {
        const { seq } = expectKind(answer, 'appended');
        expect(deliveredSeqs(h, room.id)).toContain(seq);
      }),
    ]);
    await Promise.all(calls);
    expect(order).toEqual(range(1, 30).map((index) => `change ${index} after ${index - 1}`));
  });

  test('leave the state usable when one of them calls it again', async (h) => {
    const room = await createRoom(h);
    const inner: Promise<AppendResult>[] = [];
    await h.state.change(room.id, counting, () => void inner.push(h.state.append(message(room, room.host))));
    expect(inner).toHaveLength(1);
    for (const answer of await Promise.all(inner)) expect(expectKind(answer, 'appended').seq).toBe(1);
  });

  testWith(['hold'], 'keep their order for changes that need no commit behind one that does', async (h) => {
    const room = await createRoom(h);
    const order: string[] = [];
    h.holdCommits();
    const joined = h.state.change(room.id, joinRule(room), ({ kind }) => void order.push(kind));
    const sent = h.state.append(message(room, room.host)).then(() => order.push('appended'));
    const dropped = h.state.change(room.id, dropConnection(room.host), ({ kind }) => void order.push(kind));
    await h.commitHeld();
    await turn();
    expect(order).toEqual([]);
    h.releaseCommits();
    await Promise.all([joined, sent, dropped]);
    expect(order.filter((entry) => entry !== 'appended')).toEqual(['joined', 'away']);
    expect(deliveredSeqs(h, room.id)).toEqual([1]);
  });
}

function receipting({ test }: Suite): void {
  test('grow, never go back, and reading raises what is delivered', async (h) => {
    const { room, guest } = await roomWithMessages(h, 5);
    const record = async (receipt: { delivered?: number; read?: number }) =>
      expectKind(await h.state.recordReceipt(room.id, guest, receipt), 'recorded');
    expect(await record({ delivered: 2 })).toEqual({
      kind: 'recorded',
      receipt: { delivered: 2, read: 0 },
      changed: true,
    });
    expect(await record({ delivered: 1 })).toMatchObject({ receipt: { delivered: 2, read: 0 }, changed: false });
    expect(await record({ delivered: 2 })).toMatchObject({ changed: false });
    expect(await record({ read: 4 })).toMatchObject({ receipt: { delivered: 4, read: 4 }, changed: true });
    expect(await record({ read: 3 })).toMatchObject({ receipt: { delivered: 4, read: 4 }, changed: false });
    expect(await record({ delivered: 5, read: 1 })).toMatchObject({
      receipt: { delivered: 5, read: 4 },
      changed: true,
    });
    expect((await read(h, room.id)).receipts.get(guest.seatId)).toEqual({ delivered: 5, read: 4 });
    expect((await read(h, room.id)).receipts.get(room.host.seatId) ?? { delivered: 0, read: 0 }).toEqual({
      delivered: 0,
      read: 0,
    });
  });

  test('in parallel end at the highest', async (h) => {
    const { room, guest } = await roomWithMessages(h, 20);
    const order = range(1, 20).map((index) => ((index * 7) % 20) + 1);
    await Promise.all(order.map((seq) => h.state.recordReceipt(room.id, guest, { delivered: seq })));
    expect((await read(h, room.id)).receipts.get(guest.seatId)).toEqual({ delivered: 20, read: 0 });
  });

  test('above the head are refused whole', async (h) => {
    const { room, guest } = await roomWithMessages(h, 2);
    const refusal = { kind: 'above_head', lastSeq: 2 };
    expect(await h.state.recordReceipt(room.id, guest, { delivered: 3 })).toEqual(refusal);
    expect(await h.state.recordReceipt(room.id, guest, { read: 3 })).toEqual(refusal);
    expect(await h.state.recordReceipt(room.id, guest, { delivered: 1, read: 3 })).toEqual(refusal);
    const nothing = expectKind(await h.state.recordReceipt(room.id, guest, {}), 'recorded');
    expect(nothing).toMatchObject({ receipt: { delivered: 0, read: 0 }, changed: false });
  });

  test('are refused in a closed session, and are no activity', async (h) => {
    const { room, guest } = await roomWithMessages(h, 2);
    const { lastActivityAt } = await read(h, room.id);
    h.advance(1000);
    expectKind(await h.state.recordReceipt(room.id, guest, { read: 1 }), 'recorded');
    expect((await read(h, room.id)).lastActivityAt).toBe(lastActivityAt);
    await close(h, room);
    expectKind(await h.state.recordReceipt(room.id, guest, { read: 2 }), 'session_closed');
  });
}

function reading({ test }: Suite): void {
  test('is read after a seq, lowest first, exclusive', async (h) => {
    const { room } = await roomWithMessages(h, 10);
    const seqs = async (afterSeq: number, limit: number) => seqsOf(await readLog(h, room.id, { afterSeq, limit }));
    expect(await seqs(0, 4)).toEqual([1, 2, 3, 4]);
    expect(await seqs(4, 4)).toEqual([5, 6, 7, 8]);
    expect(await seqs(8, 200)).toEqual([9, 10]);
    expect(await seqs(10, 4)).toEqual([]);
    expect(await seqs(99, 4)).toEqual([]);
    const page = await readLog(h, room.id, { afterSeq: 4, limit: 1 });
    expect(page).toMatchObject({ epoch: 1, lastSeq: 10, firstSeq: 1 });
  });

  test('is read before a seq: the highest below it, ascending, exclusive', async (h) => {
    const { room } = await roomWithMessages(h, 10);
    const seqs = async (beforeSeq: number, limit: number) => seqsOf(await readLog(h, room.id, { beforeSeq, limit }));
    expect(await seqs(11, 4)).toEqual([7, 8, 9, 10]);
    expect(await seqs(1_000_000, 3)).toEqual([8, 9, 10]);
    expect(await seqs(7, 4)).toEqual([3, 4, 5, 6]);
    expect(await seqs(3, 200)).toEqual([1, 2]);
    expect(await seqs(1, 4)).toEqual([]);
  });

  test(
    'keeps the newest, and says from which seq on',
    async (h) => {
      const { room } = await roomWithMessages(h, 100);
      const page = await readLog(h, room.id, { afterSeq: 0, limit: 200 });
      expect(page.lastSeq).toBe(100);
      expect(page.firstSeq).toBeLessThanOrEqual(100 - 20 + 1);
      expect(page.firstSeq).toBeGreaterThan(100 - 2 * 20);
      expect(seqsOf(page)).toEqual(range(page.firstSeq, 100));
      const before = await readLog(h, room.id, { beforeSeq: page.firstSeq + 2, limit: 10 });
      expect(seqsOf(before)).toEqual([page.firstSeq, page.firstSeq + 1]);
      expect(seqsOf(await readLog(h, room.id, { beforeSeq: page.firstSeq, limit: 10 }))).toEqual([]);
    },
    { hotMessages: 20 },
  );

  test('can still be read after the close', async (h) => {
    const { room } = await roomWithMessages(h, 3);
    await close(h, room);
    const page = await readLog(h, room.id, { afterSeq: 0, limit: 10 });
    expect(page.lastSeq).toBe(3);
    expect(seqsOf(page)).toEqual(range(page.firstSeq, 3));
  });
}

function timing({ test }: Suite): void {
  const { graceMs, idleWarningMs, idleTimeoutMs, ttlMs } = DEFAULTS.timings;

  test('warn once in an idle stretch, also when two look at once', async (h) => {
    const { room } = await pair(h);
    const closesAt = h.now() + idleTimeoutMs;
    const at = h.now() + idleWarningMs;
    h.advance(idleWarningMs - 1);
    expect(await h.state.takeDue(10)).toEqual([]);
    h.advance(1);
    const both = await Promise.all([h.state.takeDue(10), h.state.takeDue(10)]);
    expect(both.flat()).toEqual([{ sessionId: room.id, deadline: { kind: 'warn', at, closesAt } }]);
    h.advance(idleTimeoutMs - idleWarningMs - 1);
    expect(await h.state.takeDue(10)).toEqual([]);
  });

  test('begin a new stretch with a message or a command', async (h) => {
    const { room, guest } = await pair(h);
    for (const act of [
      () => sendOk(h, room, guest),
      () => h.state.touch(room.id, room.host),
      () => h.state.touch(room.id, room.host, 'active'),
    ]) {
      h.advance(idleWarningMs - 1);
      await act();
      expect((await read(h, room.id)).lastActivityAt).toBe(h.now());
      h.advance(idleWarningMs - 1);
      expect(await h.state.takeDue(10)).toEqual([]);
      h.advance(1);
      expect(kindsOf(await h.state.takeDue(10))).toEqual(['warn']);
      expect(await h.state.takeDue(10)).toEqual([]);
    }
  });

  test('take no notice of what is not activity', async (h) => {
    const { room, guest } = await pair(h);
    const limits = [limitOf('messages_user', 1, 2 * idleWarningMs)];
    await sendOk(h, room, guest, { limits });
    const { lastActivityAt } = await read(h, room.id);
    h.advance(idleWarningMs - 1);
    expectKind(await h.state.append(message(room, guest, { limits })), 'rate_limited');
    expectKind(await h.state.reportIdle(room.id, guest), 'touched');
    expectKind(await h.state.recordReceipt(room.id, guest, { read: 1 }), 'recorded');
    await readLog(h, room.id, { afterSeq: 0, limit: 10 });
    expectKind(decided(await h.state.change(room.id, dropConnection(guest))), 'away');
    expect((await read(h, room.id)).lastActivityAt).toBe(lastActivityAt);
    h.advance(1);
    expect(kindsOf(await h.state.takeDue(10))).toEqual(['warn']);
  });

  test('show who is active and who is idle', async (h) => {
    const { room, guest } = await pair(h);
    expectKind(await h.state.reportIdle(room.id, guest), 'touched');
    expect((await read(h, room.id)).activity.get(guest.seatId)).toBe('idle');
    expect((await read(h, room.id)).activity.get(room.host.seatId) ?? 'active').toBe('active');
    expectKind(await h.state.touch(room.id, guest, 'active'), 'touched');
    expect((await read(h, room.id)).activity.get(guest.seatId)).toBe('active');
    await close(h, room);
    expectKind(await h.state.touch(room.id, guest), 'session_closed');
    expectKind(await h.state.reportIdle(room.id, guest), 'session_closed');
  });

  test('close an idle session exactly once, and come again until somebody does', async (h) => {
    const { room } = await pair(h);
    const at = h.now() + idleTimeoutMs;
    h.advance(idleTimeoutMs);
    expect(kindsOf(await h.state.takeDue(10))[0]).toBe('warn');
    const due = { sessionId: room.id, deadline: { kind: 'close', at, reason: 'idle' } };
    h.advance(DUE_AGAIN_MS);
    expect(await h.state.takeDue(10)).toEqual([due]);
    h.advance(DUE_AGAIN_MS);
    expect(await h.state.takeDue(10)).toEqual([due]);
    const outcomes = await Promise.all(
      range(1, 5).map(async () => decided(await h.state.change(room.id, closeWhenDue(DEFAULTS.timings)))),
    );
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['closed', ...Array<string>(4).fill('not_due')]);
    h.advance(DUE_AGAIN_MS);
    expect(await h.state.takeDue(10)).toEqual([]);
    expect((await read(h, room.id)).document.closed).toEqual({ reason: 'idle', at: h.now() - DUE_AGAIN_MS });
  });

  test('do not close a session in which somebody spoke after the warning', async (h) => {
    const { room } = await pair(h);
    h.advance(idleTimeoutMs - 1);
    expect(kindsOf(await h.state.takeDue(10))).toEqual(['warn']);
    await sendOk(h, room, room.host);
    h.advance(1);
    expect(await h.state.takeDue(10)).toEqual([]);
  });

  test('expire a session that nobody joined with its code', async (h) => {
    const room = await createRoom(h);
    const at = h.now() + CODE_TTL_MS;
    h.advance(CODE_TTL_MS - 1);
    expect(kindsOf(await h.state.takeDue(10))).toEqual(['warn']);
    expect(await h.state.takeDue(10)).toEqual([]);
    h.advance(1);
    const deadline = { kind: 'close', at, reason: 'expired' };
    expect(await h.state.takeDue(10)).toEqual([{ sessionId: room.id, deadline }]);
  });

  test(
    'expire any session without activity for its whole life',
    async (h) => {
      const { room } = await pair(h);
      const at = h.now() + ttlMs;
      h.advance(ttlMs);
      const deadline = { kind: 'close', at, reason: 'expired' };
      expect(await h.state.takeDue(10)).toEqual([{ sessionId: room.id, deadline }]);
    },
    { timings: { graceMs, idleWarningMs: 3 * ttlMs, idleTimeoutMs: 3 * ttlMs, ttlMs } },
  );

  test('time out a seat whose connection was lost, unless it is back', async (h) => {
    const { room, guest } = await pair(h);
    h.advance(1000);
    expectKind(decided(await h.state.change(room.id, dropConnection(guest))), 'away');
    const back = await resume(h, room, guest);
    h.advance(1000);
    expectKind(decided(await h.state.change(room.id, dropConnection(back))), 'away');
    const at = h.now() + graceMs;
    h.advance(graceMs - 1);
    await h.state.touch(room.id, room.host);
    expect(await h.state.takeDue(10)).toEqual([]);
    h.advance(1);
    const due = [{ sessionId: room.id, deadline: { kind: 'timeout', at, seatId: guest.seatId } }];
    expect(await h.state.takeDue(10)).toEqual(due);
    h.advance(DUE_AGAIN_MS);
    expect(await h.state.takeDue(10)).toEqual(due);
    const before = await read(h, room.id);
    expectKind(decided(await h.state.change(room.id, timeOutSeat(guest.seatId, graceMs))), 'left');
    expect(await h.state.takeDue(10)).toEqual([]);
    const after = await read(h, room.id);
    expect(after.document.seats.map(({ id }) => id)).toEqual([room.host.seatId]);
    expect(after.lastActivityAt).toBe(before.lastActivityAt);
  });

  test('are handed out for as many sessions as asked for, and all in the end', async (h) => {
    const rooms = await Promise.all(range(1, 7).map(() => createRoom(h)));
    h.advance(idleWarningMs);
    const warned = new Set<string>();
    for (let round = 0; round < 4; round += 1) {
      const due = await h.state.takeDue(2);
      expect(due).toHaveLength(round < 3 ? 2 : 1);
      for (const { sessionId } of due) warned.add(sessionId);
    }
    expect(await h.state.takeDue(2)).toEqual([]);
    expect(warned).toEqual(new Set(rooms.map(({ id }) => id)));
  });

  test('are none for a closed session', async (h) => {
    const { room, guest } = await pair(h);
    await h.state.change(room.id, dropConnection(guest));
    await close(h, room);
    h.advance(2 * ttlMs);
    expect(await h.state.takeDue(10)).toEqual([]);
  });
}

function operating({ test, testWith }: Suite): void {
  test('tell once of each head that moved', async (h) => {
    const [moved, still] = [await createRoom(h), await createRoom(h)];
    expect(await h.state.takeMovedHeads()).toEqual([]);
    await sendOk(h, moved, moved.host);
    await sendOk(h, moved, moved.host);
    const heads = await h.state.takeMovedHeads();
    expect(heads).toHaveLength(1);
    expect(heads).toMatchObject([{ sessionId: moved.id, epoch: 1, lastSeq: 2 }]);
    expect(await h.state.takeMovedHeads()).toEqual([]);
    await sendOk(h, still, still.host);
    await sendOk(h, moved, moved.host);
    const next = await h.state.takeMovedHeads();
    expect(new Map(next.map(({ sessionId, lastSeq }) => [sessionId, lastSeq]))).toEqual(
      new Map([
        [moved.id, 3],
        [still.id, 1],
      ]),
    );
  });

  test('count sessions by status and participants by presence', async (h) => {
    expect(h.state.counts()).toEqual({
      sessions: { waiting: 0, paired: 0 },
      participants: { online: 0, away: 0 },
      backlog: 0,
    });
    const { room, guest } = await pair(h);
    await createRoom(h);
    const closed = await createRoom(h);
    await close(h, closed);
    expect(h.state.counts()).toMatchObject({
      sessions: { waiting: 1, paired: 1 },
      participants: { online: 3, away: 0 },
    });
    await h.state.change(room.id, dropConnection(guest));
    expect(h.state.counts().participants).toEqual({ online: 2, away: 1 });
    const back = await resume(h, room, guest);
    expect(h.state.counts().participants).toEqual({ online: 3, away: 0 });
    await h.state.change(room.id, leaveSession(back));
    expect(h.state.counts()).toMatchObject({
      sessions: { waiting: 2, paired: 0 },
      participants: { online: 2, away: 0 },
    });
  });

  test('let a probe pass without a trace', async (h) => {
    const room = await createRoom(h);
    await sendOk(h, room, room.host);
    await h.state.takeMovedHeads();
    const [before, counts] = [await read(h, room.id), h.state.counts()];
    await Promise.all([h.state.probe(), h.state.probe()]);
    expect(await read(h, room.id)).toEqual(before);
    expect(h.state.counts()).toEqual(counts);
    expect(await h.state.takeMovedHeads()).toEqual([]);
    expect(h.deliveries).toHaveLength(1);
  });

  test('refuse everything after the stop, which may be called twice', async (h) => {
    const room = await createRoom(h);
    await Promise.all([h.state.stop(), h.state.stop()]);
    await h.state.stop();
    for (const call of [
      () => h.state.append(message(room, room.host)),
      () => h.state.create(newDocument(h), ignore),
      () => h.state.change(room.id, counting),
      () => h.state.recordReceipt(room.id, room.host, { read: 0 }),
      () => h.state.touch(room.id, room.host),
    ]) {
      expect(await failure(call())).toMatchObject({ code: 'UNAVAILABLE' });
    }
    await expect(h.state.probe()).rejects.toThrow();
    expect(h.deliveries).toEqual([]);
  });

  testWith(['hold'], 'store what was decided before they stop', async (h) => {
    const room = await createRoom(h);
    h.holdCommits();
    const request = message(room, room.host);
    const answer = h.state.append(request);
    await h.commitHeld();
    const stopped = h.state.stop();
    h.releaseCommits();
    expect(expectKind(await answer, 'appended').seq).toBe(1);
    await stopped;
    await h.restart();
    expect((await read(h, room.id)).lastSeq).toBe(1);
    expectKind(await findSend(h, request), 'duplicate');
  });

  testWith(['hold'], 'count what waits to be stored', async (h) => {
    const room = await createRoom(h);
    h.holdCommits();
    const answers = range(1, 3).map(() => h.state.append(message(room, room.host)));
    await h.commitHeld();
    expect(h.state.counts().backlog).toBeGreaterThan(0);
    h.releaseCommits();
    await Promise.all(answers);
    expect(h.state.counts().backlog).toBe(0);
  });
}

function restarting({ test, testWith }: Suite): void {
  const { graceMs } = DEFAULTS.timings;

  test('open sessions are as they were, and their seats are away', async (h) => {
    const { room, guest } = await roomWithMessages(h, 4);
    await h.state.recordReceipt(room.id, guest, { delivered: 3, read: 2 });
    await h.state.change(room.id, lockSession(room.host, true));
    const before = await read(h, room.id);
    h.advance(7000);
    await h.restart();
    const after = await read(h, room.id);
    expect(after.lastSeq).toBe(4);
    // Whether the idle clock starts anew is free; that it runs is not.
    expect(after.lastActivityAt).toBeGreaterThanOrEqual(before.lastActivityAt);
    expect(after.lastActivityAt).toBeLessThanOrEqual(h.now());
    expect(after.receipts.get(guest.seatId)).toEqual({ delivered: 3, read: 2 });
    expect(lastingPart(after.document)).toEqual(lastingPart(before.document));
    for (const seat of after.document.seats) {
      expect(seat).toMatchObject({ presence: 'away', awaySince: h.now(), instance: null });
    }
    expect(h.state.counts()).toMatchObject({
      sessions: { waiting: 0, paired: 1 },
      participants: { online: 0, away: 2 },
    });
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    expect(await h.state.countLiveCodes()).toBe(1);
  });

  test('seats are resumed, and the sequence goes on', async (h) => {
    const { room, guest } = await roomWithMessages(h, 4);
    await h.restart();
    const page = await readLog(h, room.id, { afterSeq: 0, limit: 10 });
    expect(page.lastSeq).toBe(4);
    expect(seqsOf(page)).toEqual(range(page.firstSeq, 4));
    const back = await resume(h, room, guest);
    expect(findSeat((await read(h, room.id)).document, guest.seatId)?.presence).toBe('online');
    expect(await sendOk(h, room, back)).toBe(5);
    const next = await readLog(h, room.id, { afterSeq: 4, limit: 10 });
    expect(seqsOf(next)).toEqual([5]);
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2, 3, 4, 5]);
  });

  test('ids are known within the retry horizon', async (h) => {
    const room = await createRoom(h);
    const request = message(room, room.host);
    const { sentAt } = expectKind(await h.state.append(request), 'appended');
    h.advance(DEFAULTS.retryHorizonMs / 2);
    await h.restart();
    expect(expectKind(await findSend(h, request), 'duplicate')).toMatchObject({ seq: 1, sentAt });
    const sender = await resume(h, room, room.host);
    const again = { ...request, sender };
    expect(expectKind(await h.state.append(again), 'duplicate')).toMatchObject({ seq: 1, sentAt });
    const other = message(room, sender, { id: request.id, body: 'something else' });
    expectKind(await h.state.append(other), 'id_reused');
    h.advance(DEFAULTS.retryHorizonMs / 2 + 1);
    expectKind(await findSend(h, request), 'unknown');
    expect(expectKind(await h.state.append(again), 'appended').seq).toBe(2);
  });

  test('keys are known within the retry horizon', async (h) => {
    const [hostKey, guestKey] = [freshId(), freshId()];
    const room = await createRoom(h, { keyHash: hostKey });
    const guest = await join(h, room, guestKey);
    await h.restart();
    expect(await h.state.findByKey(hostKey)).toBe(room.id);
    const repeated = await h.state.create(newDocument(h, { keyHash: hostKey }), ignore);
    expect(repeated).toEqual({ kind: 'key_taken', sessionId: room.id });
    const { seat } = expectKind(await tryJoin(h, room, guestKey), 'retaken');
    expect(seat.id).toBe(guest.seatId);
  });

  test('what has ended stays ended', async (h) => {
    const room = await createRoom(h, { capacity: 4 });
    const [left, kicked, stays] = [await join(h, room), await join(h, room), await join(h, room)];
    await h.state.change(room.id, kickParticipant(room.host, kicked.seatId));
    await h.state.change(room.id, leaveSession(left));
    await h.state.change(room.id, leaveSession(room.host));
    await h.restart();
    const { seats, code } = (await read(h, room.id)).document;
    expect(seats).toMatchObject([{ id: stays.seatId, role: 'host' }]);
    expect(seats).toHaveLength(1);
    expect(code).toBeNull();
    expect(await h.state.findByCode(room.code)).toBeNull();
  });

  test('a closed session is found by its code, and what was sent in it is known', async (h) => {
    const { room } = await pair(h);
    const request = message(room, room.host);
    expectKind(await h.state.append(request), 'appended');
    await close(h, room);
    const at = h.now();
    h.advance(MINUTE);
    await h.restart();
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    const { document, lastSeq } = await read(h, room.id);
    expect(document.closed).toEqual({ reason: 'closed', at });
    expect(document.seats).toHaveLength(2);
    expect(lastSeq).toBe(1);
    expectKind(await findSend(h, request), 'duplicate');
    const [seat] = document.seats;
    const sender = { seatId: room.host.seatId, generation: seat?.generation ?? 0 };
    expect(expectKind(await h.state.append({ ...request, sender }), 'duplicate').seq).toBe(1);
    expect(h.state.counts()).toMatchObject({
      sessions: { waiting: 0, paired: 0 },
      participants: { online: 0, away: 0 },
    });
    expect(await h.state.takeDue(10)).toEqual([]);
  });

  test('the grace of every seat begins anew', async (h) => {
    const { room } = await pair(h);
    h.advance(MINUTE);
    await h.restart();
    h.advance(graceMs - 1);
    const early = await h.state.takeDue(10);
    expect(early.filter(({ deadline }) => deadline.kind === 'timeout')).toEqual([]);
    h.advance(1);
    for (const seatId of (await read(h, room.id)).document.seats.map(({ id }) => id)) {
      expect(await h.state.takeDue(10)).toMatchObject([{ deadline: { kind: 'timeout', seatId, at: h.now() } }]);
      await h.state.change(room.id, timeOutSeat(seatId, graceMs));
    }
    expect((await read(h, room.id)).document.closed).toMatchObject({ reason: 'empty' });
  });

  testWith(['hold'], 'what was on its way when the process was killed is sent once by its repetition', async (h) => {
    const room = await createRoom(h);
    await sendOk(h, room, room.host);
    h.holdCommits();
    const request = message(room, room.host);
    const lost = settle(h.state.append(request));
    await h.commitHeld();
    await h.restart();
    await lost;
    expect((await read(h, room.id)).lastSeq).toBe(1);
    const sender = await resume(h, room, room.host);
    expect(expectKind(await h.state.append({ ...request, sender }), 'appended').seq).toBe(2);
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
  });
}

function storing({ testWith }: Suite): void {
  testWith(['hold'], 'a message is visible to nobody', async (h) => {
    const { room, guest } = await pair(h);
    await sendOk(h, room, room.host);
    await h.state.takeMovedHeads();
    h.holdCommits();
    const request = message(room, room.host);
    const answers = [watch(h.state.append(request)), watch(h.state.append(request)), watch(findSend(h, request))];
    await h.commitHeld();
    expect((await read(h, room.id)).lastSeq).toBe(1);
    expect(await readLog(h, room.id, { afterSeq: 1, limit: 10 })).toMatchObject({ lastSeq: 1, messages: [] });
    expect(await h.state.takeMovedHeads()).toEqual([]);
    const receipt = watch(h.state.recordReceipt(room.id, guest, { read: 2 }));
    await turn();
    expect(answers.filter(({ value }) => value !== undefined && value.kind !== 'unknown')).toEqual([]);
    expect(receipt.value?.kind).not.toBe('recorded');
    expect(deliveredSeqs(h, room.id)).toEqual([1]);
    h.releaseCommits();
    const [first, second] = await Promise.all(answers.map(({ settled }) => settled));
    expect(first).toMatchObject({ kind: 'appended', seq: 2 });
    expect(second).toMatchObject({ kind: 'duplicate', seq: 2 });
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
    expect(await h.state.takeMovedHeads()).toMatchObject([{ lastSeq: 2 }]);
  });

  testWith(['hold'], 'a session does not exist', async (h) => {
    h.holdCommits();
    const keyHash = freshId();
    const document = newDocument(h, { keyHash });
    let seen = 0;
    const created = watch(h.state.create(document, () => (seen += 1)));
    const repeated = watch(h.state.create(newDocument(h, { keyHash }), ignore));
    await h.commitHeld();
    expect(await h.state.read(document.id)).toBeNull();
    expect(await h.state.findByCode(document.code?.value ?? '')).toBeNull();
    expect(h.state.counts().sessions).toEqual({ waiting: 0, paired: 0 });
    await turn();
    expect([seen, created.value, repeated.value]).toEqual([0, undefined, undefined]);
    h.releaseCommits();
    expect(await created.settled).toMatchObject({ kind: 'created' });
    expect(await repeated.settled).toEqual({ kind: 'key_taken', sessionId: document.id });
    expect(seen).toBe(1);
    expect(await h.state.findByCode(document.code?.value ?? '')).toBe(document.id);
  });

  testWith(['hold'], 'a change is visible to nobody, and nothing that follows from it is answered', async (h) => {
    const room = await createRoom(h);
    h.holdCommits();
    const joins = [watch(tryJoin(h, room)), watch(tryJoin(h, room))];
    await h.commitHeld();
    expect((await read(h, room.id)).document.seats).toHaveLength(1);
    expect(h.state.counts()).toMatchObject({ sessions: { waiting: 1, paired: 0 }, participants: { online: 1 } });
    await turn();
    expect(joins.map(({ value }) => value)).toEqual([undefined, undefined]);
    h.releaseCommits();
    const outcomes = await Promise.all(joins.map(({ settled }) => settled));
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['joined', 'session_full']);
    expect((await read(h, room.id)).document.seats).toHaveLength(2);
  });

  testWith(['hold'], 'a close refuses nobody', async (h) => {
    const { room, guest } = await pair(h);
    h.holdCommits();
    const closed = h.state.change(room.id, closeByHost(room.host));
    const sent = watch(h.state.append(message(room, guest)));
    const touched = watch(h.state.touch(room.id, guest));
    const receipt = watch(h.state.recordReceipt(room.id, guest, { read: 0 }));
    await h.commitHeld();
    await turn();
    expect((await read(h, room.id)).document.closed).toBeNull();
    const early = [sent.value, touched.value, receipt.value].map((answer) => answer?.kind);
    expect(early).not.toContain('session_closed');
    h.releaseCommits();
    expectKind(decided(await closed), 'closed');
    expect(await sent.settled).toEqual({ kind: 'session_closed' });
    expect(h.deliveries).toEqual([]);
  });

  testWith(['hold'], 'a kick takes the seat from nobody', async (h) => {
    const { room, guest } = await pair(h);
    h.holdCommits();
    const kicked = h.state.change(room.id, kickParticipant(room.host, guest.seatId));
    const sent = watch(h.state.append(message(room, guest)));
    await h.commitHeld();
    await turn();
    expect(sent.value).toBeUndefined();
    h.releaseCommits();
    expectKind(decided(await kicked), 'kicked');
    expect(await sent.settled).toEqual({ kind: 'not_seated' });
  });

  testWith(['hold'], 'an id is not yet used', async (h) => {
    const room = await createRoom(h);
    h.holdCommits();
    const id = freshId();
    const sent = h.state.append(message(room, room.host, { id, body: 'one' }));
    const reused = watch(h.state.append(message(room, room.host, { id, body: 'two' })));
    await h.commitHeld();
    await turn();
    expect(reused.value).toBeUndefined();
    h.releaseCommits();
    expectKind(await sent, 'appended');
    expect(await reused.settled).toEqual({ kind: 'id_reused' });
  });

  testWith(['hold'], 'a code that was killed still leads to the session, and a new one does not', async (h) => {
    const room = await createRoom(h);
    const value = freshCode();
    h.holdCommits();
    const rule = reopenSession(room.host, { value, expiresAt: h.now() + CODE_TTL_MS });
    const reopened = h.state.change(room.id, rule);
    await h.commitHeld();
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    expect(await h.state.findByCode(value)).toBeNull();
    h.releaseCommits();
    expectKind(decided(await reopened), 'reopened');
    expect(await h.state.findByCode(room.code)).toBeNull();
    expect(await h.state.findByCode(value)).toBe(room.id);
  });
}

function failing({ testWith }: Suite): void {
  testWith(['refused'], 'and was refused is as if it had never been tried', async (h) => {
    const { room, guest } = await roomWithMessages(h, 2);
    await h.state.takeMovedHeads();
    const before = await read(h, room.id);
    h.failNextCommit('refused');
    const request = message(room, guest);
    const answers = await Promise.all([1, 2, 3].map(() => failure(h.state.append(request))));
    for (const error of answers) expectUnknownOutcome(error);
    const after = await read(h, room.id);
    expect(after).toMatchObject({ lastSeq: 2, document: before.document });
    expect(await h.state.takeMovedHeads()).toEqual([]);
    expectKind(await findSend(h, request), 'unknown');
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
    // The connections are still there, so their seats are still theirs; the seq is free for the next message.
    expect(await sendOk(h, room, room.host)).toBe(3);
    expect(expectKind(await h.state.append(request), 'appended').seq).toBe(4);
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2, 3, 4]);
  });

  testWith(['unknown_stored'], 'but was stored is recognised by its id, and is not lost on the others', async (h) => {
    const { room, guest } = await roomWithMessages(h, 2);
    await h.state.takeMovedHeads();
    h.failNextCommit('unknown_stored');
    const request = message(room, guest);
    expectUnknownOutcome(await failure(h.state.append(request)));
    expect(expectKind(await h.state.append(request), 'duplicate').seq).toBe(3);
    const heads = await h.state.takeMovedHeads();
    const isTold = deliveredSeqs(h, room.id).includes(3) || heads.some(({ lastSeq }) => lastSeq === 3);
    expect(isTold).toBe(true);
    expect((await read(h, room.id)).lastSeq).toBe(3);
    expect(await sendOk(h, room, room.host)).toBe(4);
    const seqs = deliveredSeqs(h, room.id);
    expect(seqs.filter((seq) => seq !== 3)).toEqual([1, 2, 4]);
    const page = await readLog(h, room.id, { afterSeq: 0, limit: 10 });
    expect(seqsOf(page)).toEqual(range(page.firstSeq, 4));
  });

  testWith(['unknown_lost'], 'and was lost is stored once by its repetition', async (h) => {
    const { room, guest } = await roomWithMessages(h, 2);
    h.failNextCommit('unknown_lost');
    const request = message(room, guest);
    expectUnknownOutcome(await failure(h.state.append(request)));
    const answers = await Promise.all(range(1, 10).map(() => h.state.append(request)));
    expect(answers.filter(({ kind }) => kind === 'appended')).toHaveLength(1);
    for (const answer of answers) expect(answer).toMatchObject({ seq: 3 });
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2, 3]);
  });

  testWith(['refused'], 'is a change that nobody sees and that may be tried again', async (h) => {
    const room = await createRoom(h);
    const before = await read(h, room.id);
    let seen = 0;
    h.failNextCommit('refused');
    expectUnknownOutcome(await failure(h.state.change(room.id, joinRule(room), () => (seen += 1))));
    expect(seen).toBe(0);
    expect((await read(h, room.id)).document).toEqual(before.document);
    await join(h, room);
    h.failNextCommit('refused');
    expectUnknownOutcome(await failure(h.state.change(room.id, closeByHost(room.host))));
    expect(await sendOk(h, room, room.host)).toBe(1);
  });

  testWith(['refused'], 'is a creation whose code and key are free again', async (h) => {
    const keyHash = freshId();
    const document = newDocument(h, { keyHash });
    h.failNextCommit('refused');
    expectUnknownOutcome(await failure(h.state.create(document, ignore)));
    expect(await h.state.read(document.id)).toBeNull();
    expect(await h.state.findByCode(document.code?.value ?? '')).toBeNull();
    expect(await h.state.findByKey(keyHash)).toBeNull();
    expect(h.state.counts().sessions).toEqual({ waiting: 0, paired: 0 });
    const again = newDocument(h, { keyHash, code: document.code?.value ?? '' });
    expectKind(await h.state.create(again, ignore), 'created');
    expect(await h.state.findByKey(keyHash)).toBe(again.id);
  });

  testWith(['unknown_stored'], 'but was stored is a creation that its key finds', async (h) => {
    const keyHash = freshId();
    const document = newDocument(h, { keyHash });
    h.failNextCommit('unknown_stored');
    expectUnknownOutcome(await failure(h.state.create(document, ignore)));
    const again = await h.state.create(newDocument(h, { keyHash }), ignore);
    expect(again).toEqual({ kind: 'key_taken', sessionId: document.id });
    expect((await read(h, document.id)).document.seats).toHaveLength(1);
    expect(await h.state.findByCode(document.code?.value ?? '')).toBe(document.id);
  });

  testWith(['unknown_stored', 'unknown_lost'], 'is a join whose repetition takes one seat', async (h) => {
    for (const lost of [true, false]) {
      const room = await createRoom(h);
      const keyHash = freshId();
      h.failNextCommit(lost ? 'unknown_lost' : 'unknown_stored');
      expectUnknownOutcome(await failure(tryJoin(h, room, keyHash)));
      const { seat } = expectKind(await tryJoin(h, room, keyHash), lost ? 'joined' : 'retaken');
      expect((await read(h, room.id)).document.seats.map(({ id }) => id)).toEqual([room.host.seatId, seat.id]);
      expect(await sendOk(h, room, { seatId: seat.id, generation: seat.generation })).toBe(1);
    }
  });

  testWith(['hold', 'refused'], 'leaves no answer behind that followed from it', async (h) => {
    const room = await createRoom(h);
    h.holdCommits();
    h.failNextCommit('refused');
    const joins = [settle(tryJoin(h, room)), settle(tryJoin(h, room))];
    await h.commitHeld();
    joins.push(settle(tryJoin(h, room)));
    h.releaseCommits();
    // Whoever was told that the session is full was told so by a seat that is stored.
    const outcomes = (await Promise.all(joins)).map((result) =>
      result.status === 'fulfilled' ? result.value.kind : 'failed',
    );
    const { seats } = (await read(h, room.id)).document;
    expect(outcomes[0]).toBe('failed');
    expect(outcomes.filter((kind) => kind === 'joined')).toHaveLength(seats.length - 1);
    if (seats.length === 1) expect(outcomes).not.toContain('session_full');
  });

  testWith(['hold', 'refused'], 'takes no message with it that was queued behind it', async (h) => {
    const { room, guest } = await pair(h);
    h.holdCommits();
    h.failNextCommit('refused');
    const requests = [message(room, room.host), message(room, guest), message(room, room.host)];
    const [first, ...behind] = requests;
    const answers = first === undefined ? [] : [settle(h.state.append(first))];
    await h.commitHeld();
    for (const request of behind) answers.push(settle(h.state.append(request)));
    h.releaseCommits();
    for (const answer of await Promise.all(answers)) {
      if (answer.status === 'fulfilled') expectKind(answer.value, 'appended');
      else expectUnknownOutcome(answer.reason);
    }
    const repeated = await Promise.all(requests.map((request) => h.state.append(request)));
    const seqs = repeated.map((answer) => ('seq' in answer ? answer.seq : 0));
    expect([...seqs].sort((a, b) => a - b)).toEqual([1, 2, 3]);
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2, 3]);
  });

  testWith(['hold', 'refused'], 'does no harm to other sessions', async (h) => {
    const [room, other] = [await createRoom(h), await createRoom(h)];
    await sendOk(h, other, other.host);
    h.failNextCommit('refused');
    expectUnknownOutcome(await failure(h.state.append(message(room, room.host))));
    expect(await sendOk(h, other, other.host)).toBe(2);
    // Both on their way at once: what is answered holds, and what is not may be repeated.
    h.holdCommits();
    h.failNextCommit('refused');
    const requests = [message(room, room.host), message(other, other.host)];
    const answers = requests.map((request) => settle(h.state.append(request)));
    await h.commitHeld();
    h.releaseCommits();
    await Promise.all(answers);
    const seqs = (await Promise.all(requests.map((request) => h.state.append(request)))).map((answer) =>
      'seq' in answer ? answer.seq : answer.kind,
    );
    expect(seqs).toEqual([1, 3]);
    expect(deliveredSeqs(h, other.id)).toEqual([1, 2, 3]);
    expect(deliveredSeqs(h, room.id)).toEqual([1]);
  });

  const seed = Number(process.env['TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  testWith(
    ['refused', 'unknown_stored', 'unknown_lost'],
    `again and again loses, doubles and reorders nothing that was acknowledged (TEST_SEED=${seed})`,
    async (h) => {
      const random = randomFrom(seed);
      const pairs = [await pair(h), await pair(h), await pair(h)];
      const senders = pairs.flatMap(({ room, guest }) => [
        { room, sender: room.host },
        { room, sender: guest },
      ]);
      const acknowledged = new Map(pairs.map(({ room }) => [room.id, new Map<string, number>()]));
      let sent = 0;
      const deliver = async ({ sessionId, id }: AppendRequest, call: () => Promise<AppendResult>): Promise<void> => {
        for (let attempt = 0; attempt < 50; attempt += 1) {
          const answer = await settle(call());
          if (answer.status === 'rejected') {
            expectUnknownOutcome(answer.reason);
            continue;
          }
          if (!('seq' in answer.value)) throw new Error(`expected a seq, received ${answer.value.kind}`);
          acknowledged.get(sessionId)?.set(id, answer.value.seq);
          sent += 1;
          return;
        }
        throw new Error(`no answer to ${id} after 50 attempts`);
      };
      for (let round = 0; round < 60; round += 1) {
        const failures: CommitFailure[] = ['refused', 'unknown_stored', 'unknown_lost'];
        const chosen = failures[Math.floor(random() * 4)];
        if (chosen !== undefined) h.failNextCommit(chosen);
        const burst = range(0, Math.floor(random() * 8)).flatMap(() => {
          const picked = senders[Math.floor(random() * senders.length)];
          return picked === undefined ? [] : [message(picked.room, picked.sender)];
        });
        await Promise.all(burst.map((request) => deliver(request, () => h.state.append(request))));
      }
      expect(sent).toBeGreaterThan(60);
      for (const { room } of pairs) {
        const { lastSeq } = await read(h, room.id);
        const known = acknowledged.get(room.id) ?? new Map<string, number>();
        expect([...known.values()].sort((a, b) => a - b)).toEqual(range(1, lastSeq));
        const live = deliveredSeqs(h, room.id);
        expect(live).toEqual([...new Set(live)].sort((a, b) => a - b));
        for (const { message: delivered } of h.deliveries.filter((one) => one.message.sessionId === room.id)) {
          expect(known.get(delivered.id)).toBe(delivered.seq);
        }
      }
    },
  );
}

interface Room {
  readonly id: string;
  readonly code: string;
  readonly host: SeatHolder;
}

interface NewRoom {
  capacity?: number;
  code?: string;
  keyHash?: string;
  metadata?: SessionDocument['metadata'];
}

function newDocument(h: Harness, { capacity = 2, code = freshCode(), keyHash, metadata = {} }: NewRoom = {}) {
  const now = h.now();
  return openSession(
    {
      id: randomUUID(),
      now,
      capacity,
      approval: false,
      shareHistory: false,
      metadata,
      code: { value: code, expiresAt: now + CODE_TTL_MS },
    },
    newSeat(keyHash ?? null),
  );
}

function newSeat(keyHash: string | null) {
  const id = randomUUID();
  return { id, name: 'Ada', userId: null, tokenHash: tokenHashOf(id), keyHash, instance: 'here' };
}

/** Each seat's token stands for its id, so that a test can resume any seat. */
function tokenHashOf(seatId: string): string {
  return `hash of ${seatId}`;
}

async function createRoom(h: Harness, options: NewRoom = {}): Promise<Room> {
  const document = newDocument(h, options);
  const { snapshot } = expectKind(await h.state.create(document, ignore), 'created');
  const [seat] = snapshot.document.seats;
  if (seat === undefined || document.code === null) throw new Error('a new session has a host and a code');
  return { id: document.id, code: document.code.value, host: { seatId: seat.id, generation: seat.generation } };
}

async function pair(h: Harness): Promise<{ room: Room; guest: SeatHolder }> {
  const room = await createRoom(h);
  return { room, guest: await join(h, room) };
}

async function roomWithMessages(h: Harness, count: number): Promise<{ room: Room; guest: SeatHolder }> {
  const { room, guest } = await pair(h);
  for (let index = 0; index < count; index += 1) await sendOk(h, room, room.host);
  return { room, guest };
}

function joinRule(room: Room, keyHash: string | null = null): Rule<JoinOutcome> {
  return joinSession(room.code, newSeat(keyHash), DEFAULTS.retryHorizonMs);
}

async function tryJoin(h: Harness, room: Room, keyHash: string | null = null): Promise<JoinOutcome> {
  return decided(await h.state.change(room.id, joinRule(room, keyHash)));
}

async function join(h: Harness, room: Room, keyHash: string | null = null): Promise<SeatHolder> {
  const { seat } = expectKind(await tryJoin(h, room, keyHash), 'joined');
  return { seatId: seat.id, generation: seat.generation };
}

async function resume(h: Harness, room: Room, { seatId }: SeatHolder): Promise<SeatHolder> {
  const request = { seatId, tokenHash: tokenHashOf(seatId), userId: null, instance: 'here' };
  const outcome = decided(await h.state.change(room.id, resumeSeat(request, DEFAULTS.retryHorizonMs)));
  return { seatId, generation: expectKind(outcome, 'resumed').seat.generation };
}

async function close(h: Harness, room: Room): Promise<void> {
  expectKind(decided(await h.state.change(room.id, closeByHost(room.host))), 'closed');
}

function message(
  room: Room,
  sender: SeatHolder,
  given: { id?: string; type?: string; body?: JsonValue; limits?: readonly LimitRequest[] } = {},
): AppendRequest {
  const { id = freshId(), type = 'text', body = 'hello', limits = [] } = given;
  const bodyJson = JSON.stringify(body);
  return { sessionId: room.id, sender, id, type, body, bodyJson, fingerprint: fingerprintOf(type, bodyJson), limits };
}

/** The same send with other content. */
function otherwise(request: AppendRequest): AppendRequest {
  const bodyJson = '"otherwise"';
  return { ...request, body: 'otherwise', bodyJson, fingerprint: fingerprintOf(request.type, bodyJson) };
}

/** Sends and gives the seq. */
async function sendOk(
  h: Harness,
  room: Room,
  sender: SeatHolder,
  given: Parameters<typeof message>[2] = {},
): Promise<number> {
  return expectKind(await h.state.append(message(room, sender, given)), 'appended').seq;
}

function findSend(h: Harness, { sessionId, sender, id, fingerprint }: AppendRequest) {
  return h.state.findSend(sessionId, sender.seatId, id, fingerprint);
}

async function read(h: Harness, sessionId: string): Promise<SessionSnapshot> {
  const snapshot = await h.state.read(sessionId);
  if (snapshot === null) throw new Error(`expected session ${sessionId} to be there`);
  return snapshot;
}

async function readLog(h: Harness, sessionId: string, range: Parameters<SessionState['readLog']>[1]) {
  const page = await h.state.readLog(sessionId, range);
  if (page === null) throw new Error(`expected session ${sessionId} to have a log`);
  return page;
}

function limitOf(name: string, points: number, durationMs = MINUTE): LimitRequest {
  const info: LimitInfo = { name, scope: 'user', points, durationSeconds: durationMs / 1000 };
  return { info, bucket: 'somebody', blockMs: 0 };
}

const counting: Rule<number> = (session) => {
  const outcome = Number(session.metadata['count'] ?? 0) + 1;
  const document = { ...session, metadata: { count: outcome } };
  return { kind: 'change', document, outcome, lasting: true, ended: [] };
};

/** The document without what a restart forgets. */
function lastingPart(document: SessionDocument): unknown {
  const seats = document.seats.map(({ id, role, name, userId, tokenHash, key, joinedAt, joinedSeq }) => ({
    ...{ id, role, name, userId, tokenHash, key, joinedAt, joinedSeq },
  }));
  return { ...document, seats };
}

function expectKind<T extends { readonly kind: string }, K extends T['kind']>(
  result: T,
  kind: K,
): Extract<T, { readonly kind: K }> {
  expect(result).toMatchObject({ kind });
  // The line above has compared it.
  return result as Extract<T, { readonly kind: K }>;
}

function decided<O>(result: { kind: 'decided'; outcome: O } | { kind: 'no_such_session' } | { kind: 'code_taken' }): O {
  if (result.kind !== 'decided') throw new Error(`expected a decision, received ${result.kind}`);
  return result.outcome;
}

/** What the call rejects with; a call that resolves is a failure of the test. */
async function failure(call: Promise<unknown>): Promise<unknown> {
  const result = await settle(call);
  if (result.status === 'fulfilled') throw new Error(`expected a rejection, received ${JSON.stringify(result.value)}`);
  return result.reason;
}

function expectUnknownOutcome(error: unknown): void {
  expect(error).toBeInstanceOf(TandemError);
  expect(['UNAVAILABLE', 'INTERNAL']).toContain((error as TandemError).code);
}

/** Handles a rejection from the start, so that it may come long before somebody looks. */
async function settle<T>(call: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [result] = await Promise.allSettled([call]);
  return result;
}

/** A promise whose value can be looked at while it may still be pending. */
function watch<T>(call: Promise<T>): { value: T | undefined; settled: Promise<T> } {
  const watched: { value: T | undefined; settled: Promise<T> } = { value: undefined, settled: call };
  watched.settled = call.then((value) => (watched.value = value));
  return watched;
}

/** One turn of the event loop: a barrier behind which everything that needs no store has happened. */
function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function deliveredSeqs(h: Harness, sessionId: string): number[] {
  return h.deliveries.filter((one) => one.message.sessionId === sessionId).map((one) => one.message.seq);
}

function seqsOf(page: { readonly messages: readonly Message[] }): number[] {
  return page.messages.map(({ seq }) => seq);
}

function kindsOf(due: readonly { readonly deadline: { readonly kind: string } }[]): string[] {
  return due.map(({ deadline }) => deadline.kind);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}

function freshId(): string {
  return randomUUID();
}

function freshCode(): string {
  return randomUUID().slice(0, 8).toUpperCase();
}

function ignore(): void {
  // Nobody watches.
}

/** Mulberry32: small, seeded, good enough to shuffle. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
