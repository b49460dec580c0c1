import { describe, expect, it } from '@jest/globals';
import { Verdict } from '../verdict.ts';
import { faultsOf, generationSeeds, KINDS, kinds, planOf } from './plan.ts';
import { slopeAfterWarmUp } from './slope.ts';

const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);

describe('the plan of a generation', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planOf(5)).toEqual(planOf(5));
    expect(planOf(5)).not.toEqual(planOf(6));
  });

  it('begins in the same way when it is cut short, and has as many faults as it was cut to', () => {
    for (const seed of SEEDS) {
      const [whole, short] = [planOf(seed), planOf(seed, 7)];
      expect(faultsOf(short)).toBe(7);
      expect(faultsOf(whole)).toBeGreaterThanOrEqual(20);
      expect(faultsOf(whole)).toBeLessThanOrEqual(40);
      expect(short.steps.slice(0, -1)).toEqual(whole.steps.slice(0, short.steps.length - 1));
    }
  });

  it('does two at once to different parts alone, and every kind sooner or later', () => {
    const seen = new Set<string>();
    let together = 0;
    for (const { strikes } of SEEDS.flatMap((seed) => planOf(seed).steps)) {
      for (const { kind } of strikes) seen.add(kind);
      const parts = strikes.flatMap(({ kind }) => KINDS[kind].parts);
      expect(new Set(parts).size).toBe(parts.length);
      if (strikes.length === 2) together += 1;
    }
    expect([...seen].sort()).toEqual(kinds().sort());
    expect(together).toBeGreaterThan(0);
  });

  it('takes data away only where a loss may be told', () => {
    const plans = SEEDS.map((seed) => planOf(seed));
    for (const { mayLose, steps } of plans) {
      const rolledBack = steps.flatMap(({ strikes }) => strikes).filter(({ kind }) => kind === 'redis_rolled_back');
      if (!mayLose) expect(rolledBack).toEqual([]);
    }
    const losing = plans.filter(({ mayLose }) => mayLose).length;
    expect(losing).toBeGreaterThan(0);
    expect(losing).toBeLessThan(SEEDS.length / 2);
  });

  it('has the seed of the run for the first generation, and one of its own for each other', () => {
    const seeds = generationSeeds(5);
    const three = [seeds.next().value, seeds.next().value, seeds.next().value];
    expect(three[0]).toBe(5);
    expect(new Set(three).size).toBe(3);
  });
});

describe('the verdict of a run', () => {
  it('has what each generation found', () => {
    const [run, good, bad] = [new Verdict(), new Verdict(), new Verdict()];
    for (const [verdict, holds] of [
      [good, true],
      [bad, false],
    ] as const) {
      verdict.fates.ok += 2;
      verdict.examine('I3', true, () => '');
      verdict.examine('I3', holds, () => 'out of order');
      run.add(verdict);
    }
    expect(run.fates.ok).toBe(4);
    expect(run.examined('I3')).toBe(4);
    expect(run.violations('I3')).toEqual(['out of order']);
    expect(run.broken).toEqual(['I3']);
  });
});

describe('a slope', () => {
  it('is what is added from one value to the next, whatever the beginning was', () => {
    expect(slopeAfterWarmUp([900, 0, 10, 12, 14, 16, 18, 20, 22, 24])).toBeCloseTo(2);
    expect(slopeAfterWarmUp([900, 7, 7, 7, 7])).toBe(0);
    expect(slopeAfterWarmUp([30, 8, 6, 4, 2])).toBeCloseTo(-2);
  });

  it('is none of values too few to tell', () => {
    expect(slopeAfterWarmUp([1, 2])).toBeNull();
  });
});
