import { eventually } from '../../support/eventually.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { fill, giveRoom } from './full-redis.ts';

const HEALED_WITHIN_MS = 8_000;

export const f09: Scenario = {
  name: 'F9',
  what: 'Redis has no memory left and evicts nothing; then it would evict',
  hotStates: ['redis'],
  arena: (hotState) => ({ ...threeInstances(hotState), redis: { maxmemoryPolicy: 'noeviction' } }),
  async run(arena) {
    const { redis, instances } = arena.deployment;
    if (redis === null) throw new Error('this fault needs a Redis of its own');
    await arena.acknowledgements(40);
    arena.hush();
    await arena.served();
    const headsBefore = await heads();
    await fill(redis);
    const ids = arena.clients.pairs.map(({ teller }) => ({ teller, id: teller.say() }));
    await eventually(() => {
      const open = ids.filter(
        ({ teller, id }) => !teller.record.entries.some((entry) => entry.kind === 'unknown' && entry.id === id),
      );
      return open.length === 0 ? Promise.resolve() : Promise.reject(new Error(`${open.length} sends are not refused`));
    });
    const headsFull = await heads();
    arena.demand(
      JSON.stringify(headsFull) === JSON.stringify(headsBefore),
      () => `a refused send moved the head: ${headsBefore.join()} became ${headsFull.join()}`,
    );
    await giveRoom(redis);
    const tookMs = await arena.served();
    arena.demand(
      tookMs <= HEALED_WITHIN_MS,
      () => `sends succeeded ${Math.round(tookMs)} ms after there was room again`,
    );

    await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    await Promise.all(instances.map((instance) => becomes(instance, 503)));
    await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    await Promise.all(instances.map((instance) => becomes(instance, 200)));
    arena.talk();
    await arena.acknowledgements(40);

    async function heads(): Promise<number[]> {
      return Promise.all(arena.clients.pairs.map(async ({ teller }) => (await teller.head()).lastSeq));
    }
  },
};

/** The policy is looked at once in a while, not with every command. */
async function becomes(
  instance: { get(path: string): Promise<{ status: number } | null> },
  status: number,
): Promise<void> {
  await eventually(async () => {
    const ready = await instance.get('/health/ready');
    if (ready?.status !== status) throw new Error(`expected ${status} of /health/ready, got ${JSON.stringify(ready)}`);
  }, 65_000);
}
