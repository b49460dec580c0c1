import { beforeEach, describe, expect, it } from '@jest/globals';
import type { TandemSession } from '../client/session.ts';
import { FakeStorage } from './support/fake-storage.ts';
import { LossySession } from './support/lossy-session.ts';
import { Random } from './support/random.ts';
import { idOf, Side } from './support/side.ts';
import { only } from './support/slow-network.ts';
import { VirtualTime } from './support/virtual-time.ts';

let time: VirtualTime;
let far: LossySession;
let ada: Side;
let bob: Side;

/** What is in the store, as a client that misses nothing tells of it. */
function stored(): string[] {
  return far.log.map(({ seq, id }) => `message ${seq} ${id}`);
}

beforeEach(async () => {
  time = new VirtualTime();
  far = new LossySession(time, new Random(1));
  ada = new Side(far, time);
  bob = new Side(far, time);
  await ada.sitDown();
  await bob.sitDown();
});

describe('an answer that comes later than the client waits for it', () => {
  it.each([
    ['before the message is repeated', 7_100],
    ['while the repetition is under way', 7_251],
    ['after the message was settled', 8_000],
    ['when everybody has forgotten it', 3_600_000],
  ])('%s: the message is stored, told and settled once', async (_when, lateMs) => {
    ada.network.answers = only('message:send', ({ nth }) => (nth === 1 ? [lateMs] : [0]));
    ada.send('one');
    await time.pass(lateMs + 60_000);
    expect(ada.sends).toEqual([idOf('one'), idOf('one')]);
    expect(far.log.map(({ id }) => id)).toEqual([idOf('one')]);
    expect(ada.told).toEqual([`sent 1 ${idOf('one')}`, `message 1 ${idOf('one')}`]);
    expect(bob.told).toEqual([`message 1 ${idOf('one')}`]);
    expect(ada.outcomes).toEqual([`${idOf('one')} is 1`]);
    expect(ada.session.queue).toEqual([]);
    expect(ada.network.lines).toBe(1);
  });

  it('to a command that reached the server late too, after its repetition', async () => {
    ada.network.requests = only('message:send', ({ nth }) => (nth === 1 ? [9_000] : [0]));
    ada.send('one', 'two');
    await time.pass(60_000);
    expect(ada.sends).toEqual([idOf('one'), idOf('one'), idOf('two')]);
    expect(stored()).toEqual([`message 1 ${idOf('one')}`, `message 2 ${idOf('two')}`]);
    expect(bob.told).toEqual(stored());
    expect(ada.messages).toEqual(stored());
    expect(ada.outcomes).toEqual([`${idOf('one')} is 1`, `${idOf('two')} is 2`]);
  });

  it('each time: the message is found in the session as soon as its head is told', async () => {
    ada.network.answers = only('message:send', () => [8_000]);
    ada.send('one');
    await time.pass(10_000);
    far.tellHead();
    await time.pass(60_000);
    expect(ada.outcomes).toEqual([`${idOf('one')} is 1`]);
    expect(ada.told).toEqual([`sent 1 ${idOf('one')}`, `message 1 ${idOf('one')}`]);
    expect(bob.told).toEqual(stored());
    expect(far.log).toHaveLength(1);
  });

  it('to whoever takes a seat: it is asked for again under one key', async () => {
    const side = new Side(far, time);
    side.network.answers = only('session:create', ({ nth }) => (nth === 1 ? [8_000] : [0]));
    const repeats: unknown[] = [];
    const taken: TandemSession[] = [];
    void side.client.create({ onRepeat: (error) => repeats.push(error) }).then((session) => taken.push(session));
    await time.pass(60_000);
    const keys = side.network.payloads('session:create').map(({ key }) => key);
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
    expect(repeats).toEqual([null]);
    expect(taken).toHaveLength(1);
  });
});

describe('an answer that comes twice', () => {
  it.each([[[0, 0]], [[0, 2_000]], [[0, 60_000]]])('(after %j ms) counts once', async (delays) => {
    ada.network.answers = () => delays;
    ada.network.events = () => delays;
    bob.network.events = () => delays;
    ada.send('one', 'two');
    await time.pass(1_000);
    ada.send('three');
    await time.pass(120_000);
    expect(ada.sends).toEqual(['one', 'two', 'three'].map(idOf));
    expect(ada.outcomes).toEqual(['one', 'two', 'three'].map((name, index) => `${idOf(name)} is ${index + 1}`));
    expect(ada.told.filter((what) => what.startsWith('sent'))).toHaveLength(3);
    expect(ada.messages).toEqual(stored());
    expect(bob.told).toEqual(stored());
  });
});

describe('answers out of order', () => {
  it('settle their own messages, which keep their order', async () => {
    // Those of the first attempts at `one` and `two` come when `two` and `three` are on their way.
    const delays = new Map([
      [1, 9_000],
      [3, 8_500],
      [5, 6_000],
    ]);
    ada.network.answers = only('message:send', ({ nth }) => [delays.get(nth) ?? 0]);
    ada.send('one', 'two', 'three');
    await time.pass(60_000);
    expect(ada.sends).toEqual(['one', 'one', 'two', 'two', 'three'].map(idOf));
    expect(far.log.map(({ body }) => body)).toEqual(['one', 'two', 'three']);
    expect(ada.outcomes).toEqual(['one', 'two', 'three'].map((name, index) => `${idOf(name)} is ${index + 1}`));
    expect(ada.messages).toEqual(stored());
    expect(bob.told).toEqual(stored());
  });

  it('go each to the one who asked', async () => {
    bob.send('one', 'two', 'three', 'four', 'five', 'six');
    await time.pass(10_000);
    ada.network.answers = only('message:history', ({ nth }) => [nth === 1 ? 5_000 : 0]);
    const order: number[] = [];
    const pages = [0, 3].map(async (afterSeq) => {
      const { messages } = await ada.session.history({ afterSeq });
      order.push(afterSeq);
      return messages.map(({ seq }) => seq);
    });
    await time.pass(6_000);
    expect(await Promise.all(pages)).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(order).toEqual([3, 0]);
  });
});

describe('an answer that never comes', () => {
  it('renews the connection, on which the message is sent again under its id', async () => {
    ada.network.requests = only('message:send', ({ nth }) => (nth <= 2 ? [] : [0]));
    ada.send('one', 'two');
    await time.pass(60_000);
    expect(ada.network.lines).toBe(2);
    expect(ada.sends).toEqual(['one', 'one', 'one', 'two'].map(idOf));
    expect(ada.network.asked.filter(({ command }) => command === 'message:send').map(({ line }) => line)).toEqual([
      1, 1, 2, 2,
    ]);
    expect(ada.outcomes).toEqual([`${idOf('one')} is 1`, `${idOf('two')} is 2`]);
    expect(ada.messages).toEqual(stored());
    expect(bob.told).toEqual(stored());
    expect(far.log).toHaveLength(2);
  });

  it('renews the connection, on which a message that had arrived is found and not sent again', async () => {
    ada.network.answers = only('message:send', ({ line }) => (line === 1 ? [] : [0]));
    ada.send('one', 'two');
    await time.pass(60_000);
    expect(ada.network.lines).toBe(2);
    expect(ada.sends).toEqual(['one', 'one', 'two'].map(idOf));
    expect(ada.outcomes).toEqual([`${idOf('one')} is 1`, `${idOf('two')} is 2`]);
    expect(ada.messages).toEqual(stored());
    expect(bob.told).toEqual(stored());
  });

  it('on connection after connection: the message waits, and is stored once', async () => {
    ada.network.requests = only('message:send', ({ line }) => (line <= 3 ? [] : [0]));
    ada.send('one');
    await time.pass(180_000);
    expect(ada.network.lines).toBe(4);
    expect(new Set(ada.sends)).toEqual(new Set([idOf('one')]));
    expect(ada.outcomes).toEqual([`${idOf('one')} is 1`]);
    expect(stored()).toEqual([`message 1 ${idOf('one')}`]);
    expect(bob.told).toEqual(stored());
  });
});

describe('a resume', () => {
  /** Both have said something, and the connection of one is cut while the other goes on talking. */
  async function cutOff(): Promise<void> {
    ada.send('one');
    bob.send('two');
    await time.pass(1_000);
    far.cut();
    ada.send('own');
    await time.pass(3_000);
    bob.send('four', 'five');
    await time.pass(2_000);
  }

  it.each([
    ['late', [9_000], 1, 2],
    ['later than the client waits for it', [12_000], 1, 3],
    ['never', [], 1, 3],
    ['never, and never on the next connection', [], 2, 4],
  ])('that is answered %s brings each message once, and sends nothing before', async (_when, delays, times, lines) => {
    ada.network.events = only('session:resumed', ({ nth }) => (nth <= times ? delays : [0]));
    await cutOff();
    expect(ada.sends).toEqual([idOf('one')]);
    expect(bob.messages).toEqual(stored());
    await time.pass(60_000);
    expect(ada.network.lines).toBe(lines);
    expect(ada.sends).toEqual([idOf('one'), idOf('own')]);
    expect(far.log).toHaveLength(5);
    expect(ada.messages).toEqual(stored());
    expect(bob.messages).toEqual(stored());
    expect(ada.outcomes).toEqual([`${idOf('one')} is 1`, `${idOf('own')} is 5`]);
  });

  it('that is answered twice, the second time long after, brings each message once', async () => {
    ada.network.events = only('session:resumed', () => [0, 20_000]);
    await cutOff();
    await time.pass(60_000);
    ada.send('last');
    await time.pass(60_000);
    expect(ada.network.lines).toBe(2);
    expect(ada.messages).toEqual(stored());
    expect(bob.messages).toEqual(stored());
    expect(ada.sends).toEqual(['one', 'own', 'last'].map(idOf));
  });

  it('after a rollback gives no message up when the page is reloaded before everything was read', async () => {
    const storage = new FakeStorage();
    const old = new Side(far, time, { storage });
    await old.sitDown();
    old.network.events = only('session:head', () => []);
    bob.send('one', 'two', 'three', 'four', 'five', 'six');
    await time.pass(10_000);
    old.send('mine', 'mine-too');
    await time.pass(1_000);
    expect(far.log).toHaveLength(8);
    old.network.answers = only('message:history', () => []);
    far.durableSeq = 6;
    far.lose();
    await time.pass(3_000);
    expect(old.told).toContain('reset 0');
    expect(old.network.payloads('message:history')).toHaveLength(1);
    old.client.close();

    const reloaded = new Side(far, time, { storage });
    reloaded.restore();
    await time.pass(60_000);
    expect(far.log.slice(6).map(({ body }) => body)).toEqual(['mine', 'mine-too']);
    expect(bob.messages.slice(-2)).toEqual(stored().slice(6));
  });
});
