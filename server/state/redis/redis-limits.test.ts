import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TandemError } from '../../../protocol/errors.ts';
import type { LimitRequest } from '../../../protocol/limits.ts';
import { SlidingWindows } from '../../limits/sliding-window.ts';
import { RedisLimits, type FailPolicy } from './redis-limits.ts';
import { RedisStage } from './redis-stage.conformance.ts';

let stage: RedisStage;
let isAway: boolean;
let instances: number;

beforeEach(async () => {
  stage = await RedisStage.open();
  [isAway, instances] = [false, 1];
});

afterEach(() => stage.close());

function limitsOf(failPolicy: FailPolicy = 'closed'): RedisLimits {
  const { redis, keys, clock } = stage;
  return new RedisLimits({
    redis: {
      kind: redis.kind,
      run: (...call) => (isAway ? Promise.reject(new TandemError('UNAVAILABLE')) : redis.run(...call)),
    },
    ...{ keys, failPolicy, clock },
    instanceCount: () => instances,
    now: () => stage.now,
  });
}

function request(points: number, durationSeconds = 60, own: Partial<LimitRequest> = {}): LimitRequest {
  return { info: { name: 'auth', scope: 'ip', points, durationSeconds }, bucket: 'bucket', blockMs: 0, ...own };
}

const other = (points: number): LimitRequest => ({
  ...request(points),
  info: { name: 'general', scope: 'ip', points, durationSeconds: 60 },
});

it('never more than the points in any window, by the same rule as in memory', async () => {
  const limits = limitsOf();
  const memory = new SlidingWindows();
  let random = 7;
  for (let step = 0; step < 300; step += 1) {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    stage.now += (random >>> 8) % 4000;
    const asked = step % 3 === 0 ? [request(10), other(4)] : step % 3 === 1 ? [request(10)] : [other(4)];
    expect(await limits.take(asked)).toEqual(memory.takeAll(asked, stage.now));
    expect(await limits.waitOf(request(10))).toBe(memory.waitOf(request(10), stage.now));
  }
});

it('what refuses is blocked, alone, and for as long as its window too, as in memory', async () => {
  const limits = limitsOf();
  const memory = new SlidingWindows();
  for (const blockMs of [1000, 100_000]) {
    const asked = [request(2, 60, { bucket: `taken, ${blockMs}`, blockMs }), other(6)];
    for (const passed of [0, 10_000, 10_000, 900, 200, 30_000, 10_000, 1, 60_000, 100_000]) {
      stage.now += passed;
      expect(await limits.take(asked)).toEqual(memory.takeAll(asked, stage.now));
      expect(await limits.waitOf(asked[1] ?? other(6))).toBe(memory.waitOf(other(6), stage.now));
    }
  }
});

it('counts requests, tells what is left, and blocks from the first refusal, as in memory', async () => {
  const limits = limitsOf();
  const memory = new SlidingWindows();
  for (const blockMs of [0, 1000, 100_000]) {
    const asked = request(3, 60, { bucket: `blocks for ${blockMs}`, blockMs });
    for (const passed of [0, 10_000, 10_000, 10_000, 5000, 40_000, 1000, 60_000, 1, 100_000]) {
      stage.now += passed;
      expect(await limits.count(asked)).toEqual(memory.count(asked, stage.now));
    }
  }
  const three = request(3, 60, { bucket: 'three', blockMs: 100_000 });
  const taken = [await limits.count(three), await limits.count(three), await limits.count(three)];
  expect(taken.map(({ isTaken, remaining, resetMs }) => [isTaken, remaining, resetMs])).toEqual([
    [true, 2, 60_000],
    [true, 1, 60_000],
    [true, 0, 60_000],
  ]);
  // What turned out to be for nothing leaves room for another.
  await limits.giveBack(three, taken[2]?.takenAt ?? 0);
  expect(await limits.count(three)).toMatchObject({ isTaken: true, remaining: 0 });
  expect(await limits.count(three)).toMatchObject({ isTaken: false, remaining: 0, resetMs: 100_000 });
  stage.now += 99_999;
  expect(await limits.count(three)).toMatchObject({ isTaken: false, resetMs: 1 });
  stage.now += 1;
  expect(await limits.count(three)).toMatchObject({ isTaken: true, remaining: 2 });
});

it('a burst from everywhere takes exactly the points', async () => {
  const instancesOf = [limitsOf(), limitsOf(), limitsOf()];
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, index) => (instancesOf[index % 3] ?? limitsOf()).take([request(10)])),
  );
  expect(answers.filter((answer) => answer.kind === 'taken')).toHaveLength(10);
});

it('the refusal names the limit with the longest wait, and counts for none', async () => {
  const limits = limitsOf();
  await limits.take([request(1, 60)]);
  stage.now += 30_000;
  await limits.take([other(1)]);
  for (let count = 0; count < 5; count += 1) {
    const refused = await limits.take([request(1), other(1)]);
    expect(refused).toMatchObject({ kind: 'refused', limit: { name: 'general' }, retryAfterMs: 60_000 });
  }
  stage.now += 30_000;
  expect((await limits.take([request(1)])).kind).toBe('taken');
});

it('what is given back may be taken again', async () => {
  const limits = limitsOf();
  const taken = await limits.takePoints([request(2), other(2)]);
  await limits.take([request(2)]);
  if (taken.kind === 'refused') throw new Error('there is room');
  await limits.giveBackAll(taken);
  expect((await limits.take([request(2), other(2)])).kind).toBe('taken');
  expect((await limits.take([request(2)])).kind).toBe('refused');
});

it('the last failure blocks for as long as it says, and no longer', async () => {
  const limits = limitsOf();
  const failure = request(3, 60, { blockMs: 300_000 });
  for (let count = 0; count < 2; count += 1) await limits.recordFailure(failure);
  expect(await limits.waitOf(failure)).toBe(0);
  await limits.recordFailure(failure);
  expect(await limits.waitOf(failure)).toBe(300_000);
  stage.now += 299_999;
  expect(await limits.waitOf(failure)).toBe(1);
  stage.now += 1;
  expect(await limits.waitOf(failure)).toBe(0);
});

describe('while Redis is away', () => {
  beforeEach(() => {
    isAway = true;
    instances = 3;
  });

  it('each instance allows its share, when that is the policy', async () => {
    const limits = limitsOf('memory');
    const kinds = [];
    for (let count = 0; count < 5; count += 1) kinds.push((await limits.take([request(10)])).kind);
    expect(kinds).toEqual(['taken', 'taken', 'taken', 'refused', 'refused']);
    const failure = request(3, 60, { blockMs: 90_000 });
    await limits.recordFailure({ ...failure, bucket: 'another' });
    expect(await limits.waitOf({ ...failure, bucket: 'another' })).toBe(90_000);
    isAway = false;
    expect((await limits.take([request(10)])).kind).toBe('taken');
  });

  it('everything is refused, when that is the policy', async () => {
    const limits = limitsOf('closed');
    for (const ask of [
      () => limits.take([request(1)]),
      () => limits.recordFailure(request(1)),
      () => limits.waitOf(request(1)),
    ]) {
      await expect(ask()).rejects.toThrow(TandemError);
    }
  });

  it('everything is allowed, when that is the policy', async () => {
    const limits = limitsOf('open');
    await limits.recordFailure(request(1));
    expect(await limits.waitOf(request(1))).toBe(0);
    for (let count = 0; count < 3; count += 1) expect((await limits.take([request(1)])).kind).toBe('taken');
  });
});
