import { describe, expect, it } from '@jest/globals';
import { quantilesSince } from './duration-quantiles.ts';

const bounds = [0.01, 0.1, 1];

describe('quantiles between two looks', () => {
  it('are those of what came in between, not of all that ever was', () => {
    const before = { bounds, within: [1000, 0, 0], total: 1000 };
    const now = { bounds, within: [1000, 90, 10], total: 1100 };
    const { p50, p99 } = quantilesSince(before, now) ?? { p50: 0, p99: 0 };
    expect(p50).toBeCloseTo(0.01 + (0.09 * 50) / 90);
    expect(p99).toBeCloseTo(0.1 + (0.9 * 9) / 10);
  });

  it('are none where nothing came', () => {
    const counts = { bounds, within: [1, 0, 0], total: 1 };
    expect(quantilesSince(counts, counts)).toBeNull();
    expect(quantilesSince(null, { bounds, within: [0, 0, 0], total: 0 })).toBeNull();
  });

  it('take what is above the last bound for that bound', () => {
    expect(quantilesSince(null, { bounds, within: [0, 0, 0], total: 3 })).toEqual({ p50: 1, p99: 1 });
  });
});
