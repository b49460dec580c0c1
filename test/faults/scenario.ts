import type { Random } from '../support/random.ts';
import type { Arena, ArenaOptions } from './arena.ts';
import type { HotState } from './deployment.ts';
import type { Expectations } from './evidence.ts';
import type { ClientRecord } from './record.ts';

/** What the command line may ask of a scenario. */
export interface RunOptions {
  /** How often the fault is done, where it is done several times; null: as often as the scenario does by itself. */
  readonly count: number | null;
  /** How long the whole run is to last, for a scenario that can go on by itself; null: as long as it takes. */
  readonly minutes: number | null;
  /** Faults last as long as the table of faults says, and not only as long as it takes to see what they do. */
  readonly isLong: boolean;
  /** Directory of another version of the server, built. */
  readonly other: string | null;
}

export const PLAIN_RUN: RunOptions = { count: null, minutes: null, isLong: false, other: null };

/** One row of the table of faults. */
export interface Scenario {
  /** `F1`, `F2` … */
  readonly name: string;
  readonly what: string;
  /** What it can run on; the first is what it runs on unless another is asked for. */
  readonly hotStates: readonly HotState[];
  /** Too long for a round of all: it runs where it is named. */
  readonly isApart?: boolean;
  arena(hotState: HotState, options: RunOptions): ArenaOptions;
  /** Why it cannot be done with these options; null when it can. */
  lacks?(options: RunOptions): string | null;
  readonly expected?: Partial<Expectations>;
  /** Everybody talks already. Does the fault, heals it, and demands of the arena what is particular to it. */
  run(arena: Arena, random: Random, options: RunOptions): Promise<void>;
}

/** What most scenarios need: three instances, or the only one that there can be. */
export function threeInstances(hotState: HotState): ArenaOptions {
  const isAlone = hotState === 'embedded';
  return {
    hotState,
    instances: isAlone ? 1 : 3,
    pairs: 4,
    perSecond: isAlone ? 60 : 100,
    env: { DRAIN_TIMEOUT: '10s' },
  };
}

/** The longest time in which a client was without a served connection, until it was served again. */
export function longestPauseMs({ kind, entries }: ClientRecord): number {
  const back = kind === 'stock' ? 'resumed' : 'connected';
  let lostAt: number | null = null;
  let longest = 0;
  for (const entry of entries) {
    if (entry.kind === 'disconnected') lostAt ??= entry.at;
    else if (entry.kind === back && lostAt !== null) {
      longest = Math.max(longest, entry.at - lostAt);
      lostAt = null;
    }
  }
  return longest;
}
