import { parseArgs, types } from 'node:util';
import { Random } from '../support/random.ts';
import type { HotState } from './deployment.ts';
import type { RunOptions, Scenario } from './scenario.ts';

export interface ScheduleOptions {
  readonly seed: number;
  /** Names of scenarios; all when it is empty. */
  readonly only: readonly string[];
  /** Rounds begin until this time is over; null: one round. */
  readonly minutes: number | null;
  /** Instead of what each scenario would choose. */
  readonly hotState: HotState | null;
  readonly run: RunOptions;
}

export const USAGE = [
  'usage: npm run test:faults -- [--seed <n>] [--only F1,F4] [--minutes <n>] [--state embedded|redis|sentinel|cluster]',
  '  --only mixed|rollbacks|mutants|simulation|million   what a round of all leaves out, because it takes long',
  '  --count <n>          how often a fault is done that is done several times',
  '  --long               faults last as long as they are meant to; so they do with 30 minutes or more',
  '  --other <directory>  another version of the server, built, for two versions side by side',
].join('\n');

/** A run of so many minutes has the time for faults in their full length. */
const LONG_RUN_MINUTES = 30;

const HOT_STATES: readonly HotState[] = ['embedded', 'redis', 'sentinel', 'cluster'];

/** What was typed cannot be run; the message says why. */
export class UsageError extends Error {}

/** Throws `UsageError`. */
export function parseOptions(args: readonly string[], freshSeed: () => number): ScheduleOptions {
  const { seed, only, minutes, state, count, long, other } = parseWords(args);
  const hotState = HOT_STATES.find((known) => known === state);
  if (state !== undefined && hotState === undefined) {
    throw new UsageError(`expected one of ${HOT_STATES.join(', ')} for --state, got ${state}`);
  }
  const duration = minutes === undefined ? null : positive('--minutes', minutes);
  return {
    seed: seed === undefined ? freshSeed() : whole('--seed', seed),
    only: only === undefined ? [] : only.split(',').map((name) => name.trim().toUpperCase()),
    minutes: duration,
    hotState: hotState ?? null,
    run: {
      count: count === undefined ? null : whole('--count', count),
      minutes: duration,
      isLong: long === true || (duration ?? 0) >= LONG_RUN_MINUTES,
      other: other ?? null,
    },
  };
}

/** One scenario with its seed: run alone with this seed, it is the same again. */
export interface Planned {
  readonly scenario: Scenario;
  readonly hotState: HotState;
  readonly seed: number;
  readonly options: RunOptions;
}

/**
 * The rounds of a run, without end: in each all scenarios that can run, in an order of the round's own. The first round
 * has the seed of the run. Throws `UsageError` when there is nothing to run.
 */
export function* schedule(
  scenarios: readonly Scenario[],
  { seed, only, hotState, run }: ScheduleOptions,
): Generator<readonly Planned[], never> {
  const unknown = only.filter((name) => !scenarios.some((scenario) => scenario.name === name));
  const names = scenarios.map(({ name }) => name).join(', ');
  if (unknown.length > 0) throw new UsageError(`expected scenarios (${names}), got ${unknown.join(', ')}`);
  const chosen = scenarios.flatMap((scenario): Omit<Planned, 'seed' | 'options'>[] => {
    if (only.length > 0 ? !only.includes(scenario.name) : scenario.isApart === true) return [];
    const state = hotState ?? scenario.hotStates[0];
    return state !== undefined && scenario.hotStates.includes(state) ? [{ scenario, hotState: state }] : [];
  });
  if (chosen.length === 0) throw new UsageError(`none of these scenarios runs on ${String(hotState)}`);

  const seeds = new Random(seed);
  for (let roundSeed = seed; ; roundSeed = seeds.below(2 ** 31)) {
    yield shuffled(chosen, new Random(roundSeed)).map((planned) => ({ ...planned, seed: roundSeed, options: run }));
  }
}

export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1));
  return order;
}

function parseWords(args: readonly string[]) {
  try {
    const text = { type: 'string' } as const;
    const texts = { seed: text, only: text, minutes: text, state: text, count: text, other: text };
    return parseArgs({ args: [...args], options: { ...texts, long: { type: 'boolean' } } }).values;
  } catch (cause) {
    throw new UsageError(types.isNativeError(cause) ? cause.message : 'unreadable options', { cause });
  }
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value))
    throw new UsageError(`expected a number above 0 for ${option}, got ${text}`);
  return value;
}

function whole(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < 0) {
    throw new UsageError(`expected a whole number for ${option}, got ${text}`);
  }
  return value;
}
