import { afterAll, beforeAll } from '@jest/globals';
import { plainRedis } from '../../../test/support/redis-server.ts';
import { describeSessionState } from '../state.conformance.ts';
import { RedisHarness } from './redis-harness.conformance.ts';
import { redisAt } from './redis-stage.conformance.ts';

let server: Awaited<ReturnType<typeof plainRedis>>;

beforeAll(async () => {
  server = await plainRedis();
});

afterAll(() => server.stop());

describeSessionState('RedisState', (options) => RedisHarness.open(redisAt(server.url), options), []);
