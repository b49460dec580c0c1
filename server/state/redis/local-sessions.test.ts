import { beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../../test/support/eventually.ts';
import type { Message } from '../../../protocol/session.ts';
import { deliveryOf } from '../../sessions/message-text.ts';
import type { SeatHolder } from '../../sessions/session.ts';
import { LocalSessions, type LoggedMessages } from './local-sessions.ts';

const ID = 'session';
const SENDER: SeatHolder = { seatId: 'seat', generation: 4 };

let log: Message[];
let epoch: number;
let told: { id: string; seq: number; generation: number }[];
let faults: unknown[];
let contradictions: [string, number][];
let reads: number[];
/** Runs before the log is read. */
let onRead: (afterSeq: number) => Promise<void>;
/** Runs when the log was read, before it is known here what it has. */
let onAnswer: () => void;
let page: number;
let local: LocalSessions;

beforeEach(() => {
  [log, epoch, told, faults, reads, page] = [[], 1, [], [], [], 500];
  contradictions = [];
  onRead = () => Promise.resolve();
  onAnswer = () => undefined;
  local = new LocalSessions({
    onMessage: ({ id, seq }, { generation }) => told.push({ id, seq, generation }),
    onContradiction: (id, of) => contradictions.push([id, of]),
    onFault: (error) => faults.push(error),
    readAfter: async (_, afterSeq): Promise<LoggedMessages> => {
      reads.push(afterSeq);
      await onRead(afterSeq);
      const messages = log.filter(({ seq }) => seq > afterSeq).slice(0, page);
      const logged = { epoch, lastSeq: log.at(-1)?.seq ?? 0, messages };
      onAnswer();
      return logged;
    },
  });
});

function logged(seq: number): Message {
  const known = log.find((message) => message.seq === seq);
  if (known !== undefined) return known;
  const message = { id: `m${String(seq)}`, seq, sessionId: ID, from: 'seat', type: 'text', body: seq, sentAt: '' };
  log.push(message);
  return message;
}

const head = (lastSeq: number, version = 1) => ({ epoch, lastSeq, durableSeq: 0, version });

/** The session is held here from `lastSeq` on. */
function hold(lastSeq = 0): void {
  local.changing(ID);
  local.changed(ID, head(lastSeq), true);
}

const seqs = () => told.map(({ seq }) => seq);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** What happens without our asking. */
function seen(check: () => void): Promise<void> {
  return eventually(() => {
    check();
    return Promise.resolve();
  });
}

function arrive(...numbers: number[]): void {
  for (const seq of numbers) local.arrived(deliveryOf(logged(seq)), SENDER, epoch);
}

describe('a session that is held here', () => {
  it('tells of each message once and in turn, in whatever order they come', () => {
    hold();
    arrive(2, 4, 1, 1, 3, 2, 6, 5, 4);
    expect(seqs()).toEqual(range(1, 6));
    expect(reads).toEqual([]);
  });

  it('fills a hole that stays from the log, and says who sent what came by itself', async () => {
    hold();
    for (const seq of range(1, 5)) logged(seq);
    arrive(1, 3, 5);
    await seen(() => expect(seqs()).toEqual(range(1, 5)));
    expect(told.map(({ generation }) => generation)).toEqual([4, -1, 4, -1, 4]);
    expect(reads).toEqual([1]);
  });

  it('goes on behind a hole that the log no longer has', async () => {
    hold();
    log = [];
    for (const seq of range(8, 9)) logged(seq);
    arrive(9);
    await seen(() => expect(seqs()).toEqual([8, 9]));
  });

  it('reads the tail that nobody told of when the head shows it, page by page', async () => {
    hold();
    page = 3;
    for (const seq of range(1, 8)) logged(seq);
    expect(local.compare(ID, head(8))).toBe(true);
    expect(local.compare(ID, head(8))).toBe(false);
    await seen(() => expect(seqs()).toEqual(range(1, 8)));
  });

  it('says so when a number that was told comes with another message, and does not tell of that', () => {
    hold();
    arrive(1, 2);
    const twice = deliveryOf({ ...logged(2), id: 'another' });
    local.arrived(twice, SENDER, epoch);
    expect(contradictions).toEqual([[ID, 1]]);
    expect(seqs()).toEqual([1, 2]);
    // The same one again is none, and the same id of another sender is.
    arrive(1, 2);
    local.appended(deliveryOf({ ...logged(1), from: 'other seat' }), SENDER, epoch);
    expect(contradictions).toHaveLength(2);
    expect(seqs()).toEqual([1, 2]);
  });

  it('takes no message of another epoch', () => {
    hold();
    local.arrived(deliveryOf(logged(1)), SENDER, 2);
    expect(seqs()).toEqual([]);
  });

  it('reports a log that cannot be read, and reads it again with the next look', async () => {
    hold();
    for (const seq of range(1, 3)) logged(seq);
    onRead = () => Promise.reject(new Error('away'));
    local.compare(ID, head(3));
    await seen(() => expect(faults).toHaveLength(1));
    onRead = () => Promise.resolve();
    local.compare(ID, head(3));
    await seen(() => expect(seqs()).toEqual(range(1, 3)));
  });

  it('is told of whatever listeners throw, and goes on', () => {
    const failing = new LocalSessions({
      onMessage: ({ id, seq }) => {
        told.push({ id, seq, generation: 0 });
        throw new Error('a listener');
      },
      onContradiction: () => undefined,
      onFault: (error) => faults.push(error),
      readAfter: () => Promise.resolve(null),
    });
    failing.changing(ID);
    failing.changed(ID, head(0), true);
    for (const seq of [1, 2]) failing.arrived(deliveryOf(logged(seq)), SENDER, epoch);
    expect(seqs()).toEqual([1, 2]);
    expect(faults).toHaveLength(2);
  });

  it('leaves nothing behind when it is no longer held', async () => {
    hold();
    arrive(2);
    local.changing(ID);
    local.changed(ID, head(2, 2), false);
    expect([...local.ids()]).toEqual([]);
    arrive(1, 3);
    await local.repair(ID);
    expect(seqs()).toEqual([]);
    expect(reads).toEqual([]);
  });
});

describe('a change', () => {
  it('is told of after everything below its head and before everything above', async () => {
    hold();
    const order: (number | string)[] = [];
    const telling = new LocalSessions({
      onMessage: ({ seq }) => order.push(seq),
      onContradiction: () => undefined,
      onFault: (error) => faults.push(error),
      readAfter: () => Promise.resolve({ epoch, lastSeq: 5, messages: log }),
    });
    telling.changing(ID);
    telling.changed(ID, head(0), true);
    telling.changing(ID);
    for (const seq of range(1, 5)) logged(seq);
    for (const seq of [1, 2, 5, 4]) telling.arrived(deliveryOf(logged(seq)), SENDER, epoch);
    expect(order).toEqual([]);
    await telling.reached(ID, head(3));
    order.push('change');
    telling.changed(ID, head(3, 2), true);
    expect(order).toEqual([1, 2, 3, 'change', 4, 5]);
  });

  it('reads more than a page below its head, and does not take a message from the one who sent it', async () => {
    hold();
    page = 10;
    for (const seq of range(1, 35)) logged(seq);
    local.changing(ID);
    arrive(33);
    onRead = () => {
      arrive(34);
      return Promise.resolve();
    };
    await local.reached(ID, head(35));
    expect(seqs()).toEqual(range(1, 35));
    expect(told.filter(({ generation }) => generation === 4).map(({ seq }) => seq)).toEqual([33, 34]);
    local.changed(ID, head(35, 2), true);
    expect(seqs()).toEqual(range(1, 35));
  });

  it('that gives the first seat here begins at its head, with what came meanwhile', () => {
    local.changing(ID);
    arrive(3, 4);
    local.changed(ID, head(3), true);
    expect(seqs()).toEqual([4]);
    expect(local.seenSeq(ID)).toBe(4);
  });

  it('that failed leaves things as they were', () => {
    local.changing(ID);
    arrive(1);
    local.unchanged(ID);
    expect(local.has(ID)).toBe(false);
    hold(1);
    local.changing(ID);
    arrive(2);
    local.unchanged(ID);
    expect(seqs()).toEqual([2]);
  });

  it('does not lose what a repair found while it was under way', async () => {
    hold();
    for (const seq of range(1, 4)) logged(seq);
    onRead = () => {
      local.changing(ID);
      onRead = () => Promise.resolve();
      return Promise.resolve();
    };
    await local.repair(ID);
    expect(seqs()).toEqual([]);
    local.changed(ID, head(0, 2), true);
    expect(seqs()).toEqual(range(1, 4));
  });
});

/** Under another epoch a number is that of another message, or of none. */
describe('an epoch that is over', () => {
  const ofEpoch = (number: number, seq: number) => {
    const body = `${String(seq)} of epoch ${String(number)}`;
    return { id: body, seq, sessionId: ID, from: 'seat', type: 'text', body, sentAt: '' };
  };
  const came = (number: number, ...numbers: number[]) => {
    for (const seq of numbers) local.arrived(deliveryOf(ofEpoch(number, seq)), SENDER, number);
  };
  const ids = () => told.map(({ id }) => id);

  /** Redis goes on with that; those who are here are not told. */
  function lost(...numbers: number[]): void {
    epoch = 2;
    log = numbers.map((seq) => ofEpoch(2, seq));
  }

  /** It is noticed by one who comes back, in whose change all others leave. */
  function begins(lastSeq: number, meanwhile: () => void = () => undefined): void {
    local.changing(ID);
    local.forget(ID);
    lost(...log.filter((message) => message.body === ofEpoch(2, message.seq).body).map(({ seq }) => seq));
    meanwhile();
    local.changed(ID, head(lastSeq, 2), true);
  }

  it('leaves nothing of what came before its turn, or comes when the next has begun', () => {
    hold(95);
    came(1, 97, 98);
    begins(96, () => came(1, 99));
    came(1, 97, 98);
    expect(ids()).toEqual([]);
    expect(local.seenSeq(ID)).toBe(96);
    came(2, 97, 98);
    expect(ids()).toEqual(['97 of epoch 2', '98 of epoch 2']);
  });

  it('contradicts nothing of the next, and does not hide it', () => {
    hold(95);
    came(1, 96);
    begins(95, () => {
      came(2, 96);
      came(1, 96, 97);
      came(2, 97);
      // Somebody else notices late: nobody is here who could leave.
      local.forget(ID);
    });
    expect(contradictions).toEqual([]);
    expect(ids()).toEqual(['96 of epoch 1', '96 of epoch 2', '97 of epoch 2']);
  });

  it('does not say of the head of the next whether it was told', () => {
    hold(95);
    expect(local.compare(ID, head(96))).toBe(true);
    begins(95);
    expect(local.compare(ID, head(95, 2))).toBe(false);
    // Nor does the head of one that those who are here do not know.
    expect(local.compare(ID, { ...head(99, 3), epoch: 3 })).toBe(false);
    expect(local.compare(ID, head(95, 2))).toBe(false);
  });

  it('has no page of its log told under the next, of which what is missing is read all the same', async () => {
    hold(95);
    log = [96, 97, 98].map((seq) => ofEpoch(1, seq));
    onAnswer = () => {
      onAnswer = () => undefined;
      begins(94, () => lost(95, 96));
    };
    await local.repair(ID);
    expect(ids()).toEqual(['95 of epoch 2', '96 of epoch 2']);
    expect(reads).toEqual([95, 94]);
  });

  it('does not say from where the log of the next is to be read', async () => {
    hold(98);
    onRead = () => {
      onRead = () => Promise.resolve();
      begins(96, () => lost(97, 98, 99));
      return Promise.resolve();
    };
    await local.repair(ID);
    expect(ids()).toEqual([97, 98, 99].map((seq) => `${String(seq)} of epoch 2`));
  });

  it.each([
    ['and has them leave', () => local.forget(ID), false],
    ['and they are not told yet', () => undefined, true],
  ])('ends while a change is to be told of, %s: nothing of the next is told first', async (_, noticed, isHeld) => {
    hold(95);
    local.changing(ID);
    onRead = () => {
      lost(96, 97);
      noticed();
      return Promise.resolve();
    };
    await local.reached(ID, { epoch: 1, lastSeq: 97 });
    expect({ ids: ids(), isHeld: local.has(ID) }).toEqual({ ids: [], isHeld });
    local.unchanged(ID);
    expect([...local.ids()]).toEqual(isHeld ? [ID] : []);
  });

  it('shows in a number that two messages have: that of the log is told', async () => {
    hold(95);
    const another = (seq: number) => ({ ...ofEpoch(1, seq), id: `another ${String(seq)}` });
    came(1, 97, 98);
    local.arrived(deliveryOf(another(98)), SENDER, 1);
    expect(contradictions).toEqual([[ID, 1]]);
    log = [ofEpoch(1, 96), another(97), another(98)];
    await local.repair(ID);
    expect(ids()).toEqual(['96 of epoch 1', 'another 97', 'another 98']);
    expect(contradictions).toHaveLength(2);
  });
});

it('under every schedule tells of all that was appended, once and in order', async () => {
  let random = 12_345;
  const next = (below: number) => {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    return (random >>> 8) % below;
  };
  for (let round = 0; round < 40; round += 1) {
    [log, told, reads] = [[], [], []];
    page = 1 + next(20);
    hold();
    let isChanging = false;
    const flying: Message[] = [];
    for (let step = 0; step < 120; step += 1) {
      const dice = next(10);
      if (dice < 5) flying.push(logged(log.length + 1));
      else if (dice < 8 && flying.length > 0) {
        const [message] = flying.splice(next(flying.length), 1);
        // One in eight is lost on its way.
        if (message !== undefined && next(8) > 0) local.arrived(deliveryOf(message), SENDER, epoch);
      } else if (isChanging) {
        const at = head(log.length, step);
        await local.reached(ID, at);
        local.changed(ID, at, true);
        isChanging = false;
      } else {
        local.changing(ID);
        isChanging = true;
      }
      if (next(15) === 0) local.compare(ID, head(log.length));
    }
    if (isChanging) local.unchanged(ID);
    logged(log.length + 1);
    await local.repair(ID);
    await local.repair(ID);
    expect(seqs()).toEqual(range(1, log.length));
    local.forget(ID);
  }
  expect(faults).toEqual([]);
});
