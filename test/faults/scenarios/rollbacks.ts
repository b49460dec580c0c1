import type { Scenario } from '../scenario.ts';
import type { RedisCopy } from '../redis-copy.ts';
import { shuffled } from '../schedule.ts';
import { allKnownToArchive } from './heads.ts';
import { rollBack, ROLLBACK_KINDS, summaryOf } from './rollback.ts';
import type { Rollback } from './rollback.ts';

const SESSIONS = 20;
/** Sessions of which something was taken away, each time that it was. */
const ROLLED_BACK = 500;
/** All at once would be one rollback, seen from many sides. */
const PER_ROLLBACK = 20;

export const rollbacks: Scenario = {
  name: 'ROLLBACKS',
  what: 'many sessions over two instances, and Redis loses a part of them again and again, in each way that there is',
  hotStates: ['redis'],
  isApart: true,
  arena: (hotState) => ({
    hotState,
    instances: 2,
    pairs: SESSIONS,
    perSecond: 100,
    // A log that is rewritten is not the beginning of what it was.
    redis: { config: ['auto-aof-rewrite-percentage 0'] },
  }),
  expected: { mayLose: true },
  async run(arena, random, { count }) {
    const { redis } = arena.deployment;
    if (redis === null) throw new Error('this fault needs a Redis of its own');
    await allKnownToArchive(arena);
    const order = shuffled(ROLLBACK_KINDS, random);
    const wanted = count ?? ROLLED_BACK;
    const done: Rollback[] = [];
    const copies: RedisCopy[] = [];
    const rolledBack = (): number => done.reduce((sum, { lost }) => sum + lost, 0);
    while (rolledBack() < wanted || done.length < wanted / PER_ROLLBACK) {
      arena.talk();
      await arena.acknowledgements(SESSIONS + random.below(3 * SESSIONS));
      // Each kind before one comes again: a short run has seen them all.
      const kind = order[done.length % order.length] ?? 'dump';
      try {
        done.push(await rollBack(arena, redis, kind, random, copies));
      } catch (error) {
        arena.complaints.push(`rollback ${done.length + 1} (${kind}): ${String(error)}`);
        break;
      }
      if (copies.length > 10) copies.splice(random.below(copies.length - 1), 1);
    }
    const missed = done.reduce((sum, rollback) => sum + rollback.missed, 0);
    arena.figures.push(
      ...summaryOf(done),
      `${rolledBack()} sessions lost something, ${missed} of them went on unnoticed`,
    );
    arena.demand(missed === 0, () => `${missed} sessions went on as if nothing had been lost`);
  },
};
