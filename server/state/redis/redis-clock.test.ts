import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { RedisClock } from './redis-clock.ts';

const START = Date.parse('2026-01-31T12:00:00.000Z');

beforeEach(() => void jest.useFakeTimers({ now: START }));

afterEach(() => void jest.useRealTimers());

/** A Redis whose clock differs, and which answers after that time, half of it on the way back. */
function clockOver(offset: () => number, takesMs = 0): RedisClock {
  return new RedisClock({
    send: () => {
      jest.advanceTimersByTime(takesMs / 2);
      const at = Date.now() + offset();
      jest.advanceTimersByTime(takesMs / 2);
      return Promise.resolve([String(Math.floor(at / 1000)), String((at % 1000) * 1000)]);
    },
  });
}

it.each([0, 3_600_000, -3_600_000])('an instance whose clock is off by %d ms has the time of Redis', async (offset) => {
  const clock = clockOver(() => offset, 40);
  await clock.look();
  expect(clock.now()).toBe(Date.now() + offset);
  jest.advanceTimersByTime(5000);
  expect(clock.now()).toBe(Date.now() + offset);
});

it.each([3_600_000, -3_600_000])('an instance whose clock is set by %d ms keeps the time of Redis', async (step) => {
  let offset = 1000;
  const clock = clockOver(() => offset, 40);
  await clock.look();
  const before = clock.now();
  jest.setSystemTime(Date.now() + step);
  expect(clock.now()).toBe(before);
  offset -= step;
  await clock.look();
  expect(clock.now()).toBe(before + 40);
});

it('what is only the wait for the answer does not move it', async () => {
  let offset = 1000;
  const clock = clockOver(() => offset);
  await clock.look();
  offset = 1002;
  await clock.look();
  expect(clock.now() - Date.now()).toBe(1000);
  offset = 1010;
  await clock.look();
  expect(clock.now() - Date.now()).toBe(1010);
});

it('an answer that does not come changes nothing', async () => {
  const clock = new RedisClock({ send: () => Promise.reject(new Error('away')) });
  await expect(clock.look()).rejects.toThrow('away');
  expect(clock.now()).toBe(Date.now());
});
