import { expect, it } from '@jest/globals';
import { createShared } from './shared-work.ts';

it('begins once for all who ask while it is under way, and after each of them asked', async () => {
  const ends: (() => void)[] = [];
  const shared = createShared(() => new Promise((resolve) => void ends.push(resolve)));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const first = shared.next();
  await turn();
  const others = [shared.next(), shared.next(), shared.next()];
  await turn();
  expect(ends).toHaveLength(1);
  ends[0]?.();
  await first;
  await turn();
  expect(ends).toHaveLength(2);
  ends[1]?.();
  await Promise.all(others);
});

it('goes on after a time that failed', async () => {
  let times = 0;
  const shared = createShared(() => {
    times += 1;
    return times === 1 ? Promise.reject(new Error('away')) : Promise.resolve();
  });
  await expect(shared.next()).rejects.toThrow('away');
  await shared.next();
  expect(times).toBe(2);
});
