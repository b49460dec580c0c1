import { describe, expect, it } from '@jest/globals';
import { seedOfRun } from '../../support/random.ts';
import { INVARIANTS } from '../verdict.ts';
import { mutated } from './mutated-build.ts';
import { tryMutant } from './mutants-study.ts';
import { MUTANTS } from './mutants.ts';

const seed = seedOfRun();

describe('mutants of the server', () => {
  it('are there for every statement', () => {
    expect(new Set(MUTANTS.map(({ invariant }) => invariant))).toEqual(new Set(Object.keys(INVARIANTS)));
  });

  // All of them run by `npm run test:faults -- --only mutants`; a mutant that is none any more is known at once.
  it.each(MUTANTS.map((mutant) => ({ mutant, name: mutant.name })))('can be made: $name', async ({ mutant }) => {
    expect(await mutated(mutant)).toContain(mutant.replace);
  });

  it(`are found: another text in the archive, seed ${seed}`, async () => {
    const mutant = MUTANTS.find(({ invariant }) => invariant === 'I8');
    if (mutant === undefined) throw new Error('there is no mutant of the archive');
    const { isFound, broken, said } = await tryMutant(mutant, seed);
    expect({ isFound, broken, said }).toEqual({
      isFound: true,
      broken: ['I8'],
      said: expect.stringMatching(/number \d+ is .* in the log, and .* 0 in Postgres$/),
    });
  }, 120_000);
});
