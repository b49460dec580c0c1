import { describe, expect, it } from '@jest/globals';
import { Samples } from './samples.ts';

describe('Samples', () => {
  it('gives nearest-rank percentiles of everything that was added, in any order', () => {
    const samples = new Samples();
    for (let value = 10_000; value >= 1; value -= 1) samples.add(value);
    expect(samples.summary()).toEqual({ count: 10_000, p50: 5_000, p95: 9_500, p99: 9_900, max: 10_000 });
  });

  it('gives the only sample for every percentile, and nothing without one', () => {
    const samples = new Samples();
    expect(samples.summary()).toBeNull();
    samples.add(3);
    expect(samples.summary()).toEqual({ count: 1, p50: 3, p95: 3, p99: 3, max: 3 });
  });
});
