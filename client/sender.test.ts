import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { TandemError } from '../protocol/errors.ts';
import type { JsonValue } from '../protocol/session.ts';
import { FakeRequests } from '../test/support/fake-requests.ts';
import { FakeStorage } from '../test/support/fake-storage.ts';
import { systemClock } from './clock.ts';
import { Outbox } from './outbox.ts';
import type { OutboxEntry } from './outbox.ts';
import { SeatStore } from './seat-store.ts';
import { Sender } from './sender.ts';

const DAY_MS = 86_400_000;

let requests: FakeRequests<'message:send'>;
let outbox: Outbox;
let sender: Sender;
/** What came of the messages, in the order in which it did. */
let told: string[];
let isUsable: boolean;
let seal: ((entry: OutboxEntry) => Promise<JsonValue>) | null;

function write(...ids: string[]): void {
  for (const id of ids) outbox.add({ id, type: 'text', body: `body of ${id}` }).catch(() => undefined);
  sender.pump();
}

function stage(storage: FakeStorage | null = null): void {
  outbox = new Outbox(new SeatStore(storage, 'tandem'), undefined, systemClock, {
    changed: () => undefined,
    sent: ({ id }) => told.push(`sent ${id}`),
    failed: ({ id }, { code }) => told.push(`failed ${id} ${code}`),
    unstored: () => undefined,
  });
  sender = new Sender(
    outbox,
    requests,
    { clock: systemClock, random: () => 0.5 },
    {
      changed: () => undefined,
      seal,
      stored: ({ id }, { seq, sentAt, duplicate }) => {
        if (isUsable) outbox.settle({ id, seq, sentAt, duplicate }, 0);
        return isUsable;
      },
    },
  );
}

function idsAsked(): string[] {
  return requests.payloads.map(({ id }) => id);
}

function states(): string[] {
  return outbox.queue.map(({ id, state }) => `${id} ${state.kind}`);
}

async function settled(): Promise<void> {
  await jest.advanceTimersByTimeAsync(0);
}

let seq: number;
async function acknowledge(): Promise<void> {
  const id = requests.payloads.at(-1)?.id ?? '';
  requests.ok({ id, seq: (seq += 1), sentAt: '', epoch: 1, durableSeq: 0, duplicate: false });
  await settled();
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
  requests = new FakeRequests('message:send');
  seq = 0;
  told = [];
  isUsable = true;
  seal = null;
  stage();
});
afterEach(() => void jest.useRealTimers());

describe('Sender', () => {
  it('sends nothing before the connection has the seat', async () => {
    write('a');
    await settled();
    expect(requests.asked).toHaveLength(0);
    sender.run();
    expect(requests.payloads).toEqual([{ id: 'a', type: 'text', body: 'body of a' }]);
  });

  it('sends one message at a time, in the order of writing', async () => {
    sender.run();
    write('a', 'b', 'c');
    expect(idsAsked()).toEqual(['a']);
    expect(states()).toEqual(['a sending', 'b waiting', 'c waiting']);
    await acknowledge();
    expect(idsAsked()).toEqual(['a', 'b']);
    await acknowledge();
    await acknowledge();
    expect(told).toEqual(['sent a', 'sent b', 'sent c']);
    expect(idsAsked()).toEqual(['a', 'b', 'c']);
  });

  it('repeats a message without answer under its id, later each time, and lets none overtake it', async () => {
    sender.run();
    write('a', 'b');
    for (const waitMs of [250, 500, 1_000, 2_000, 2_000]) {
      const before = requests.asked.length;
      requests.lose();
      await settled();
      expect(states()).toEqual(['a repeating', 'b waiting']);
      await jest.advanceTimersByTimeAsync(waitMs - 1);
      expect(requests.asked).toHaveLength(before);
      await jest.advanceTimersByTimeAsync(1);
      expect(requests.asked).toHaveLength(before + 1);
    }
    await acknowledge();
    expect(idsAsked()).toEqual([...Array<string>(6).fill('a'), 'b']);
    expect(new Set(requests.payloads.slice(0, 6).map((payload) => JSON.stringify(payload))).size).toBe(1);
    expect(told).toEqual(['sent a']);
  });

  it('waits at least as long as a server in trouble asks for', async () => {
    sender.run();
    write('a');
    requests.refuse('UNAVAILABLE', 3_000);
    await jest.advanceTimersByTimeAsync(3_000);
    expect(requests.asked).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(250);
    expect(idsAsked()).toEqual(['a', 'a']);
  });

  it('waits exactly as long as a limit asks for, says until when, and keeps the others behind', async () => {
    sender.run();
    write('a', 'b');
    requests.refuse('RATE_LIMITED', 30_000);
    await settled();
    expect(outbox.queue[0]?.state).toMatchObject({ kind: 'limited', retryAt: Date.now() + 30_000 });
    expect(outbox.queue[0]?.isUncertain).toBe(false);
    await jest.advanceTimersByTimeAsync(29_999);
    expect(requests.asked).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(idsAsked()).toEqual(['a', 'a']);
    expect(states()).toEqual(['a sending', 'b waiting']);
  });

  it('waits out no limit when there is nothing to wait for', async () => {
    sender.run();
    write('a', 'b');
    requests.refuse('RATE_LIMITED', 60_000);
    await settled();
    expect(states()).toEqual(['a limited', 'b waiting']);
    sender.hurry();
    await settled();
    expect(idsAsked()).toEqual(['a', 'a']);
    requests.refuse('SESSION_CLOSED');
    await settled();
    expect(told).toEqual(['failed a SESSION_CLOSED']);
  });

  it('waits a little after a limit that names no time, and no longer for its number', async () => {
    sender.run();
    write('a');
    for (let n = 1; n <= 5; n += 1) {
      requests.refuse('RATE_LIMITED');
      await jest.advanceTimersByTimeAsync(249);
      expect(requests.asked).toHaveLength(n);
      await jest.advanceTimersByTimeAsync(1);
      expect(requests.asked).toHaveLength(n + 1);
    }
  });

  it('gives up what is refused for good, and goes on with the next', async () => {
    sender.run();
    write('a', 'b');
    requests.refuse('SESSION_CLOSED');
    await settled();
    expect(told).toEqual(['failed a SESSION_CLOSED']);
    expect(idsAsked()).toEqual(['a', 'b']);
  });

  it('repeats a message whose answer cannot be used', async () => {
    isUsable = false;
    sender.run();
    write('a');
    await acknowledge();
    await jest.advanceTimersByTimeAsync(249);
    expect(told).toEqual([]);
    expect(requests.asked).toHaveLength(1);
    isUsable = true;
    await jest.advanceTimersByTimeAsync(1);
    await acknowledge();
    expect(idsAsked()).toEqual(['a', 'a']);
    expect(told).toEqual(['sent a']);
  });

  it('goes on after a message that was discarded on its way', async () => {
    sender.run();
    write('a', 'b');
    const [entry] = outbox.queue;
    if (entry !== undefined) outbox.fail(entry, new TandemError('UNAVAILABLE'));
    requests.lose();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(idsAsked()).toEqual(['a', 'b']);
    expect(told).toEqual(['failed a UNAVAILABLE']);
  });

  it.each([
    ['forward', DAY_MS],
    ['back', -DAY_MS],
  ])('keeps the wait of a limit when the clock is set %s by a day', async (_way, jumpMs) => {
    sender.run();
    write('a');
    requests.refuse('RATE_LIMITED', 30_000);
    await settled();
    jest.setSystemTime(Date.now() + jumpMs);
    sender.pump();
    await jest.advanceTimersByTimeAsync(29_999);
    expect(requests.asked).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(requests.asked).toHaveLength(2);
  });
});

describe('Sender when the connection is lost', () => {
  it('sends nothing and leaves no timer until there is a new one', async () => {
    sender.run();
    write('a');
    requests.lose();
    await settled();
    outbox.stop();
    expect(jest.getTimerCount()).toBe(1);
    sender.pause();
    expect(jest.getTimerCount()).toBe(0);
    await jest.advanceTimersByTimeAsync(60_000);
    sender.pump();
    expect(requests.asked).toHaveLength(1);
    sender.run();
    expect(idsAsked()).toEqual(['a', 'a']);
  });

  it('does not wait on the new one for what went wrong on the old one', async () => {
    sender.run();
    write('a');
    for (let n = 0; n < 3; n += 1) {
      requests.lose();
      await jest.advanceTimersByTimeAsync(2_000);
    }
    requests.lose();
    await settled();
    sender.pause();
    sender.run();
    expect(requests.asked).toHaveLength(5);
  });

  it('does not wait on the new one for a message that was on its way, either', async () => {
    sender.run();
    write('a');
    for (let n = 0; n < 3; n += 1) {
      requests.lose();
      await jest.advanceTimersByTimeAsync(2_000);
    }
    expect(requests.asked).toHaveLength(4);
    // In this order a connection tells of its end: who waits for an answer hears of it a moment later.
    requests.lose();
    sender.pause();
    await settled();
    sender.run();
    expect(requests.asked).toHaveLength(5);
  });

  it('waits out a limit on the new one too', async () => {
    sender.run();
    write('a');
    requests.refuse('RATE_LIMITED', 30_000);
    await settled();
    sender.pause();
    sender.run();
    await jest.advanceTimersByTimeAsync(29_999);
    expect(requests.asked).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(requests.asked).toHaveLength(2);
  });

  it('has one message on its way, also when a new one is there before the answer of the old is given up', async () => {
    sender.run();
    write('a', 'b');
    sender.pause();
    sender.run();
    expect(idsAsked()).toEqual(['a']);
    requests.lose();
    await jest.advanceTimersByTimeAsync(250);
    expect(idsAsked()).toEqual(['a', 'a']);
  });
});

describe('Sender of an encrypted session', () => {
  it('sends the ciphertext, and the same at each repetition', async () => {
    let sealed = 0;
    seal = ({ id }) => Promise.resolve(`ciphertext ${(sealed += 1)} of ${id}`);
    stage();
    sender.run();
    write('a');
    await settled();
    requests.lose();
    await jest.advanceTimersByTimeAsync(250);
    expect(requests.payloads).toEqual(Array(2).fill({ id: 'a', type: 'text', body: 'ciphertext 1 of a' }));
  });

  it('fails a message that cannot be encrypted, sends nothing of it, and goes on', async () => {
    seal = ({ id }) => (id === 'a' ? Promise.reject(new Error('no')) : Promise.resolve('ciphertext'));
    stage();
    sender.run();
    write('a', 'b');
    await settled();
    expect(told).toEqual(['failed a INVALID_PAYLOAD']);
    expect(requests.payloads).toEqual([{ id: 'b', type: 'text', body: 'ciphertext' }]);
  });

  it('does not send what was discarded while it was encrypted', async () => {
    const waiting: ((sealed: JsonValue) => void)[] = [];
    seal = () => new Promise((resolve) => waiting.push(resolve));
    stage();
    sender.run();
    write('a', 'b');
    const [entry] = outbox.queue;
    if (entry !== undefined) outbox.fail(entry, new TandemError('UNAVAILABLE'));
    for (const resolve of waiting) resolve('ciphertext');
    await settled();
    waiting[1]?.('ciphertext');
    await settled();
    expect(idsAsked()).toEqual(['b']);
  });

  it('stores nothing of what was discarded while it was encrypted', async () => {
    let encrypted: (sealed: JsonValue) => void = () => undefined;
    seal = () => new Promise((resolve) => (encrypted = resolve));
    const storage = new FakeStorage();
    stage(storage);
    sender.run();
    write('a');
    const [entry] = outbox.queue;
    if (entry !== undefined) outbox.fail(entry, new TandemError('UNAVAILABLE'));
    encrypted('ciphertext');
    await settled();
    expect([...storage.items.keys()]).toEqual([]);
  });

  it('sends what was put back in front while another was encrypted first', async () => {
    const waiting: ((sealed: JsonValue) => void)[] = [];
    seal = () => new Promise((resolve) => waiting.push(resolve));
    stage();
    sender.run();
    write('a');
    waiting[0]?.('ciphertext');
    await settled();
    await acknowledge();
    write('b');
    outbox.putBack(outbox.doubt(0));
    waiting[1]?.('ciphertext');
    await settled();
    expect(idsAsked()).toEqual(['a', 'a']);
    await acknowledge();
    expect(idsAsked()).toEqual(['a', 'a', 'b']);
  });

  it('sends what was encrypted while the connection was lost on the next one', async () => {
    const waiting: ((sealed: JsonValue) => void)[] = [];
    seal = () => new Promise((resolve) => waiting.push(resolve));
    stage();
    sender.run();
    write('a');
    sender.pause();
    waiting[0]?.('ciphertext');
    await settled();
    expect(requests.asked).toHaveLength(0);
    sender.run();
    await settled();
    expect(requests.payloads).toEqual([{ id: 'a', type: 'text', body: 'ciphertext' }]);
  });
});
