import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../../support/random.ts';
import { eventually } from '../../support/eventually.ts';
import { Arena } from '../arena.ts';
import type { Expectations } from '../evidence.ts';
import { longestPauseMs } from '../scenario.ts';
import { allKnownToArchive } from '../scenarios/heads.ts';
import type { Verdict } from '../verdict.ts';
import type { Plan, Step } from './plan.ts';
import { startAgain, STRIKES } from './strikes.ts';
import type { Wounds } from './strikes.ts';

/** Half of the talk is by stock clients, which have many sends under way; the others use the library, one at a time. */
const PAIRS = 8;
const PER_SECOND = 900;
/** A machine that is busy is given some more attempts. */
const OPENED_MS = 60_000;

export interface Generation {
  readonly plan: Plan;
  readonly verdict: Verdict;
  readonly complaints: readonly string[];
  readonly longestPauseMs: number;
  /** Of all the time, what it took until everything was quiet, read and judged. */
  readonly judgedMs: number;
  readonly wounds: Wounds;
}

/** Fresh conversations on a deployment that was there before: they talk, suffer, fall quiet, are judged and end. */
export async function live(plan: Plan, { deployment }: Arena, expected: Partial<Expectations>): Promise<Generation> {
  const options = { pairs: PAIRS, perSecond: PER_SECOND };
  const arena = await eventually(() => Arena.beside(deployment, options, new Random(plan.seed)), OPENED_MS);
  const wounds: Wounds = { copies: [], rollbacks: [], done: [] };
  try {
    arena.talk();
    if (plan.mayLose) await allKnownToArchive(arena);
    for (const [index, step] of plan.steps.entries()) await suffer(arena, step, index, wounds);
    await reviveAll(arena);
    await arena.served();
  } catch (error) {
    arena.complaints.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  const hushedAt = performance.now();
  try {
    await reviveAll(arena);
    await arena.judgeSessions({ ...expected, mayLose: plan.mayLose });
    await arena.endSessions();
    return {
      plan,
      verdict: arena.verdict,
      complaints: arena.complaints,
      longestPauseMs: Math.max(...arena.clients.recorders.map(({ record }) => longestPauseMs(record))),
      judgedMs: performance.now() - hushedAt,
      wounds,
    };
  } finally {
    await arena.close();
  }
}

async function suffer(
  arena: Arena,
  { talk, strikes, isServedAfter }: Step,
  index: number,
  wounds: Wounds,
): Promise<void> {
  await arena.acknowledgements(talk);
  await Promise.all(
    strikes.map(async ({ kind, seed, afterMs }) => {
      await delay(afterMs);
      try {
        await STRIKES[kind](arena, new Random(seed), wounds);
        wounds.done.push(kind);
      } catch (error) {
        arena.complaints.push(`step ${index + 1}, ${kind}: ${String(error)}`);
      }
    }),
  );
  arena.talk();
  await reviveAll(arena);
  if (isServedAfter) await arena.served();
}

/** That a process ended by itself is found by the checker; the others are judged with all instances there. */
async function reviveAll({ deployment: { instances } }: Arena): Promise<void> {
  for (const instance of instances) if (!instance.isRunning) await startAgain(instance);
}
