import { Random } from '../support/random.ts';
import { Arena } from './arena.ts';
import { PLAIN_RUN } from './scenario.ts';
import type { Planned } from './schedule.ts';
import type { Verdict } from './verdict.ts';

export interface Outcome {
  readonly verdict: Verdict | null;
  /** What the scenario demanded and did not get; with a fault of the run itself last. */
  readonly complaints: readonly string[];
  /** What the scenario measured. */
  readonly figures: readonly string[];
  readonly isGood: boolean;
}

/** Runs one scenario from an empty deployment to its verdict. A long one says how it goes. */
export async function play(
  { scenario, hotState, seed, options = PLAIN_RUN }: Pick<Planned, 'scenario' | 'hotState' | 'seed'> & Partial<Planned>,
  say: (line: string) => void = () => undefined,
): Promise<Outcome> {
  const random = new Random(seed);
  const arena = await Arena.open({ ...scenario.arena(hotState, options), say }, random);
  try {
    arena.talk();
    // A fault that could not be done to its end has been done in part: what it led to is judged all the same.
    await scenario.run(arena, random, options).catch((error: unknown) => {
      arena.complaints.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    });
    const verdict = await arena.judge(scenario.expected);
    const { complaints, figures } = arena;
    const talked = verdict.fates.ok > 0;
    if (!talked) complaints.push('nothing was acknowledged: the verdict is about nothing');
    return { verdict, complaints, figures, isGood: verdict.isGood && complaints.length === 0 };
  } finally {
    await arena.close();
  }
}
