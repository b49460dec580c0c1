import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import type { RedisCopy } from '../redis-copy.ts';
import { allKnownToArchive } from './heads.ts';
import { rollBack, ROLLBACK_KINDS, summaryOf } from './rollback.ts';
import type { Rollback } from './rollback.ts';

const ROLLBACKS = 5;

export const f03r: Scenario = {
  name: 'F3R',
  what: 'Redis comes back with an older state of itself, or with none: a copy of its dump, a part of its log of writes',
  hotStates: ['redis'],
  arena: (hotState) => ({
    ...threeInstances(hotState),
    // A log that is rewritten is not the beginning of what it was.
    redis: { config: ['auto-aof-rewrite-percentage 0'] },
  }),
  expected: { mayLose: true },
  async run(arena, random, { count }) {
    const { redis } = arena.deployment;
    if (redis === null) throw new Error('this fault needs a Redis of its own');
    await allKnownToArchive(arena);
    const done: Rollback[] = [];
    const copies: RedisCopy[] = [];
    for (let round = 0; round < (count ?? ROLLBACKS); round += 1) {
      arena.talk();
      await arena.acknowledgements(1 + random.below(20));
      const kind = random.pick(ROLLBACK_KINDS);
      try {
        done.push(await rollBack(arena, redis, kind, random, copies));
      } catch (error) {
        // Who does not come back from one rollback tells nothing of the next one: those so far are counted all the same.
        arena.complaints.push(`rollback ${round + 1} (${kind}): ${String(error)}`);
        break;
      }
    }
    arena.figures.push(...summaryOf(done));
    const missed = done.filter((rollback) => rollback.missed > 0).length;
    arena.demand(missed === 0, () => `${missed} of ${done.length} rollbacks were not noticed`);
  },
};
