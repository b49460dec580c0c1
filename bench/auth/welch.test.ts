import { describe, expect, it } from '@jest/globals';
import { belowQuantile, welchT } from './welch.ts';

describe("Welch's t", () => {
  it('is that of the textbook', () => {
    // Means 20.82 and 23.71 over variances that differ: t = -2.8 in Welch's own example of unequal variances.
    const first = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
    const second = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.0, 23.9];
    expect(welchT(first, second)).toBeCloseTo(-2.8, 1);
    expect(welchT(second, first)).toBeCloseTo(2.8, 1);
  });

  it('tells samples apart that differ by little, and not those that do not', () => {
    const noise = (index: number) => ((index * 7919) % 1000) / 1000;
    const sample = (offset: number) => Array.from({ length: 1000 }, (_, index) => 20 + noise(index) + offset);
    expect(welchT(sample(0), sample(0))).toBe(0);
    expect(Math.abs(welchT(sample(0), sample(0.1)))).toBeGreaterThan(4.5);
    expect(welchT([1], [2])).toBeNaN();
  });

  it('may leave the latest out', () => {
    expect(belowQuantile([5, 1, 900, 2, 4, 3, 6, 7, 8, 800], 0.8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(belowQuantile([3], 0.1)).toEqual([3]);
  });
});
