import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../support/random.ts';
import type { Deployment } from '../deployment.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { allKnownToArchive, headsOf } from './heads.ts';

const ROUNDS = 4;
const HEALED_WITHIN_MS = 8_000;

export const f03: Scenario = {
  name: 'F3',
  what: 'Redis without a log of writes is killed with -9 under load, and starts with nothing, again and again',
  hotStates: ['redis', 'sentinel'],
  arena: (hotState) => ({ ...threeInstances(hotState), redis: { appendonly: false } }),
  expected: { mayLose: true },
  async run(arena, random, { count }) {
    const healedMs: number[] = [];
    await allKnownToArchive(arena);
    for (let round = 0; round < (count ?? ROUNDS); round += 1) {
      const before = await headsOf(arena);
      await arena.acknowledgements(1 + random.below(150));
      await delay(random.below(50));
      await empty(arena.deployment, random);
      const tookMs = await arena.served();
      healedMs.push(tookMs);
      arena.demand(tookMs <= HEALED_WITHIN_MS, () => `sends succeeded ${Math.round(tookMs)} ms after Redis was back`);
      for (const { pair, epoch } of await headsOf(arena)) {
        const known = before.find((head) => head.pair === pair)?.epoch ?? 0;
        arena.demand(epoch > known, () => `round ${round}: ${pair.sessionId} goes on under epoch ${epoch}`);
      }
    }
    const slowest = Math.round(Math.max(...healedMs));
    arena.figures.push(`Redis was emptied ${healedMs.length} times; everybody was served at most ${slowest} ms later`);
  },
};

async function empty({ redis, sentinels }: Deployment, random: Random): Promise<void> {
  if (redis !== null) {
    await redis.kill('SIGKILL');
    await delay(random.below(3_000));
    await redis.restart();
    return;
  }
  if (sentinels === null) throw new Error('this fault needs a Redis of its own');
  // All at once: one that lives would be promoted with what it has. Those who follow come back to find an empty primary.
  const primary = await sentinels.primary();
  await Promise.all(sentinels.servers.map((server) => server.kill('SIGKILL')));
  for (const server of [primary, ...sentinels.servers.filter((other) => other !== primary)]) await server.restart();
}
