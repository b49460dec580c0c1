import { afterAll, beforeAll } from '@jest/globals';
import { startCluster, type RedisClusterServers } from '../../../test/support/redis-cluster.ts';
import { describeSessionState } from '../state.conformance.ts';
import type { Redis } from './client.ts';
import { RedisHarness } from './redis-harness.conformance.ts';

let cluster: RedisClusterServers;
let redis: Redis;

beforeAll(async () => {
  cluster = await startCluster();
  const topology = { kind: 'cluster', nodes: cluster.nodes } as const;
  redis = await RedisHarness.connect({ topology, username: null, password: null, database: 0, tls: null });
}, 60_000);

afterAll(async () => {
  await redis.close();
  await cluster.stop();
});

describeSessionState('RedisState in a cluster', (options) => RedisHarness.open(redis, options), []);
