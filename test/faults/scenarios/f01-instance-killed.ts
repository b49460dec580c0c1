import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { killMidSend } from './mid-send-kill.ts';

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
      await killMidSend(arena, instance, random);
      await instance.start();
      await arena.served();
    }
  },
};
