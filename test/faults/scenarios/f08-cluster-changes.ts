import { Keys } from '../../../server/state/redis/keys.ts';
import { eventually } from '../../support/eventually.ts';
import type { RedisClusterServers } from '../../support/redis-cluster.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';

const FLOWS_WITHIN_MS = 6_000;
const MIGRATE_TIMEOUT_MS = '5000';

export const f08: Scenario = {
  name: 'F8',
  what: 'a slot of the cluster moves under load, then the owner of a slot is killed',
  hotStates: ['cluster'],
  arena: threeInstances,
  // Replication is asynchronous, as with sentinels.
  expected: { mayLose: true },
  async run(arena, random) {
    const { cluster } = arena.deployment;
    if (cluster === null) throw new Error('this fault needs a cluster');
    await arena.acknowledgements(1 + random.below(60));
    const { sessionId } = random.pick(arena.clients.pairs);
    const key = new Keys('tandem').session(sessionId).flat;
    await moveSlot(cluster, key);
    await arena.served();

    const owner = await cluster.ownerOf(key);
    await arena.acknowledgements(1 + random.below(60));
    await owner.kill('SIGKILL');
    const killedAt = performance.now();
    await arena.served();
    const tookMs = performance.now() - killedAt;
    arena.demand(tookMs <= FLOWS_WITHIN_MS, () => `sends flowed ${Math.round(tookMs)} ms after the owner was killed`);
    await owner.restart();
    await arena.acknowledgements(40);
  },
};

/** As `redis-cli --cluster reshard` does it, key by key: clients meet ASK, TRYAGAIN and MOVED. */
async function moveSlot(cluster: RedisClusterServers, key: string): Promise<void> {
  const source = await cluster.ownerOf(key);
  const primaries = await primariesOf(cluster);
  const target = primaries.find((node) => node !== source);
  if (target === undefined) throw new Error('there is no other primary');
  const slot = String(await source.command('CLUSTER', 'KEYSLOT', key));
  const [sourceId, targetId] = [await idOf(source), await idOf(target)];
  await target.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', sourceId);
  await source.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', targetId);
  for (;;) {
    const keys = await source.command('CLUSTER', 'GETKEYSINSLOT', slot, '1');
    const [next] = Array.isArray(keys) ? keys.map(String) : [];
    if (next === undefined) break;
    await source.command('MIGRATE', target.host, String(target.port), next, '0', MIGRATE_TIMEOUT_MS);
  }
  // The new owner first: then there is no time in which nobody owns it.
  await target.command('CLUSTER', 'SETSLOT', slot, 'NODE', targetId);
  for (const node of primaries) if (node !== target) await node.command('CLUSTER', 'SETSLOT', slot, 'NODE', targetId);
  await eventually(async () => {
    if ((await cluster.ownerOf(key)) !== target) throw new Error('not all nodes know the new owner');
  });
}

async function primariesOf({ nodes }: RedisClusterServers): Promise<RedisServer[]> {
  const roles = await Promise.all(
    nodes.map(async (node) => ({ node, isPrimary: String(await node.command('ROLE')).startsWith('master') })),
  );
  return roles.filter(({ isPrimary }) => isPrimary).map(({ node }) => node);
}

async function idOf(node: RedisServer): Promise<string> {
  return String(await node.command('CLUSTER', 'MYID'));
}
