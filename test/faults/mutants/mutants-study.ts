import { within } from '../../support/deadline.ts';
import { play } from '../play.ts';
import { PLAIN_RUN } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import type { Study } from '../study.ts';
import { INVARIANTS } from '../verdict.ts';
import type { Invariant } from '../verdict.ts';
import { MUTANTS } from './mutants.ts';
import type { Mutant } from './mutants.ts';
import { mutatedBuild } from './mutated-build.ts';

/** Several times what a scenario takes with a server that is as it should be. */
const RUN_MS = 20_000;

interface Tried {
  readonly isFound: boolean;
  readonly broken: readonly Invariant[];
  /** The first of what the checker said of it. */
  readonly said: string;
}

/** Runs the mutant's scenario with the mutant in the place of every instance. */
export async function tryMutant({ scenario, invariant, ...mutant }: Mutant, seed: number): Promise<Tried> {
  const build = await mutatedBuild(mutant);
  const under: Scenario = {
    ...scenario,
    arena: (hotState, options) => ({ ...scenario.arena(hotState, options), main: build.main }),
    // Some mutants answer nobody any more: what they did until then is judged.
    run: (arena, random, options) =>
      within(RUN_MS, () => `${scenario.name} comes to its end`, scenario.run(arena, random, options)),
  };
  try {
    const { verdict, complaints } = await play({ scenario: under, hotState: 'redis', seed, options: PLAIN_RUN });
    const broken = verdict?.broken ?? [];
    const said = verdict?.violations(invariant)[0] ?? complaints[0] ?? 'nothing was found';
    return { isFound: broken.includes(invariant), broken, said };
  } finally {
    await build.remove();
  }
}

/** The checker against servers that are wrong, and the same scenarios against the one that is right. */
export const mutants: Study = {
  name: 'MUTANTS',
  what: 'servers with one thing wrong, which the checker has to find, and under the right statement',
  async run({ seed, say }) {
    let isGood = true;
    for (const scenario of new Set(MUTANTS.map((mutant) => mutant.scenario))) {
      const { verdict, complaints } = await play({ scenario, hotState: 'redis', seed, options: PLAIN_RUN });
      const isRight = verdict?.isGood === true && complaints.length === 0;
      isGood &&= isRight;
      say(`the server as it is, ${scenario.name}: ${isRight ? 'nothing found' : 'BAD'}`);
      if (!isRight) say([String(verdict), ...complaints].join('\n'));
    }
    const rows: string[] = [];
    const found = new Set<Invariant>();
    for (const mutant of MUTANTS) {
      const { isFound, broken, said } = await tryMutant(mutant, seed);
      isGood &&= isFound;
      if (isFound) found.add(mutant.invariant);
      say(`${mutant.name}: ${said}`);
      rows.push(`| ${mutant.invariant} | ${mutant.name} | ${isFound ? 'found' : 'NOT FOUND'} | ${broken.join(' ')} |`);
    }
    say(['| statement | mutant | | broken |', '|---|---|---|---|', ...rows].join('\n'));
    const all = Object.keys(INVARIANTS).length;
    say(`${found.size} of ${all} statements have a mutant that was found`);
    return isGood && found.size === all;
  },
};
