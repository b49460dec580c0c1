import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Random, seedOfRun } from '../../../test/support/random.ts';
import { startRedis, type RedisServer } from '../../../test/support/redis-server.ts';
import type { AppendRequest, LimitRequest } from '../../sessions/ports.ts';
import { lockSession, type SeatHolder } from '../../sessions/session.ts';
import {
  HORIZON_MS,
  MINUTE,
  messageOf,
  paired,
  redisAt,
  RedisStage,
  type Instance,
} from './redis-stage.conformance.ts';

/** What is trimmed goes twenty at a time, looked at with each sixteenth. */
const MOST_OVER = 36;

const seed = seedOfRun();
let random: Random;
let server: RedisServer;
let stage: RedisStage;
let here: Instance;
let room: { sessionId: string; host: SeatHolder; guest: SeatHolder };

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

beforeEach(async () => {
  random = new Random(seed);
  stage = await RedisStage.open(redisAt(server.url));
  here = await stage.instance('here');
  room = await paired(stage, here, here);
});
afterEach(() => stage.close());

/** A step of time: mostly a short one, at times one that ends exactly with a window. */
function step(windowMs: number): number {
  return random.pick([0, 0, 1, random.below(windowMs / 20), random.below(windowMs / 3), windowMs - 1, windowMs]);
}

describe(`limits of messages (seed ${seed})`, () => {
  interface Bucket {
    readonly limit: LimitRequest;
    /** When its points were taken. */
    readonly taken: number[];
  }

  function bucketOf(name: string, points: number, durationSeconds: number): Bucket {
    const info = { name, scope: 'user', points, durationSeconds } as const;
    return { limit: { info, bucket: name, blockMs: 0 }, taken: [] };
  }

  /** Milliseconds until it has room, by the rule itself: so many points in no window of the duration. */
  function waitOf({ limit: { info }, taken }: Bucket, now: number): number {
    const counting = taken.filter((at) => at + info.durationSeconds * 1000 > now);
    const last = counting[counting.length - info.points];
    return last === undefined ? 0 : last + info.durationSeconds * 1000 - now;
  }

  function expectationOf(buckets: readonly Bucket[], now: number): { kind: string; retryAfterMs?: number } {
    const retryAfterMs = Math.max(0, ...buckets.map((bucket) => waitOf(bucket, now)));
    if (retryAfterMs > 0) return { kind: 'rate_limited', retryAfterMs };
    for (const { taken } of buckets) taken.push(now);
    return { kind: 'appended' };
  }

  it('hold in every window of time, however many messages come together and with whatever limits', async () => {
    const all = [bucketOf('a', 1, 600), bucketOf('b', 7, 600), bucketOf('c', 40, 900), bucketOf('d', 90, 3600)];
    for (let turn = 0; turn < 400; turn += 1) {
      stage.now += step(600_000);
      const sends = Array.from({ length: 1 + random.below(8) }, () => {
        const buckets = all.filter(() => random.below(3) > 0);
        const request = { ...messageOf(room.sessionId, room.host), limits: buckets.map(({ limit }) => limit) };
        return { request, expected: expectationOf(buckets, stage.now) };
      });
      const results = await Promise.all(sends.map(({ request }) => here.state.append(request)));
      expect(results).toEqual(sends.map(({ expected }) => expect.objectContaining(expected)));
    }
    for (const { limit, taken } of all) {
      const length = Number(await stage.command('LLEN', stage.keys.limit(limit.info.name, limit.bucket)));
      expect(length).toBeLessThanOrEqual(Math.min(taken.length, limit.info.points + MOST_OVER));
    }
  });

  it('keep no more than what counts and a few, at a steady rate as after a long one', async () => {
    const steady = bucketOf('steady', 100, 60);
    const key = stage.keys.limit('steady', 'steady');
    const lengths: number[] = [];
    for (let turn = 0; turn < 90; turn += 1) {
      // Ten in each three seconds, which is twice of what it lets through; then one in three.
      stage.now += 3000;
      const sends = Array.from({ length: turn < 30 ? 10 : 1 }, () => ({
        request: { ...messageOf(room.sessionId, room.host), limits: [steady.limit] },
        expected: expectationOf([steady], stage.now),
      }));
      const results = await Promise.all(sends.map(({ request }) => here.state.append(request)));
      expect(results).toEqual(sends.map(({ expected }) => expect.objectContaining(expected)));
      lengths.push(Number(await stage.command('LLEN', key)));
    }
    expect(Math.max(...lengths)).toBeLessThanOrEqual(100 + MOST_OVER);
    expect(lengths.at(-1)).toBeLessThanOrEqual(20 + MOST_OVER);
  });

  it('take nothing for what is refused or known', async () => {
    const [narrow, wide] = [bucketOf('narrow', 2, 60), bucketOf('wide', 50, 60)];
    const limits = [narrow.limit, wide.limit];
    const first = { ...messageOf(room.sessionId, room.host), limits };
    const others = Array.from({ length: 4 }, () => ({ ...messageOf(room.sessionId, room.host), limits }));
    const results = await Promise.all([first, ...others, first, first].map((request) => here.state.append(request)));
    expect(results.map(({ kind }) => kind)).toEqual([
      ...['appended', 'appended', 'rate_limited', 'rate_limited', 'rate_limited', 'duplicate', 'duplicate'],
    ]);
    for (const name of ['narrow', 'wide']) {
      expect(await stage.command('LLEN', stage.keys.limit(name, name))).toBe(2);
    }
  });
});

describe(`known sends (seed ${seed})`, () => {
  const windowOf = (now: number) => Math.floor(now / HORIZON_MS);
  const sendsAt = (now: number) => `${stage.keys.session(room.sessionId).sends}${windowOf(now)}`;
  const flat = () => stage.keys.session(room.sessionId).flat;

  /** All that is kept of sends is kept for two windows, and so beyond the end of the one that it is of and another. */
  async function expectLives(): Promise<void> {
    const names = (await stage.names()).filter((name) => name.startsWith(stage.keys.session(room.sessionId).sends));
    for (const name of names) {
      const lifeMs = Number(await stage.command('PTTL', name));
      expect(lifeMs).toBeGreaterThan(2 * HORIZON_MS - 2 * MINUTE);
    }
  }

  /** What a server wrote that knew nothing of the window in the flat fields. */
  async function appendAsBefore({ sender, id, fingerprint }: AppendRequest): Promise<number> {
    const { sessionId } = room;
    const seq = Number(await stage.command('HGET', flat(), 'seq')) + 1;
    const text = `{"id":"${id}","sessionId":"${sessionId}","from":"${sender.seatId}","type":"text","body":"${id}"`;
    await stage.command('XADD', stage.keys.session(sessionId).log, `${seq}-0`, 'a', stage.clock(), 'm', text);
    await stage.command('HSET', flat(), 'act', stage.clock(), 'seq', String(seq));
    const sends = sendsAt(stage.now);
    await stage.command('HSET', sends, `${sender.seatId}:${id}`, `${seq} ${stage.clock()} ${fingerprint}`);
    if ((await stage.command('HLEN', sends)) === 1) await stage.command('PEXPIRE', sends, String(2 * HORIZON_MS));
    return seq;
  }

  it('are recognised through the whole horizon and not beyond, beside a server of before and across windows', async () => {
    const sent: { request: AppendRequest; seq: number; at: number }[] = [];
    let seq = 0;
    for (let turn = 0; turn < 250; turn += 1) {
      stage.now += step(HORIZON_MS);
      // Once in a while exactly at the edge of a window.
      if (random.below(8) === 0) stage.now = (windowOf(stage.now) + 1) * HORIZON_MS - random.below(2);
      if (random.below(10) === 0)
        await here.state.change(room.sessionId, lockSession(room.host, random.below(2) === 0));
      const holder = random.pick([room.host, room.guest]);
      const fresh = { request: messageOf(room.sessionId, holder), seq: 0, at: Number.NEGATIVE_INFINITY };
      const old = sent.length > 0 && random.below(2) === 0 ? random.pick(sent.slice(-12)) : null;
      const send = old ?? fresh;
      if (old === null) sent.push(fresh);
      const isKnown = send.at >= stage.now - HORIZON_MS;
      if (!isKnown) seq += 1;
      if (!isKnown && random.below(3) === 0) expect(await appendAsBefore(send.request)).toBe(seq);
      else {
        const result = await here.state.append(send.request);
        const expected = isKnown ? { kind: 'duplicate', seq: send.seq, sentAt: send.at } : { kind: 'appended', seq };
        expect(result).toMatchObject(expected);
      }
      if (!isKnown) Object.assign(send, { seq, at: stage.now });
      const { sessionId, sender, id, fingerprint } = send.request;
      expect(await here.state.findSend(sessionId, sender.seatId, id, fingerprint)).toMatchObject({
        kind: 'duplicate',
        seq: send.seq,
      });
    }
    await expectLives();
  });

  it('are recognised when the clock goes back over the edge of a window', async () => {
    stage.now = (windowOf(stage.now) + 1) * HORIZON_MS + 300;
    const request = messageOf(room.sessionId, room.host);
    expect(await here.state.append(request)).toMatchObject({ kind: 'appended', seq: 1 });
    stage.now -= 800;
    expect(await here.state.append(request)).toMatchObject({ kind: 'duplicate', seq: 1 });
    const { sessionId, sender, id, fingerprint } = request;
    expect(await here.state.findSend(sessionId, sender.seatId, id, fingerprint)).toMatchObject({ kind: 'duplicate' });
    // What is said meanwhile does not make it forget.
    const other = messageOf(room.sessionId, room.guest);
    expect(await here.state.append(other)).toMatchObject({ kind: 'appended', seq: 2 });
    expect(await here.state.append(request)).toMatchObject({ kind: 'duplicate', seq: 1 });
    stage.now += 1000;
    expect(await here.state.append(other)).toMatchObject({ kind: 'duplicate', seq: 2 });
    expect(await here.state.append(messageOf(room.sessionId, room.host))).toMatchObject({ kind: 'appended', seq: 3 });
    expect(await here.state.append(other)).toMatchObject({ kind: 'duplicate', seq: 2 });
  });

  it('live for two windows, although the clock went back and what was known was lost', async () => {
    const append = () => here.state.append(messageOf(room.sessionId, room.host));
    await append();
    stage.now += HORIZON_MS;
    await append();
    // Another Redis answers, with a clock that is behind.
    stage.now -= HORIZON_MS;
    await append();
    stage.now += HORIZON_MS;
    await append();
    await expectLives();
    expect(await stage.command('HGET', flat(), 'sw')).toBe(`${windowOf(stage.now)}:1`);
  });
});
