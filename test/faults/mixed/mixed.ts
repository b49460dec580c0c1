import type { RedisServer } from '../../support/redis-server.ts';
import { eventually } from '../../support/eventually.ts';
import type { Arena } from '../arena.ts';
import { EXPECTED } from '../evidence.ts';
import type { Expectations } from '../evidence.ts';
import { STALLABLE } from '../event-loop.ts';
import type { RunOptions, Scenario } from '../scenario.ts';
import { threeInstances } from '../scenario.ts';
import { summaryOf } from '../scenarios/rollback.ts';
import type { Rollback } from '../scenarios/rollback.ts';
import { live } from './generation.ts';
import type { Generation } from './generation.ts';
import { faultsOf, generationSeeds, kinds, planOf } from './plan.ts';
import { sample, shown, slopesOf } from './sample.ts';
import type { Sample } from './sample.ts';
import { ELDER, MOST_STALL_MS } from './strikes.ts';

interface Progress {
  readonly number: number;
  readonly seconds: number;
  /** Of all generations so far. */
  readonly faults: number;
  readonly acknowledged: number;
}

const FAULTS = 12;
/** What broke once breaks again: so many commands that repeat it are enough. */
const MOST_BROKEN = 5;
/** Of closed sessions nothing is left in Redis so soon after: within a run it has to stop growing. */
const SHORT_MEMORY = { RETRY_HORIZON: '2m', CODE_TTL: '2m' };

/** What an event loop that stands still adds to all that waits for it. */
const BOUNDS: Partial<Expectations> = {
  answerWithinMs: EXPECTED.answerWithinMs + MOST_STALL_MS,
  maxLoopLagMs: MOST_STALL_MS + 2_000,
};

export const mixed: Scenario = {
  name: 'MIXED',
  what: 'generations of conversations on one deployment, under faults of all kinds, one after the other and two at once',
  hotStates: ['redis'],
  isApart: true,
  arena: (hotState) => {
    const usual = threeInstances(hotState);
    return {
      ...usual,
      // Each generation brings its own.
      pairs: 0,
      env: { ...usual.env, ...STALLABLE, ...SHORT_MEMORY },
      // A log that is rewritten is not the beginning of what it was.
      redis: { config: ['auto-aof-rewrite-percentage 0'] },
    };
  },
  expected: BOUNDS,
  async run(arena, { seed: first }, options) {
    const { redis } = arena.deployment;
    if (redis === null) throw new Error('this run needs a Redis of its own');
    const total = { faults: 0, generations: 0, broken: 0, longestPauseMs: 0 };
    const counts = new Map(kinds().map((kind) => [kind, 0]));
    const samples: Sample[] = [];
    const rollbacks: Rollback[] = [];
    for (const seed of generationSeeds(first)) {
      const left = faultsLeft(arena, total.faults, options);
      if (left <= 0 || total.broken === MOST_BROKEN) break;
      const startedAt = performance.now();
      const generation = await live(planOf(seed, left), arena, BOUNDS);
      const seconds = (performance.now() - startedAt) / 1000;
      arena.verdict.add(generation.verdict);
      total.generations += 1;
      total.faults += generation.wounds.done.length;
      total.longestPauseMs = Math.max(total.longestPauseMs, generation.longestPauseMs);
      rollbacks.push(...generation.wounds.rollbacks);
      for (const kind of generation.wounds.done) counts.set(kind, (counts.get(kind) ?? 0) + 1);
      await shortenLog(redis);
      const taken = await sample(arena.deployment);
      samples.push(taken);
      const { generations: number, faults } = total;
      arena.say(lineOf({ number, seconds, faults, acknowledged: arena.verdict.fates.ok }, generation, taken));
      if (!isGood(generation)) {
        total.broken += 1;
        tellWhatBroke(arena, generation);
      }
    }
    const minutes = (performance.now() - arena.startedAt) / 60_000;
    const { ok } = arena.verdict.fates;
    arena.figures.push(
      `${total.faults} faults in ${total.generations} generations and ${minutes.toFixed(1)} minutes, ${ok} messages ` +
        `acknowledged, ${Math.round(ok / minutes / 60)} each second; longest pause of a client ${inSeconds(total.longestPauseMs)}`,
      `faults: ${[...counts].map(([kind, count]) => `${kind} ${count}`).join(', ')}`,
      slopesOf(samples, ELDER),
      ...(rollbacks.length === 0 ? [] : summaryOf(rollbacks)),
    );
  },
};

/** How many more there may be: with a number and a time, the run goes on until both are reached. */
function faultsLeft({ startedAt }: Arena, done: number, { count, minutes }: RunOptions): number {
  const left = (count ?? (minutes === null ? FAULTS : 0)) - done;
  if (left > 0) return left;
  return minutes !== null && performance.now() - startedAt < minutes * 60_000 ? Infinity : 0;
}

/** Nothing else does: a log that was rewritten in between could not be cut back. */
async function shortenLog(redis: RedisServer): Promise<void> {
  await eventually(() => redis.command('BGREWRITEAOF'));
  await eventually(async () => {
    const info = String(await redis.command('INFO', 'persistence'));
    if (!info.includes('aof_rewrite_in_progress:0')) throw new Error('the log of writes is not rewritten');
  }, 60_000);
}

function isGood({ verdict, complaints, wounds: { rollbacks } }: Generation): boolean {
  return verdict.isGood && complaints.length === 0 && rollbacks.every(({ missed }) => missed === 0);
}

function lineOf({ number, seconds, faults, acknowledged }: Progress, generation: Generation, taken: Sample): string {
  const { plan, verdict } = generation;
  const { ok } = verdict.fates;
  return (
    `generation ${number}, seed ${plan.seed}${plan.mayLose ? ' (data may be lost)' : ''}, ${Math.round(seconds)} s ` +
    `(${inSeconds(generation.judgedMs)} of it to judge): ` +
    `${isGood(generation) ? 'good' : 'BAD'}, ${generation.wounds.done.length} faults (${faults}), ` +
    `${ok} acknowledged (${acknowledged}, ${Math.round(ok / seconds)} each second), ` +
    `longest pause ${inSeconds(generation.longestPauseMs)}; ${shown(taken)}`
  );
}

function tellWhatBroke({ say, complaints: all }: Arena, { plan, verdict, complaints }: Generation): void {
  const again = `npm run test:faults -- --only mixed --seed ${plan.seed} --count ${faultsOf(plan)}`;
  if (!verdict.isGood) say(String(verdict));
  for (const complaint of complaints) {
    say(`complaint: ${complaint}`);
    all.push(`seed ${plan.seed}: ${complaint}`);
  }
  say(`again by: ${again}`);
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
