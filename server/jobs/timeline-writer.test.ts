import { describe, expect, it } from '@jest/globals';
import { TandemError } from '../../protocol/errors.ts';
import type { RecordedEvent } from '../sessions/ports.ts';
import { COUNTED_MS, TimelineQueue } from '../sessions/timeline-queue.ts';
import { eventually } from '../../test/support/eventually.ts';
import { createTimelineWriter } from './timeline-writer.ts';

const AWAY = new TandemError('UNAVAILABLE', 'The database is away.');
const LOSS_TOLD_EVERY_MS = 60_000;

/** Keeps events as the store does: each id once, with the highest count. */
class Store {
  readonly calls: (readonly RecordedEvent[])[] = [];
  readonly rows = new Map<string, RecordedEvent>();
  failure: Error | null = null;
  /** The call stores what it was given, and its answer is lost. */
  losesAnswer = false;
  onCall: () => void = () => undefined;
  #calledBack: (() => void)[] = [];

  async recordEvents(events: readonly RecordedEvent[]): Promise<void> {
    this.calls.push(events);
    this.onCall();
    const { failure, losesAnswer } = this;
    for (const resolve of this.#calledBack.splice(0)) resolve();
    await Promise.resolve();
    if (failure !== null && !losesAnswer) throw failure;
    for (const event of events) {
      if (event.count > (this.rows.get(event.id)?.count ?? 0)) this.rows.set(event.id, event);
    }
    if (failure !== null) throw failure;
  }

  called(): Promise<void> {
    return new Promise((resolve) => this.#calledBack.push(resolve));
  }

  told(): unknown[] {
    return [...this.rows.values()].map(({ participantId, kind, reason, count }) => [
      participantId,
      kind,
      reason,
      count,
    ]);
  }
}

function open({ most }: { most?: number } = {}) {
  let now = 1_800_000_000_000;
  let clock = 0;
  let ids = 0;
  const store = new Store();
  const lost: number[] = [];
  const errors: unknown[] = [];
  const timeline = new TimelineQueue({
    now: () => now,
    newId: () => `event-${(ids += 1)}`,
    ...(most === undefined ? {} : { most }),
  });
  const writer = createTimelineWriter({
    timeline,
    durable: store,
    onLost: (count) => lost.push(count),
    onError: (error) => errors.push(error),
    intervalMs: 1,
    clock: () => clock,
  });
  return {
    ...{ store, lost, errors, timeline, writer },
    advance: (ms: number) => {
      now += ms;
      clock += ms;
    },
  };
}

describe('the timeline of sessions', () => {
  it('is stored in the order in which it happened, some at a time, and each event once', async () => {
    const { store, timeline, writer } = open();
    timeline.away('session-1', 'ann', 1_700_000_000_000);
    timeline.limited('session-1', 'bob', 'messages_user');
    timeline.resumed('session-1', 'ann', false);
    timeline.resumed('session-2', 'cyd', true);
    const called = store.called();
    writer.start();
    await called;
    await writer.stop();
    await writer.stop();
    expect(store.calls).toHaveLength(1);
    expect(store.calls[0]?.[0]).toEqual({
      ...{ id: 'event-1', sessionId: 'session-1', participantId: 'ann', kind: 'away', reason: null, count: 1 },
      at: 1_700_000_000_000,
    });
    expect(store.told()).toEqual([
      ['ann', 'away', null, 1],
      ['bob', 'limited', 'messages_user', 1],
      ['ann', 'resumed', null, 1],
      ['cyd', 'resumed', 'reset', 1],
    ]);
  });

  it('counts 100,000 refusals in a few events', async () => {
    const { store, timeline, writer, advance } = open();
    for (let n = 0; n < 100_000; n += 1) {
      timeline.limited('session-1', n % 2 === 0 ? 'ann' : 'bob', n % 10 < 5 ? 'messages_user' : 'commands_connection');
      // 25 seconds in all, and a stop in the middle of each count.
      if (n % 4 === 0) advance(1);
      if (n % 10_000 === 0) timeline.settle(timeline.take(1000));
    }
    await writer.stop();
    expect(timeline.size).toBe(0);
    const rows = [...store.rows.values()];
    expect(rows.length).toBeLessThanOrEqual(4 * 3);
    expect(rows.every(({ count }) => count <= COUNTED_MS)).toBe(true);
  });

  it('counts on in an event that is stored already, for ten seconds', async () => {
    const { store, timeline, writer, advance } = open();
    const refuse = () => timeline.limited('session-1', 'ann', 'messages_user');
    refuse();
    const stored = store.called();
    writer.start();
    await stored;
    advance(COUNTED_MS - 1);
    // Of the same participant: another limit is another event.
    timeline.limited('session-1', 'ann', 'messages_ip');
    refuse();
    refuse();
    advance(1);
    refuse();
    // Set back, a clock ends a count as well.
    advance(-COUNTED_MS);
    refuse();
    await writer.stop();
    expect(store.told()).toEqual([
      ['ann', 'limited', 'messages_user', 3],
      ['ann', 'limited', 'messages_ip', 1],
      ['ann', 'limited', 'messages_user', 1],
      ['ann', 'limited', 'messages_user', 1],
    ]);
  });

  it('keeps what was counted while a call was under way', async () => {
    const { store, timeline, writer, lost } = open();
    timeline.limited('session-1', 'ann', 'messages_user');
    store.onCall = () => {
      if (store.calls.length === 1) timeline.limited('session-1', 'ann', 'messages_user');
    };
    const first = store.called();
    writer.start();
    await first;
    await store.called();
    await writer.stop();
    expect(store.told()).toEqual([['ann', 'limited', 'messages_user', 2]]);
    expect([store.calls.length, lost]).toEqual([2, []]);
  });

  it('waits while the store is away, and is stored once although an answer was lost', async () => {
    const { store, errors, timeline, writer, lost } = open();
    timeline.away('session-1', 'ann');
    store.failure = AWAY;
    const failed = store.called();
    writer.start();
    await failed;
    timeline.resumed('session-1', 'ann', false);
    store.losesAnswer = true;
    await store.called();
    store.failure = null;
    await store.called();
    await writer.stop();
    expect(store.told()).toEqual([
      ['ann', 'away', null, 1],
      ['ann', 'resumed', null, 1],
    ]);
    expect(new Set(errors)).toEqual(new Set([AWAY]));
    expect(lost).toEqual([]);
  });

  it('loses the oldest when too many wait, and says how many, once a minute', async () => {
    const { store, timeline, writer, lost, advance } = open({ most: 3 });
    store.failure = AWAY;
    const away = (from: number, to: number) => {
      for (let n = from; n <= to; n += 1) timeline.away('session-1', `participant-${n}`);
    };
    away(1, 5);
    const failed = store.called();
    writer.start();
    await failed;
    // The third call comes after the end of the second round.
    await store.called();
    away(6, 6);
    await store.called();
    await store.called();
    expect(lost).toEqual([2]);
    advance(LOSS_TOLD_EVERY_MS);
    await store.called();
    await store.called();
    expect(lost).toEqual([2, 1]);
    store.failure = null;
    await store.called();
    await writer.stop();
    expect(store.told()).toEqual([4, 5, 6].map((n) => [`participant-${n}`, 'away', null, 1]));
  });

  it('gives up what the store refuses for what it is, and goes on with the rest', async () => {
    const { store, errors, timeline, writer, lost } = open();
    const refusal = new Error('invalid input syntax');
    for (let n = 1; n <= 251; n += 1) timeline.away('session-1', `participant-${n}`);
    store.onCall = () => {
      store.failure = store.calls.length === 1 ? refusal : null;
    };
    await writer.stop();
    expect(store.told()).toEqual([['participant-251', 'away', null, 1]]);
    expect([errors, lost]).toEqual([[refusal], [250]]);
  });

  it('finds the one event that the store never gets done with, and stores all others', async () => {
    const { store, timeline, writer, lost } = open();
    for (let n = 1; n <= 300; n += 1) timeline.away('session-1', `participant-${n}`);
    const poisoned = (events: readonly RecordedEvent[]) =>
      events.some(({ participantId }) => participantId === 'participant-170');
    store.onCall = () => (store.failure = poisoned(store.calls.at(-1) ?? []) ? AWAY : null);
    writer.start();
    await eventually(() => {
      if (timeline.size > 0) throw new Error(`${timeline.size} wait after ${store.calls.length} calls`);
      return Promise.resolve();
    });
    await writer.stop();
    expect(store.rows.size).toBe(299);
    expect(store.told()).not.toContainEqual(['participant-170', 'away', null, 1]);
    expect(lost).toEqual([1]);
    // In some tens of calls: that is a minute without the others, and not the life of the process.
    expect(store.calls.length).toBeLessThan(60);
  });

  it('gives nothing up while the store is away, however long', async () => {
    const { store, timeline, writer, lost } = open();
    for (let n = 1; n <= 40; n += 1) timeline.away('session-1', `participant-${n}`);
    store.failure = AWAY;
    writer.start();
    while (store.calls.length < 40) await store.called();
    expect(timeline.size).toBe(40);
    store.failure = null;
    await store.called();
    await writer.stop();
    expect([store.rows.size, lost]).toEqual([40, []]);
  });

  it('ends a stop while the store is away, and says what is lost', async () => {
    const { store, timeline, writer, lost } = open();
    store.failure = AWAY;
    timeline.away('session-1', 'ann');
    timeline.away('session-1', 'bob');
    await writer.stop();
    expect(lost).toEqual([2]);
    expect(store.calls).toHaveLength(1);
  });
});
