import { beforeEach, describe, expect, it } from '@jest/globals';
import { FakeStorage } from './support/fake-storage.ts';
import { LossySession } from './support/lossy-session.ts';
import { Random } from './support/random.ts';
import { idOf, Side } from './support/side.ts';
import { only } from './support/slow-network.ts';
import { VirtualTime } from './support/virtual-time.ts';

const DAY_MS = 86_400_000;

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

describe.each([
  ['forward', DAY_MS],
  ['back', -DAY_MS],
])('a clock that is set %s by a day', (_way, jumpMs) => {
  it('changes nothing of a message that is on its way', async () => {
    ada.network.answers = only('message:send', () => [6_500]);
    ada.send('one');
    await time.pass(1_000);
    time.skewMs += jumpMs;
    await time.pass(6_000);
    expect(ada.outcomes).toEqual([`${idOf('one')} is 1`]);
    time.skewMs -= jumpMs;
    await time.pass(60_000);
    expect(ada.sends).toEqual([idOf('one')]);
    expect([ada.network.lines, bob.network.lines]).toEqual([1, 1]);
    expect(ada.told).toEqual([`sent 1 ${idOf('one')}`, `message 1 ${idOf('one')}`]);
    expect(bob.told).toEqual(stored());
  });

  it('gives up nothing that is queued, and finds the way back in the same time', async () => {
    const side = new Side(far, time, { queue: { maxAgeMs: 3_600_000 } });
    await side.sitDown();
    side.network.isDown = true;
    far.cut();
    side.send('one');
    await time.pass(60_000);
    time.skewMs += jumpMs;
    await time.pass(60_000);
    expect(side.outcomes).toEqual([]);
    side.network.isDown = false;
    await time.pass(2_100);
    expect(side.outcomes).toEqual([`${idOf('one')} is 1`]);
    expect(side.sends).toEqual([idOf('one')]);
    expect(bob.messages).toEqual(stored());
  });
});

describe('a clock that stands still while time passes', () => {
  it('lets a message grow old all the same', async () => {
    const still = { now: () => 0, monotonic: () => time.monotonic(), after: time.after.bind(time) };
    const side = new Side(far, time, { queue: { maxAgeMs: 3_600_000 } }, still);
    await side.sitDown();
    side.network.isDown = true;
    far.cut();
    side.send('one');
    await time.pass(3_599_999);
    expect(side.outcomes).toEqual([]);
    await time.pass(1);
    expect(side.told).toEqual([`failed ${idOf('one')} UNAVAILABLE`]);
    side.network.isDown = false;
    await time.pass(2_100);
    side.send('two');
    await time.pass(1_000);
    expect(side.outcomes).toEqual([`${idOf('one')} failed`, `${idOf('two')} is 1`]);
  });
});

describe('a device that slept while its connection died without a word', () => {
  it('is back within seconds of waking, with what it missed', async () => {
    ada.network.requests = ({ line }) => (line === 1 ? [] : [0]);
    ada.network.events = ({ line }) => (line === 1 ? [] : [0]);
    // Timers stood still with the device.
    time.skewMs += 600_000;
    bob.send('one');
    await time.pass(5_000 + 3_000 + 500);
    expect(ada.network.lines).toBe(2);
    expect(ada.messages).toEqual(stored());
  });
});

describe('a page that is reloaded under another time', () => {
  async function reloadWith(jumpMs: number, isStored: boolean): Promise<Side> {
    const storage = new FakeStorage();
    const old = new Side(far, time, { storage });
    await old.sitDown();
    if (isStored) old.network.answers = only('message:send', () => []);
    else old.network.requests = only('message:send', () => []);
    old.send('one');
    await time.pass(1_000);
    old.client.close();
    time.skewMs += jumpMs;
    const reloaded = new Side(far, time, { storage });
    reloaded.restore();
    await time.pass(10_000);
    return reloaded;
  }

  it.each([0, -DAY_MS])('sends what is queued once (%p ms later)', async (jumpMs) => {
    const side = await reloadWith(jumpMs, false);
    expect(side.sends).toEqual([idOf('one')]);
    expect(side.told).toEqual([`sent 1 ${idOf('one')}`, `message 1 ${idOf('one')}`]);
    expect(bob.messages).toEqual(stored());
  });

  it('gives up what is a day old, once it is known that the server does not have it', async () => {
    const side = await reloadWith(DAY_MS, false);
    expect(side.told).toEqual([`failed ${idOf('one')} UNAVAILABLE`]);
    expect(side.sends).toEqual([]);
    expect(far.log).toEqual([]);
  });

  it.each([0, DAY_MS, -DAY_MS])('finds a message that had arrived, however old (%p ms later)', async (jumpMs) => {
    const side = await reloadWith(jumpMs, true);
    expect(side.sends).toEqual([]);
    expect(side.told).toEqual([`sent 1 ${idOf('one')}`, `message 1 ${idOf('one')}`]);
    expect(bob.messages).toEqual(stored());
    expect(far.log).toHaveLength(1);
  });
});
