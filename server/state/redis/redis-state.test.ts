import { afterAll, beforeAll } from '@jest/globals';
import { plainRedis } from '../../../test/support/redis-server.ts';
import { describeSessionState } from '../state.conformance.ts';
import type { Redis } from './client.ts';
import { RedisHarness } from './redis-harness.conformance.ts';
import { redisAt } from './redis-stage.conformance.ts';

let server: Awaited<ReturnType<typeof plainRedis>>;
let redis: Redis;

beforeAll(async () => {
  server = await plainRedis();
  redis = await RedisHarness.connect(redisAt(server.url));
});

afterAll(async () => {
  await redis.close();
  await server.stop();
});

describeSessionState('RedisState', (options) => RedisHarness.open(redis, options), []);
