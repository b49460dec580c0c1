import { describe, expect, it } from '@jest/globals';
import { backoffMs } from './backoff.ts';

describe('backoff', () => {
  it('doubles up to its cap, however long it lasts', () => {
    const longest = (attempt: number): number => backoffMs(attempt, 0, () => 1);
    expect([1, 2, 3, 4, 5, 6, 1000].map(longest)).toEqual([500, 1000, 2000, 4000, 8000, 8000, 8000]);
  });

  it('spreads clients over half of the wait', () => {
    expect(backoffMs(3, 0, () => 0)).toBe(1000);
    expect(backoffMs(3, 0, () => 0.5)).toBe(1500);
  });

  it('never comes back before the server asked it to', () => {
    expect(backoffMs(1, 60_000, () => 0)).toBe(60_000);
  });
});
