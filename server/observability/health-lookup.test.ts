import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Lookup } from './health-lookup.ts';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

describe('a look that costs something', () => {
  it('is made once for all who ask within a second', async () => {
    let count = 0;
    const lookup = new Lookup(() => Promise.resolve((count += 1)));
    expect(await Promise.all([lookup.look(), lookup.look()])).toEqual([
      { value: 1, latencyMs: 0 },
      { value: 1, latencyMs: 0 },
    ]);
    jest.advanceTimersByTime(999);
    expect(await lookup.look()).toMatchObject({ value: 1 });
    jest.advanceTimersByTime(1);
    expect(await lookup.look()).toMatchObject({ value: 2 });
  });

  it('is waited for no longer than a second, and not made again while it is under way', async () => {
    let count = 0;
    let answer: (value: string) => void = () => undefined;
    const lookup = new Lookup(() => {
      count += 1;
      return new Promise<string>((resolve) => (answer = resolve));
    });
    for (let asked = 1; asked <= 3; asked += 1) {
      const look = lookup.look();
      await jest.advanceTimersByTimeAsync(1000);
      expect(await look).toBeNull();
    }
    expect(count).toBe(1);
    answer('late');
    await jest.advanceTimersByTimeAsync(0);
    expect(await lookup.look()).toEqual({ value: 'late', latencyMs: 3000 });
  });

  it('that failed is null, and made again a second later', async () => {
    let isWell = false;
    const lookup = new Lookup(() => {
      if (!isWell) throw new Error('gone');
      return Promise.resolve('well');
    });
    expect(await lookup.look()).toBeNull();
    isWell = true;
    expect(await lookup.look()).toBeNull();
    jest.advanceTimersByTime(1000);
    expect(await lookup.look()).toMatchObject({ value: 'well' });
  });
});
