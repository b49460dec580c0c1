/**
 * Thousands of short lives of a deployment, each from a seed: clients, a database that fails and a process that dies
 * between any two steps. `TEST_SEED` begins with that seed, `TEST_SCHEDULES` says how many.
 */
import { describe, expect, it } from '@jest/globals';
import { seedOfRun } from '../support/random.ts';
import { MUTANTS } from './mutations.ts';
import { simulate } from './simulation.ts';

/** A few seconds of processor time; a study runs more. */
const SCHEDULES = Number(process.env['TEST_SCHEDULES'] ?? 500);
/** A mutant that needs more is found by luck. */
const SCHEDULES_OF_MUTANT = 400;

describe('a simulated deployment', () => {
  const seed = seedOfRun();

  it(`keeps its promise in each of ${SCHEDULES} schedules from seed ${seed} on`, async () => {
    const total = { steps: 0, crashes: 0, acknowledged: 0 };
    for (let own = seed; own < seed + SCHEDULES; own += 1) {
      const { findings, counts } = await simulate(own);
      const again = `TEST_SEED=${own} TEST_SCHEDULES=1 npm test -- test/simulations/sessions.test.ts`;
      if (findings.length > 0) throw new Error(`seed ${own}, again by: ${again}\n${findings.join('\n')}`);
      total.steps += counts.steps;
      total.crashes += counts.crashes;
      total.acknowledged += counts.acknowledged;
    }
    // Nothing is found where nothing happens.
    expect(total.steps).toBeGreaterThanOrEqual(100 * SCHEDULES);
    if (SCHEDULES < 100) return;
    expect(total.crashes).toBeGreaterThan(SCHEDULES);
    expect(total.acknowledged).toBeGreaterThan(3 * SCHEDULES);
  }, 120_000);

  it('is the same, step by step, when its seed is run again', async () => {
    for (let own = seed; own < seed + 20; own += 1) {
      const [first, second] = [await simulate(own), await simulate(own)];
      expect(second.trace).toEqual(first.trace);
    }
    expect((await simulate(seed + 1)).trace).not.toEqual((await simulate(seed)).trace);
  });

  it.each(MUTANTS.map((mutant) => ({ mutant, name: mutant.name })))('finds that $name', async ({ mutant }) => {
    const { invariant, mutation } = mutant;
    for (let own = seed; own < seed + SCHEDULES_OF_MUTANT; own += 1) {
      const { findings, broken } = await simulate(own, mutation);
      if (invariant === null ? findings.length > 0 : broken.includes(invariant)) return;
    }
    throw new Error(`not found in ${SCHEDULES_OF_MUTANT} schedules from seed ${seed} on`);
  });
});
