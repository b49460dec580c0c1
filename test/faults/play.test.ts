import { describe, expect, it } from '@jest/globals';
import { seedOfRun } from '../support/random.ts';
import { play } from './play.ts';
import type { Scenario } from './scenario.ts';
import { threeInstances } from './scenario.ts';
import { f16 } from './scenarios/f16-ack-lost.ts';

const seed = seedOfRun();

describe(`play, seed ${seed}`, () => {
  it('finds nothing wrong in a server of its own whose answers are lost', async () => {
    const { verdict, complaints } = await play({ scenario: f16, hotState: 'embedded', seed });
    expect({ seed, complaints, broken: verdict?.broken }).toEqual({ seed, complaints: [], broken: [] });
    for (const invariant of ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I10'] as const) {
      expect(verdict?.examined(invariant)).toBeGreaterThan(0);
    }
  }, 120_000);

  it('finds a death that nobody planned, and what a scenario misses', async () => {
    const scenario: Scenario = {
      name: 'F0',
      what: 'a server that ends by itself, as far as the run knows',
      hotStates: ['embedded'],
      arena: (hotState) => ({ ...threeInstances(hotState), pairs: 1 }),
      async run(arena) {
        await arena.acknowledgements(5);
        const [instance] = arena.deployment.instances;
        instance?.server.signal('SIGKILL');
        await instance?.server.exited;
        await instance?.start();
        await arena.served();
        arena.demand(false, () => 'a demand that is not met');
      },
    };
    const { verdict, complaints, isGood } = await play({ scenario, hotState: 'embedded', seed });
    expect(isGood).toBe(false);
    expect(complaints).toEqual(['a demand that is not met']);
    expect(verdict?.broken).toEqual(['I5']);
    expect(verdict?.violations('I5')[0]).toMatch(
      /^instance-0, start 1 ended by itself at \+\d+\.\d{3} s with exit code null$/,
    );
  }, 120_000);
});
