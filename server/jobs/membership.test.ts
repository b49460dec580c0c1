import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { Deployment } from '../sessions/ports.ts';
import { createMembership, ownerOf } from './membership.ts';
import type { Job } from './loop.ts';

const SECOND = 1000;

let beats: Map<string, number>;
let held: Map<string, Set<string>>;
let isAway: boolean;
let frozen: Set<string>;
let lost: [string, string][];
let errors: unknown[];
let shares: Map<string, readonly number[]>;
let jobs: Job[];
let work: ((sessionId: string) => Promise<void>) | null;
let slowMs: number;
let now: number;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] });
  beats = new Map();
  held = new Map();
  frozen = new Set();
  shares = new Map();
  jobs = [];
  [isAway, lost, errors, work, slowMs, now] = [false, [], [], null, 0, 0];
});

afterEach(async () => {
  isAway = false;
  await Promise.all(jobs.map((job) => job.stop()));
  jest.useRealTimers();
});

function join(instanceId: string): Job {
  const deployment: Deployment = {
    beat: (id) => {
      if (isAway || frozen.has(id)) return Promise.reject(new Error('away'));
      now += slowMs;
      beats.set(id, (beats.get(id) ?? 0) + 1);
      return Promise.resolve(new Map(beats));
    },
    heldBy: (id, partitions) =>
      Promise.resolve(isAway ? [] : [...(held.get(id) ?? [])].filter((name) => partitions.includes(Number(name) % 64))),
    leave: (id) => {
      beats.set(id, -1);
      return Promise.resolve();
    },
    forget: (id) => {
      if ((held.get(id)?.size ?? 0) > 0) return Promise.resolve(false);
      return Promise.resolve(beats.delete(id));
    },
  };
  const job = createMembership({
    deployment,
    instanceId,
    partitions: 64,
    onShare: (partitions) => {
      shares.set(instanceId, partitions);
      return Promise.resolve();
    },
    onLost: async (sessionId, dead) => {
      lost.push([sessionId, dead]);
      await work?.(sessionId);
      held.get(dead)?.delete(sessionId);
    },
    onError: (error) => errors.push(error),
    clock: () => now,
  });
  job.start();
  jobs.push(job);
  return job;
}

/** Lets that time pass, with the rounds that fall into it. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += SECOND) {
    now += SECOND;
    jest.advanceTimersByTime(SECOND);
    await new Promise((resolve) => void setImmediate(resolve));
    await new Promise((resolve) => void setImmediate(resolve));
  }
}

it('all partitions are shared out among who is there, and taken over from who stops', async () => {
  join('one');
  const other = join('other');
  await pass(3 * SECOND);
  const [mine = [], theirs = []] = [shares.get('one'), shares.get('other')];
  expect([...mine, ...theirs].sort((a, b) => a - b)).toEqual(Array.from({ length: 64 }, (_, index) => index));
  expect(Math.min(mine.length, theirs.length)).toBeGreaterThan(15);
  await other.stop();
  await pass(2 * SECOND);
  expect(shares.get('one')).toHaveLength(64);
});

it('the work of one that stops is taken over at once, and its seats are left to those who come back', async () => {
  const jobs = new Map(['one', 'two', 'three'].map((id) => [id, join(id)]));
  await pass(2 * SECOND);
  held.set('one', new Set(['1', '2']));
  await jobs.get('one')?.stop();
  await pass(2 * SECOND);
  const partitions = [...(shares.get('two') ?? []), ...(shares.get('three') ?? [])];
  expect(partitions.sort((a, b) => a - b)).toEqual(Array.from({ length: 64 }, (_, index) => index));
  await pass(6 * SECOND);
  expect(lost).toEqual([]);
  await pass(6 * SECOND);
  expect(lost.map(([sessionId]) => sessionId).sort()).toEqual(['1', '2']);
  expect([...beats.keys()]).toEqual(['two', 'three']);
});

it('the seats of an instance that died are released within 12 s, by one of the others each', async () => {
  const dying = join('dying');
  held.set('dying', new Set(Array.from({ length: 64 }, (_, index) => String(index))));
  join('one');
  join('other');
  await pass(3 * SECOND);
  await dying.stop(); // It holds seats: it stays on the list.
  jobs = jobs.filter((job) => job !== dying);
  await pass(9 * SECOND);
  expect(lost).toEqual([]);
  await pass(3 * SECOND);
  expect(lost).toHaveLength(64);
  expect(new Set(lost.map(([, dead]) => dead))).toEqual(new Set(['dying']));
  expect([...beats.keys()].sort()).toEqual(['one', 'other']);
});

it('an outage of Redis makes nobody dead, however long it lasts', async () => {
  join('one');
  join('other');
  held.set('other', new Set(['1']));
  await pass(5 * SECOND);
  isAway = true;
  await pass(60 * SECOND);
  isAway = false;
  // The other is slower to come back.
  frozen.add('other');
  await pass(8 * SECOND);
  frozen.delete('other');
  await pass(20 * SECOND);
  expect(lost).toEqual([]);
});

it.each([
  ['this instance stood still itself', () => void (now += 3_600_000)],
  ['Redis answered slowly', () => void (slowMs = 1500)],
])('what was not watched counts for nothing: %s', async (_which, disturb) => {
  join('one');
  join('other');
  held.set('other', new Set(['1']));
  await pass(5 * SECOND);
  frozen.add('other');
  for (let count = 0; count < 5; count += 1) {
    disturb();
    await pass(4 * SECOND);
  }
  expect(lost).toEqual([]);
  slowMs = 0;
  await pass(12 * SECOND);
  expect(lost).toEqual([['1', 'other']]);
});

it('an instance goes on beating while it releases what a dead one held', async () => {
  join('dying');
  held.set('dying', new Set(Array.from({ length: 500 }, (_, index) => String(index))));
  join('one');
  await pass(3 * SECOND);
  frozen.add('dying');
  let underWay = 0;
  let most = 0;
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  work = async () => {
    underWay += 1;
    most = Math.max(most, underWay);
    await gate;
    underWay -= 1;
  };
  await pass(15 * SECOND);
  const before = beats.get('one') ?? 0;
  await pass(20 * SECOND);
  expect((beats.get('one') ?? 0) - before).toBe(20);
  expect(most).toBe(50);
  release();
  await pass(5 * SECOND);
  expect(new Set(lost.map(([sessionId]) => sessionId)).size).toBe(500);
  expect(lost).toHaveLength(500);
});

it('an instance that comes back while its seats are released keeps the rest', async () => {
  join('paused');
  held.set('paused', new Set(Array.from({ length: 500 }, (_, index) => String(index))));
  join('one');
  await pass(3 * SECOND);
  frozen.add('paused');
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  work = () => gate;
  await pass(15 * SECOND);
  expect(lost).toHaveLength(50);
  frozen.delete('paused');
  await pass(3 * SECOND);
  release();
  await pass(3 * SECOND);
  expect(lost).toHaveLength(50);
  expect(beats.has('paused')).toBe(true);
});

it('a session that could not be released is tried again', async () => {
  join('dying');
  held.set('dying', new Set(['7']));
  join('one');
  await pass(3 * SECOND);
  frozen.add('dying');
  let attempts = 0;
  work = () => {
    attempts += 1;
    return attempts < 3 ? Promise.reject(new Error('not now')) : Promise.resolve();
  };
  await pass(18 * SECOND);
  expect(attempts).toBe(3);
  expect(held.get('dying')?.size).toBe(0);
  expect(beats.has('dying')).toBe(false);
});

it('a partition has the same owner for everybody, and few change hands', () => {
  const before = ['a', 'b', 'c'];
  const after = ['c', 'd', 'a', 'b'];
  let moved = 0;
  for (let partition = 0; partition < 64; partition += 1) {
    expect(ownerOf(partition, before)).toBe(ownerOf(partition, before.toReversed()));
    if (ownerOf(partition, before) !== ownerOf(partition, after)) {
      moved += 1;
      expect(ownerOf(partition, after)).toBe('d');
    }
  }
  expect(moved).toBeGreaterThan(5);
  expect(moved).toBeLessThan(32);
  expect(ownerOf(1, [])).toBeUndefined();
});
