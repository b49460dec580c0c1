import { setTimeout as delay } from 'node:timers/promises';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';

const KILLS = 8;

export const f01: Scenario = {
  name: 'F1',
  what: 'an instance is killed with -9 while it has sends under way, again and again',
  hotStates: ['redis', 'embedded', 'sentinel', 'cluster'],
  arena: threeInstances,
  async run(arena, random) {
    for (let kill = 0; kill < KILLS; kill += 1) {
      await arena.acknowledgements(1 + random.below(80));
      const instance = random.pick(arena.deployment.instances);
      // The fault's own schedule: some time after a send that no answer decides.
      const afterMs = random.below(50);
      for (const recorder of arena.clients.recorders) recorder.say();
      await delay(afterMs);
      await instance.kill9();
      if (random.next() < 0.5) await delay(random.below(500));
      await instance.start();
      await arena.served();
    }
  },
};
