import { setTimeout as delay } from 'node:timers/promises';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';

const KILLS = 3;
const HEALED_WITHIN_MS = 8_000;

export const f04: Scenario = {
  name: 'F4',
  what: 'Redis with AOF always is killed with -9 under load, and started again with its data',
  hotStates: ['redis'],
  arena: threeInstances,
  async run(arena, random) {
    const { redis } = arena.deployment;
    if (redis === null) throw new Error('this fault needs a Redis of its own');
    for (let kill = 0; kill < KILLS; kill += 1) {
      await arena.acknowledgements(1 + random.below(100));
      await delay(random.below(50));
      await redis.kill('SIGKILL');
      await delay(random.below(3_000));
      await redis.restart();
      const tookMs = await arena.served();
      arena.demand(tookMs <= HEALED_WITHIN_MS, () => `sends succeeded ${Math.round(tookMs)} ms after Redis was back`);
    }
  },
};
