import { afterAll, beforeAll } from '@jest/globals';
import { startCluster, type RedisClusterServers } from '../../../test/support/redis-cluster.ts';
import { describeSessionState } from '../state.conformance.ts';
import { RedisHarness } from './redis-harness.conformance.ts';

let cluster: RedisClusterServers;

beforeAll(async () => {
  cluster = await startCluster();
}, 60_000);

afterAll(() => cluster.stop());

describeSessionState(
  'RedisState in a cluster',
  (options) => {
    const topology = { kind: 'cluster', nodes: cluster.nodes } as const;
    return RedisHarness.open({ topology, username: null, password: null, database: 0, tls: null }, options);
  },
  [],
);
