import { describe, expect, it } from '@jest/globals';
import { DRAIN_WAVE_MS, drainWaves } from './drain-waves.ts';

const SPREAD_MS = 12_500;
const crowd = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('the waves of a drain', () => {
  it('spread thousands evenly over the whole time, and leave nobody out', () => {
    const connections = crowd(5000);
    const waves = drainWaves(connections, SPREAD_MS);
    expect(waves.flat()).toEqual(connections);
    expect(waves).toHaveLength(SPREAD_MS / DRAIN_WAVE_MS);
    expect(new Set(waves.map(({ length }) => length))).toEqual(new Set([20]));
  });

  it('never take longer than asked, however many there are', () => {
    for (const count of [1, 11, 2501, 19_999]) {
      expect((drainWaves(crowd(count), SPREAD_MS).length - 1) * DRAIN_WAVE_MS).toBeLessThanOrEqual(SPREAD_MS);
    }
  });

  it('are soon over when there are few', () => {
    expect(drainWaves(crowd(100), SPREAD_MS)).toHaveLength(10);
    expect(drainWaves([], SPREAD_MS)).toEqual([]);
  });

  it('are one when there is no time', () => {
    expect(drainWaves(crowd(100), 0)).toEqual([crowd(100)]);
  });
});
