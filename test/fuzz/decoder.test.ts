import { describe, expect, it } from '@jest/globals';
import { seedOfRun } from '../support/random.ts';
import { runDecoder } from './decoder-run.ts';

const COUNT = 5_000;

describe('everything between a socket and the domain', () => {
  it.each([4711, seedOfRun()])('takes what is right and refuses the rest, with seed %d', async (seed) => {
    const { failures, isPolluted, left, inputs, accepted } = await runDecoder({ seed, count: COUNT });
    expect({ failures, isPolluted, left, inputs }).toEqual({ failures: [], isPolluted: false, left: 0, inputs: COUNT });
    // A run that refuses everything would find nothing.
    expect(accepted).toBeGreaterThan(COUNT / 10);
  });
});
