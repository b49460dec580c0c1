import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { claimDatabase, ForeignRedisError } from './database-claim.ts';
import { RedisStage } from './redis-stage.conformance.ts';

let stage: RedisStage;

beforeEach(async () => {
  stage = await RedisStage.open();
});

afterEach(() => stage.close());

it('a Redis belongs to the database that asked first, for all of its instances', async () => {
  const claims = ['one', 'other'].map((identity) => claimDatabase(stage.redis, stage.keys, identity));
  const [first, second] = await Promise.allSettled(claims);
  expect(first?.status).toBe('fulfilled');
  expect(second).toMatchObject({ status: 'rejected', reason: expect.any(ForeignRedisError) });
  await claimDatabase(stage.redis, stage.keys, 'one');
});

it('the claim lasts for as long as it is renewed, and 90 days longer', async () => {
  await claimDatabase(stage.redis, stage.keys, 'one');
  await stage.command('PEXPIRE', stage.keys.database, '1000');
  await claimDatabase(stage.redis, stage.keys, 'one');
  expect(Number(await stage.command('PTTL', stage.keys.database))).toBeGreaterThan(89 * 86_400_000);
  // What others ask does not prolong it.
  await stage.command('PEXPIRE', stage.keys.database, '100000');
  await expect(claimDatabase(stage.redis, stage.keys, 'other')).rejects.toThrow(/DATABASE_URL.*REDIS_KEY_PREFIX/);
  expect(Number(await stage.command('PTTL', stage.keys.database))).toBeLessThanOrEqual(100_000);
});
