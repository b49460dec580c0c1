import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { outage, REFUSED_WITHIN_MS } from './outage.ts';

export const f05: Scenario = {
  name: 'F5',
  what: 'every byte between the instances and Redis disappears for 10 s',
  hotStates: ['redis'],
  arena: threeInstances,
  expected: { answerWithinMs: REFUSED_WITHIN_MS },
  async run(arena) {
    const { redisLinks } = arena.deployment;
    await outage(
      arena,
      () => redisLinks.forEach((link) => link.set({ kind: 'swallow' })),
      () => redisLinks.forEach((link) => link.heal()),
    );
  },
};
