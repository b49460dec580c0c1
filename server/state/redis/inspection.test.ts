import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startRedis, type RedisServer } from '../../../test/support/redis-server.ts';
import { createRedis, type Redis } from './client.ts';
import { inspectRedis } from './inspection.ts';

describe('what Redis tells of itself', () => {
  let server: RedisServer;
  let redis: Redis;

  async function connect(user: { username: string | null; password: string | null }): Promise<Redis> {
    const topology = { kind: 'standalone', host: server.host, port: server.port } as const;
    const made = createRedis({ topology, ...user, database: 0, tls: null });
    await made.start();
    return made;
  }

  beforeAll(async () => {
    server = await startRedis();
    redis = await connect({ username: null, password: null });
  });
  afterAll(async () => {
    await redis.close();
    await server.stop();
  });

  it('are its look-ups, its keys and its memory', async () => {
    const before = await inspectRedis(redis);
    await redis.send(['SET', 'one', 'x'], 'one');
    await redis.send(['SET', 'two', 'x'.repeat(1_000_000)], 'two');
    for (const key of ['one', 'two', 'three']) await redis.send(['GET', key], key);
    const after = await inspectRedis(redis);
    expect([before.hits, before.misses, before.totalKeys]).toEqual([0, 0, 0]);
    expect([after.hits, after.misses, after.totalKeys]).toEqual([2, 1, 2]);
    expect((after.memoryUsedBytes ?? 0) - (before.memoryUsedBytes ?? 0)).toBeGreaterThan(1_000_000);
  });

  it('adds the primaries of a cluster up, and knows no sum where one of them does not tell', async () => {
    const replies = (stats: readonly (string | null)[]) => ({
      sendToPrimaries: ([name, section]: readonly string[]) =>
        Promise.resolve(
          name === 'DBSIZE' ? [3, 4] : section === 'stats' ? stats : ['used_memory:10\r\n', 'used_memory:20\r\n'],
        ),
    });
    const told = 'keyspace_hits:5\r\nkeyspace_misses:1\r\n';
    expect(await inspectRedis(replies([told, told]))).toEqual({
      hits: 10,
      misses: 2,
      totalKeys: 7,
      memoryUsedBytes: 30,
    });
    expect(await inspectRedis(replies([told, null]))).toEqual({
      hits: null,
      misses: null,
      totalKeys: 7,
      memoryUsedBytes: 30,
    });
  });

  it('leaves out what the user may not ask', async () => {
    await redis.send(['ACL', 'SETUSER', 'narrow', 'on', '>narrow', '~*', '+@all', '-info']);
    const narrow = await connect({ username: 'narrow', password: 'narrow' });
    try {
      expect(await inspectRedis(narrow)).toEqual({
        hits: null,
        misses: null,
        totalKeys: expect.any(Number),
        memoryUsedBytes: null,
      });
    } finally {
      await narrow.close();
    }
  });
});
