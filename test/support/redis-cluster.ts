import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { startRedis, type RedisServer, type RedisServerOptions } from './redis-server.ts';

const PRIMARIES = 3;

export interface RedisClusterServers {
  readonly nodes: readonly RedisServer[];
  /** The node that owns the slot of a key now, as all reachable nodes say. */
  ownerOf(key: string): Promise<RedisServer>;
  stop(): Promise<void>;
}

/** Three primaries with a replica each. A node that is silent for a second is taken for dead. */
export async function startCluster(options: RedisServerOptions = {}): Promise<RedisClusterServers> {
  const config = [...(options.config ?? []), 'cluster-enabled yes', 'cluster-node-timeout 1000'];
  // A replica that was cut off for a while may still be elected: with one replica there is no better one.
  config.push(
    'cluster-config-file nodes.conf',
    'cluster-replica-validity-factor 0',
    'cluster-allow-replica-migration no',
  );
  const nodes: RedisServer[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    const starting = Array.from({ length: PRIMARIES * 2 }, () => startRedis({ ...options, config }));
    for (const outcome of await Promise.allSettled(starting)) {
      if (outcome.status === 'fulfilled') nodes.push(outcome.value);
      else throw outcome.reason;
    }
    const addresses = nodes.map(({ host, port }) => `${host}:${port}`);
    const password = options.requirepass === undefined ? [] : ['-a', options.requirepass];
    const create = ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'];
    await promisify(execFile)('redis-cli', [...password, ...create]);
    await eventually(async () => {
      for (const node of nodes) {
        const info = String(await node.command('CLUSTER', 'INFO'));
        if (!info.includes('cluster_state:ok')) throw new Error(`Not ready: ${info}`);
        const replication = String(await node.command('INFO', 'replication'));
        const isInStep = /role:master[\s\S]*connected_slaves:1|role:slave[\s\S]*master_link_status:up/.test(
          replication,
        );
        if (!isInStep) throw new Error(`Not in step: ${replication}`);
      }
    }, 30_000);
    const ownerOf = async (key: string) => {
      const owners = new Set<string>();
      for (const node of nodes) {
        const owner = await ownerAsSaidBy(node, key).catch(() => null); // ended by the test
        if (owner !== null) owners.add(owner);
      }
      const [owner = ''] = owners;
      const found = nodes.find((node) => `${node.host}:${node.port}` === owner);
      if (owners.size !== 1 || found === undefined) throw new Error(`The nodes do not agree: ${[...owners].join()}`);
      return found;
    };
    return { nodes, ownerOf, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function ownerAsSaidBy(node: RedisServer, key: string): Promise<string | null> {
  const slot = Number(await node.command('CLUSTER', 'KEYSLOT', key));
  const ranges = (await node.command('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]; // by the protocol
  const range = ranges.find(([from, to]) => from <= slot && slot <= to);
  return range === undefined ? null : `${range[2][0]}:${range[2][1]}`;
}
