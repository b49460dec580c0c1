import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { outage, OUTAGE_MS, REFUSED_WITHIN_MS } from './outage.ts';

export const f06: Scenario = {
  name: 'F6',
  what: 'Redis stands still for 10 s, and then does everything that it was told meanwhile',
  hotStates: ['redis'],
  arena: threeInstances,
  expected: { answerWithinMs: REFUSED_WITHIN_MS },
  async run(arena, random) {
    const { redis } = arena.deployment;
    if (redis === null) throw new Error('this fault needs a Redis of its own');
    if (random.next() < 0.5) {
      await outage(
        arena,
        () => redis.freeze(),
        () => redis.thaw(),
      );
    } else {
      // Takes part in TCP and answers nobody, whoever would end the pause before its time included.
      await outage(
        arena,
        () => redis.command('CLIENT', 'PAUSE', String(OUTAGE_MS), 'ALL'),
        () => redis.command('PING'),
      );
    }
  },
};
