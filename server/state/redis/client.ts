/** The one way to Redis: a single server, a primary that sentinels name, or a cluster, behind one facade. */
import { createCluster } from './client-cluster.ts';
import { createSingle } from './client-single.ts';
import type { Redis, RedisHooks, RedisOptions } from './client-types.ts';

export type { Guard, Redis, RedisAddress, RedisHooks, RedisKind, RedisOptions, RedisPrimary } from './client-types.ts';
export type { RedisReply, RedisScript, RedisSubscriber, RedisTopology } from './client-types.ts';

/** Nothing is connected before `start`. */
export function createRedis(options: RedisOptions, hooks: RedisHooks = {}): Redis {
  const { topology } = options;
  return topology.kind === 'cluster'
    ? createCluster(options, topology.nodes, hooks)
    : createSingle(options, topology, hooks);
}
