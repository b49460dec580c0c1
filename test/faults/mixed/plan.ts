import { Random } from '../../support/random.ts';

/** What a fault is done to: two at once are done to different parts, so that each of them can be done at all. */
export type Part = 'instances' | 'redis' | 'postgres' | 'clients';

interface Kind {
  /** The row of the table of faults that it belongs to. */
  readonly row: string;
  /** How often, beside the others. */
  readonly weight: number;
  readonly parts: readonly Part[];
  /** Acknowledged messages may be gone from the store, so that clients may be told of a loss. */
  readonly mayLose?: boolean;
}

export const KINDS = {
  instance_killed: { row: 'F1', weight: 12, parts: ['instances'] },
  instances_restarted: { row: 'F2', weight: 2, parts: ['instances'] },
  loop_stalled: { row: 'F17', weight: 8, parts: ['instances'] },
  redis_killed: { row: 'F4', weight: 10, parts: ['redis'] },
  redis_unreachable: { row: 'F5', weight: 8, parts: ['redis'] },
  redis_reset: { row: 'F5', weight: 8, parts: ['redis'] },
  redis_frozen: { row: 'F6', weight: 8, parts: ['redis'] },
  redis_full: { row: 'F9', weight: 6, parts: ['redis', 'clients', 'instances'] },
  subscriber_cut: { row: 'F14', weight: 6, parts: ['redis'] },
  redis_rolled_back: {
    row: 'F3R',
    weight: 12,
    parts: ['redis', 'postgres', 'clients', 'instances'],
    mayLose: true,
  },
  postgres_killed: { row: 'F10', weight: 8, parts: ['postgres'] },
  postgres_slow: { row: 'F10', weight: 5, parts: ['postgres'] },
  postgres_unreachable: { row: 'F10', weight: 5, parts: ['postgres'] },
  postgres_locked: { row: 'F10', weight: 5, parts: ['postgres'] },
  client_half_open: { row: 'F12', weight: 8, parts: ['clients'] },
  clients_reset: { row: 'F13', weight: 6, parts: ['clients'] },
  ack_lost: { row: 'F16', weight: 8, parts: ['clients', 'redis', 'instances'] },
} as const satisfies Readonly<Record<string, Kind>>;
export type FaultKind = keyof typeof KINDS;

const FEWEST_FAULTS = 20;
const MOST_FAULTS = 40;
const LOSING_GENERATIONS = 0.25;
const TWO_AT_ONCE = 0.2;
const MOST_APART_MS = 400;
const MOST_TALK = 250;
const SERVED_AFTER = 0.5;

/** One fault, and what decides everything that is drawn while it is done. */
export interface Strike {
  readonly kind: FaultKind;
  readonly seed: number;
  /** So long after the first one of the same step. */
  readonly afterMs: number;
}

export interface Step {
  /** So many more messages are acknowledged before it. */
  readonly talk: number;
  /** One, or two at once. */
  readonly strikes: readonly Strike[];
  /** Whether everybody has to be served again before the next step: it may also meet a deployment that recovers. */
  readonly isServedAfter: boolean;
}

/** What happens to one generation of conversations. */
export interface Plan {
  readonly seed: number;
  readonly mayLose: boolean;
  readonly steps: readonly Step[];
}

/** The same for the same seed; a shorter one is the beginning of a longer one. */
export function planOf(seed: number, mostFaults = Infinity): Plan {
  const random = new Random(seed);
  const mayLose = random.next() < LOSING_GENERATIONS;
  const drawn = FEWEST_FAULTS + random.below(MOST_FAULTS - FEWEST_FAULTS + 1);
  const wanted = Math.min(drawn, mostFaults);
  const steps: Step[] = [];
  for (let faults = 0; faults < wanted;) {
    const step = stepOf(random, mayLose);
    const strikes = step.strikes.slice(0, wanted - faults);
    steps.push({ ...step, strikes });
    faults += strikes.length;
  }
  return { seed, mayLose, steps };
}

/** The seeds of the generations: the first has that of the run, so that any can be repeated alone. */
export function* generationSeeds(seed: number): Generator<number, never> {
  const seeds = new Random(seed);
  for (let own = seed; ; own = seeds.below(2 ** 31)) yield own;
}

export function faultsOf({ steps }: Plan): number {
  return steps.reduce((sum, { strikes }) => sum + strikes.length, 0);
}

function stepOf(random: Random, mayLose: boolean): Step {
  const talk = 1 + random.below(MOST_TALK);
  const possible = kinds().filter((kind) => mayLose || !losesData(kind));
  const first = weighed(random, possible);
  const beside = possible.filter((kind) => !KINDS[kind].parts.some((part) => partsOf(first).includes(part)));
  const isAlone = random.next() >= TWO_AT_ONCE || beside.length === 0;
  const strikes: Strike[] = [{ kind: first, seed: random.below(2 ** 31), afterMs: 0 }];
  if (!isAlone) {
    const afterMs = random.below(MOST_APART_MS);
    strikes.push({ kind: weighed(random, beside), seed: random.below(2 ** 31), afterMs });
  }
  return { talk, strikes, isServedAfter: random.next() < SERVED_AFTER };
}

function weighed(random: Random, among: readonly FaultKind[]): FaultKind {
  const total = among.reduce((sum, kind) => sum + KINDS[kind].weight, 0);
  let left = random.below(total);
  const found = among.find((kind) => {
    left -= KINDS[kind].weight;
    return left < 0;
  });
  if (found === undefined) throw new Error('there is nothing to pick from');
  return found;
}

export function kinds(): FaultKind[] {
  return Object.keys(KINDS) as FaultKind[]; // Object.keys forgets the type of the keys.
}

function partsOf(kind: FaultKind): readonly Part[] {
  return KINDS[kind].parts;
}

function losesData(kind: FaultKind): boolean {
  const { mayLose = false }: Kind = KINDS[kind];
  return mayLose;
}
