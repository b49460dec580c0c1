import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { backoffMs } from './backoff.ts';

const HIGHEST = 1 - Number.EPSILON;
/** What the wait may grow to, for the first attempts and for one after days of trying. */
const CEILINGS: readonly (readonly [attempt: number, ceilingMs: number])[] = [
  [1, 500],
  [2, 1_000],
  [3, 2_000],
  [4, 4_000],
  [5, 4_000],
  [11, 4_000],
  [12, 4_000],
  [100_000, 4_000],
];

describe('backoffMs', () => {
  it.each(CEILINGS)('draws attempt %i from nothing up to %i ms', (attempt, ceilingMs) => {
    expect(backoffMs(attempt, 0, () => 0)).toBe(0);
    expect(backoffMs(attempt, 0, () => 0.25)).toBe(ceilingMs / 4);
    expect(backoffMs(attempt, 0, () => HIGHEST)).toBe(ceilingMs);
  });

  it.each([1, 4, 100_000])('never undercuts what the server asked for, and spreads attempt %i behind it', (attempt) => {
    expect(backoffMs(attempt, 30_000, () => 0)).toBe(30_000);
    expect(backoffMs(attempt, 30_000, () => 0.5)).toBe(30_250);
    expect(backoffMs(attempt, 30_000, () => HIGHEST)).toBe(30_500);
  });

  it('is a whole number of milliseconds within its bounds, whatever is asked for and drawn', () => {
    const draws = fc.double({ min: 0, max: HIGHEST, noNaN: true });
    const attempts = fc.integer({ min: 1, max: 10_000 });
    fc.assert(
      fc.property(attempts, fc.integer({ min: 0, max: 3_600_000 }), draws, (attempt, askedMs, draw) => {
        const delayMs = backoffMs(attempt, askedMs, () => draw);
        expect(Number.isInteger(delayMs)).toBe(true);
        expect(delayMs).toBeGreaterThanOrEqual(askedMs);
        expect(delayMs).toBeLessThanOrEqual(askedMs + (askedMs > 0 ? 500 : 4_000));
      }),
    );
  });

  it('sends clients that were cut off in one instant back apart from each other', () => {
    const delays = new Set(Array.from({ length: 200 }, () => backoffMs(4)));
    expect(delays.size).toBeGreaterThan(150);
  });
});
