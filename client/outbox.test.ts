import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { TandemError } from '../protocol/errors.ts';
import type { JsonValue, Session } from '../protocol/session.ts';
import { FakeStorage } from '../test/support/fake-storage.ts';
import { systemClock } from './clock.ts';
import { jsonBytes, Outbox } from './outbox.ts';
import type { OutboxEntry } from './outbox.ts';
import { SeatStore } from './seat-store.ts';
import type { QueueBounds, SentMessage } from './types.ts';

const DAY_MS = 86_400_000;

const info: Session = {
  id: 'session-1',
  code: null,
  status: 'paired',
  capacity: 2,
  locked: false,
  approval: false,
  shareHistory: false,
  epoch: 1,
  lastSeq: 0,
  durableSeq: 0,
  durability: 'redis_memory',
  createdAt: '2026-01-31T12:00:00.000Z',
  codeExpiresAt: null,
  metadata: {},
  participants: [],
};

let storage: FakeStorage;
let told: string[];
/** What became of each promise, by id. */
let outcomes: string[];

/** The queue of a page; one more is the page after a reload. */
function newPage(bounds?: QueueBounds): Outbox {
  const store = new SeatStore(storage, 'tandem');
  const state = store.load();
  store.saveSeat({ sessionId: 'session-1', participantId: 'me', resumeToken: 'token', secret: null, info });
  const outbox = new Outbox(store, bounds, systemClock, {
    changed: () => undefined,
    sent: ({ id }) => told.push(`sent ${id}`),
    failed: ({ id }, { code }) => told.push(`failed ${id} ${code}`),
    unstored: () => told.push('unstored'),
  });
  outbox.restore(state?.messages ?? []);
  return outbox;
}

function add(outbox: Outbox, id: string, body: JsonValue = id): void {
  outbox.add({ id, type: 'text', body }).then(
    ({ seq }) => outcomes.push(`${id} is ${seq}`),
    (error: unknown) => outcomes.push(`${id} ${error instanceof TandemError ? error.code : String(error)}`),
  );
}

function sent(id: string, seq: number): SentMessage {
  return { id, seq, sentAt: '2026-01-31T12:00:00.000Z', duplicate: false };
}

function idsOf(outbox: Outbox): string[] {
  return outbox.queue.map(({ id }) => id);
}

function entryOf(outbox: Outbox, id: string): OutboxEntry {
  const entry = outbox.queue.find((queued) => queued.id === id);
  if (entry === undefined) throw new Error(`${id} is not queued`);
  return entry;
}

function storedIds(): string[] {
  return [...storage.items.keys()].filter((key) => key.startsWith('tandem.m.')).map((key) => key.split('.')[4] ?? '');
}

async function settled(): Promise<void> {
  await jest.advanceTimersByTimeAsync(0);
}

beforeEach(() => {
  jest.useFakeTimers({
    now: Date.parse('2026-01-31T12:00:00.000Z'),
    doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'],
  });
  storage = new FakeStorage();
  told = [];
  outcomes = [];
});
afterEach(() => void jest.useRealTimers());

describe('the queue', () => {
  it('keeps the order of writing, and resolves each message when it is stored', async () => {
    const outbox = newPage();
    for (const id of ['a', 'b', 'c']) add(outbox, id);
    expect(idsOf(outbox)).toEqual(['a', 'b', 'c']);
    expect(outbox.settle(sent('b', 1), 1)).toBe(true);
    expect(outbox.settle(sent('a', 2), 2)).toBe(true);
    await settled();
    expect(outcomes).toEqual(['b is 1', 'a is 2']);
    expect(told).toEqual(['sent b', 'sent a']);
    expect(idsOf(outbox)).toEqual(['c']);
  });

  it('settles a message once, however often its answer comes', async () => {
    const outbox = newPage();
    add(outbox, 'a');
    expect(outbox.settle(sent('a', 1), 0)).toBe(true);
    expect(outbox.settle(sent('a', 1), 0)).toBe(false);
    expect(outbox.settle(sent('unknown', 2), 0)).toBe(false);
    await settled();
    expect(told).toEqual(['sent a']);
    expect(outcomes).toEqual(['a is 1']);
  });

  it('takes the same message given twice as one, and settles both callers', async () => {
    const outbox = newPage();
    add(outbox, 'a', { x: 1 });
    add(outbox, 'a', { x: 1 });
    expect(idsOf(outbox)).toEqual(['a']);
    outbox.settle(sent('a', 1), 0);
    await settled();
    expect(outcomes).toEqual(['a is 1', 'a is 1']);
    expect(told).toEqual(['sent a']);
  });

  it('refuses an id that is queued with another body or type, and keeps the first', async () => {
    const outbox = newPage();
    add(outbox, 'a', 1);
    add(outbox, 'a', 2);
    await expect(outbox.add({ id: 'a', type: 'other', body: 1 })).rejects.toMatchObject({ code: 'ID_REUSED' });
    expect(outcomes).toEqual(['a ID_REUSED']);
    expect(outbox.queue.map(({ body }) => body)).toEqual([1]);
  });

  it('gives a message up once, with the reason of whoever does', async () => {
    const outbox = newPage();
    add(outbox, 'a');
    const entry = entryOf(outbox, 'a');
    const error = new TandemError('UNAVAILABLE');
    outbox.fail(entry, error, 'my reason');
    outbox.fail(entry, error, 'my reason');
    await settled();
    expect(outcomes).toEqual(['a my reason']);
    expect(told).toEqual(['failed a UNAVAILABLE']);
    expect(storedIds()).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('the bounds of the queue', () => {
  it('refuses the message after the last that there is room for, and takes one again when there is', async () => {
    const outbox = newPage({ maxMessages: 2 });
    for (const id of ['a', 'b', 'c']) add(outbox, id);
    await settled();
    expect(outcomes).toEqual(['c UNAVAILABLE']);
    expect(idsOf(outbox)).toEqual(['a', 'b']);
    expect(storedIds()).toEqual(['a', 'b']);
    // One that is queued already needs no room.
    add(outbox, 'b');
    outbox.settle(sent('a', 1), 1);
    add(outbox, 'd');
    await settled();
    expect(outcomes).toEqual(['c UNAVAILABLE', 'a is 1']);
    expect(idsOf(outbox)).toEqual(['b', 'd']);
  });

  it('counts bodies as UTF-8 bytes of JSON', async () => {
    expect(jsonBytes('\u00e9\u{1f600}')).toBe(2 + 2 + 4);
    const outbox = newPage({ maxBytes: 16 });
    add(outbox, 'a', '\u00e9\u{1f600}');
    add(outbox, 'b', '1234567');
    add(outbox, 'c', '123456');
    add(outbox, 'd', 1);
    await settled();
    expect(outcomes).toEqual(['b UNAVAILABLE', 'd UNAVAILABLE']);
    expect(idsOf(outbox)).toEqual(['a', 'c']);
  });

  it('holds 1,000 messages unless told otherwise', async () => {
    const outbox = newPage();
    for (let n = 0; n < 1_001; n += 1) add(outbox, `message-${n}`, n);
    await settled();
    expect(outcomes).toEqual(['message-1000 UNAVAILABLE']);
    expect(outbox.queue).toHaveLength(1_000);
  });

  it('holds 2 MiB unless told otherwise', async () => {
    const outbox = newPage();
    const body = 'x'.repeat(32_768 - 2);
    for (let n = 0; n < 65; n += 1) add(outbox, `message-${n}`, body);
    await settled();
    expect(outcomes).toEqual(['message-64 UNAVAILABLE']);
  });

  it('gives up what has waited for a day, each message at its own time', async () => {
    const outbox = newPage();
    add(outbox, 'a');
    await jest.advanceTimersByTimeAsync(1_000);
    add(outbox, 'b');
    await jest.advanceTimersByTimeAsync(DAY_MS - 1_001);
    expect(idsOf(outbox)).toEqual(['a', 'b']);
    await jest.advanceTimersByTimeAsync(1);
    expect(outcomes).toEqual(['a UNAVAILABLE']);
    await jest.advanceTimersByTimeAsync(999);
    expect(idsOf(outbox)).toEqual(['b']);
    await jest.advanceTimersByTimeAsync(1);
    expect(told).toEqual(['failed a UNAVAILABLE', 'failed b UNAVAILABLE']);
    expect(storedIds()).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('gives up nothing that the server may have, until that is known', async () => {
    const outbox = newPage({ maxAgeMs: 60_000 });
    for (const id of ['a', 'b']) add(outbox, id);
    entryOf(outbox, 'a').isUncertain = true;
    await jest.advanceTimersByTimeAsync(120_000);
    expect(idsOf(outbox)).toEqual(['a']);
    outbox.makeCertain();
    await settled();
    expect(outcomes).toEqual(['b UNAVAILABLE', 'a UNAVAILABLE']);
  });

  it.each([
    ['forward', DAY_MS],
    ['back', -DAY_MS],
  ])('measures waiting by the time that passes: a clock set %s by a day changes nothing', async (_way, jumpMs) => {
    const outbox = newPage({ maxAgeMs: 60_000 });
    add(outbox, 'a');
    jest.setSystemTime(Date.now() + jumpMs);
    outbox.dropOld();
    await jest.advanceTimersByTimeAsync(59_999);
    expect(idsOf(outbox)).toEqual(['a']);
    await jest.advanceTimersByTimeAsync(1);
    expect(outcomes).toEqual(['a UNAVAILABLE']);
  });
});

describe('the queue after a reload', () => {
  it('is what it was, in its order, with nothing of what was settled for good', () => {
    const before = newPage();
    for (const id of ['a', 'b', 'c', 'd']) add(before, id, { of: id });
    before.settle(sent('a', 1), 1);
    before.fail(entryOf(before, 'c'), new TandemError('FORBIDDEN'));
    const after = newPage();
    expect(after.queue.map(({ id, type, body }) => [id, type, body])).toEqual([
      ['b', 'text', { of: 'b' }],
      ['d', 'text', { of: 'd' }],
    ]);
    add(after, 'e');
    expect(idsOf(newPage())).toEqual(['b', 'd', 'e']);
  });

  it('sends the same ciphertext again', () => {
    const before = newPage();
    add(before, 'a');
    const entry = entryOf(before, 'a');
    entry.sealed = 'ciphertext';
    before.save(entry);
    expect(entryOf(newPage(), 'a').sealed).toBe('ciphertext');
  });

  it('gives nothing up before it is known what the server has, and counts the time before the reload then', async () => {
    const first = newPage({ maxAgeMs: 60_000 });
    add(first, 'a');
    first.stop();
    await jest.advanceTimersByTimeAsync(40_000);
    const before = newPage({ maxAgeMs: 60_000 });
    before.stop();
    add(before, 'b');
    before.stop();
    const after = newPage({ maxAgeMs: 60_000 });
    await jest.advanceTimersByTimeAsync(30_000);
    expect(idsOf(after)).toEqual(['a', 'b']);
    after.makeCertain();
    expect(idsOf(after)).toEqual(['b']);
    await jest.advanceTimersByTimeAsync(29_999);
    expect(idsOf(after)).toEqual(['b']);
    await jest.advanceTimersByTimeAsync(1);
    expect(told).toEqual(['failed a UNAVAILABLE', 'failed b UNAVAILABLE']);
  });

  it('takes a message from a clock that was ahead for a new one', async () => {
    add(newPage({ maxAgeMs: 60_000 }), 'a');
    jest.setSystemTime(Date.now() - DAY_MS);
    const after = newPage({ maxAgeMs: 60_000 });
    after.makeCertain();
    await jest.advanceTimersByTimeAsync(59_999);
    expect(idsOf(after)).toEqual(['a']);
    await jest.advanceTimersByTimeAsync(1);
    expect(idsOf(after)).toEqual([]);
  });
});

describe('what is acknowledged and not yet durable', () => {
  it('is kept until it is, through a reload too', () => {
    const before = newPage();
    for (const [index, id] of ['a', 'b', 'c'].entries()) {
      add(before, id);
      before.settle(sent(id, index + 1), 0);
    }
    before.release(1);
    expect(storedIds()).toEqual(['b', 'c']);
    const after = newPage();
    expect(idsOf(after)).toEqual([]);
    expect(after.doubt(2).map(({ id, seq }) => [id, seq])).toEqual([['c', 3]]);
    after.release(3);
    expect(after.doubt(0)).toEqual([]);
  });

  it('is never more than may be queued: the oldest goes', () => {
    const outbox = newPage({ maxMessages: 2 });
    for (const [index, id] of ['a', 'b', 'c'].entries()) {
      add(outbox, id);
      outbox.settle(sent(id, index + 1), 0);
    }
    expect(storedIds()).toEqual(['b', 'c']);
    expect(outbox.doubt(0).map(({ id }) => id)).toEqual(['b', 'c']);
  });

  it('goes back in front of the queue, in the order that it had, when the store lost it', () => {
    const outbox = newPage();
    for (const [index, id] of ['a', 'b', 'c'].entries()) {
      add(outbox, id);
      outbox.settle(sent(id, index + 1), 0);
    }
    add(outbox, 'd');
    const doubted = outbox.doubt(1);
    expect(idsOf(outbox)).toEqual(['d']);
    outbox.putBack(doubted.reverse());
    expect(idsOf(outbox)).toEqual(['b', 'c', 'd']);
    expect(outbox.queue.map(({ seq, state }) => [seq, state.kind])).toEqual(Array(3).fill([null, 'waiting']));
    expect(idsOf(newPage())).toEqual(['b', 'c', 'd']);
  });

  it('has the same order after a reload as before, when something was written while it was in doubt', () => {
    const outbox = newPage();
    for (const [index, id] of ['a', 'b', 'c'].entries()) {
      add(outbox, id);
      outbox.settle(sent(id, index + 1), 0);
    }
    const doubted = outbox.doubt(0);
    add(outbox, 'd');
    outbox.putBack(doubted);
    expect(idsOf(outbox)).toEqual(['a', 'b', 'c', 'd']);
    expect(idsOf(newPage())).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is done with when it turns up again below what is durable', () => {
    const outbox = newPage();
    add(outbox, 'a');
    outbox.settle(sent('a', 5), 0);
    for (const entry of outbox.doubt(0)) {
      entry.seq = 3;
      outbox.keep(entry, 3);
    }
    expect(outbox.doubt(0)).toEqual([]);
    expect(storedIds()).toEqual([]);
  });
});

describe.each(['full', 'forbidden'] as const)('with a storage that is %s', (fault) => {
  it('does all but survive a reload, and says so', async () => {
    storage.fault = fault;
    const outbox = newPage();
    for (const id of ['a', 'b']) add(outbox, id);
    expect(told).toContain('unstored');
    expect(idsOf(outbox)).toEqual(['a', 'b']);
    outbox.settle(sent('a', 1), 0);
    outbox.fail(entryOf(outbox, 'b'), new TandemError('FORBIDDEN'));
    outbox.release(1);
    await settled();
    expect(outcomes).toEqual(['a is 1', 'b FORBIDDEN']);
    expect(told.filter((what) => what !== 'unstored')).toEqual(['sent a', 'failed b FORBIDDEN']);
    expect(idsOf(newPage())).toEqual([]);
  });

  it('keeps what was stored before', () => {
    add(newPage(), 'a');
    const outbox = newPage();
    storage.fault = fault;
    add(outbox, 'b');
    expect(idsOf(outbox)).toEqual(['a', 'b']);
    storage.fault = null;
    expect(idsOf(newPage())).toEqual(['a']);
  });
});
