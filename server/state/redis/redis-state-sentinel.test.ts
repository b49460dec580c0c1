import { afterAll, beforeAll } from '@jest/globals';
import { startSentinels, type Sentinels } from '../../../test/support/redis-sentinels.ts';
import { describeSessionState } from '../state.conformance.ts';
import { RedisHarness } from './redis-harness.conformance.ts';

let stage: Sentinels;

beforeAll(async () => {
  stage = await startSentinels();
}, 60_000);

afterAll(() => stage.stop());

describeSessionState(
  'RedisState behind sentinels',
  (options) => {
    const topology = { kind: 'sentinel', name: stage.name, sentinels: stage.sentinels } as const;
    return RedisHarness.open({ topology, username: null, password: null, database: 0, tls: null }, options);
  },
  [],
);
