import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startRedis, type RedisServer, type RedisServerOptions } from '../../../test/support/redis-server.ts';
import { createRedis, type Redis, type RedisOptions, type RedisReply } from './client.ts';
import { measureDurability, measureEviction } from './durability.ts';

async function measured<T>(
  server: RedisServer,
  user: Pick<RedisOptions, 'username' | 'password'>,
  measure: (redis: Redis) => Promise<T>,
): Promise<T> {
  const topology = { kind: 'standalone', host: server.host, port: server.port } as const;
  const redis = createRedis({ topology, ...user, database: 0, tls: null });
  try {
    await redis.start();
    return await measure(redis);
  } finally {
    await redis.close();
  }
}

const nobody = { username: null, password: null };

describe('the durability of a Redis', () => {
  it.each<[RedisServerOptions['appendonly'], string]>([
    ['always', 'redis_always'],
    ['everysec', 'redis_everysec'],
    ['no', 'redis_memory'],
    [false, 'redis_memory'],
  ])('that appends %j is %s', async (appendonly, level) => {
    const server = await startRedis(appendonly === undefined ? {} : { appendonly });
    try {
      expect(await measured(server, nobody, measureDurability)).toBe(level);
    } finally {
      await server.stop();
    }
  });

  it('is measured each time, and the exception for rewriting counts', async () => {
    const server = await startRedis({ appendonly: 'always' });
    try {
      await measured(server, nobody, async (redis) => {
        expect(await measureDurability(redis)).toBe('redis_always');
        await redis.send(['CONFIG', 'SET', 'appendfsync', 'everysec']);
        expect(await measureDurability(redis)).toBe('redis_everysec');
        await redis.send(['CONFIG', 'SET', 'no-appendfsync-on-rewrite', 'yes']);
        expect(await measureDurability(redis)).toBe('redis_memory');
      });
    } finally {
      await server.stop();
    }
  });

  it('is that of the weakest primary, and that of memory where the log cannot be written', async () => {
    const levels = { appendonly: 'yes', 'no-appendfsync-on-rewrite': 'no', appendfsync: 'always' };
    const good = { levels, info: 'aof_enabled:1\r\naof_last_write_status:ok\r\n' };
    const everysec = { ...good, levels: { ...levels, appendfsync: 'everysec' } };
    const failing = { ...good, info: 'aof_enabled:1\r\naof_last_write_status:err\r\n' };
    const primaries = (...all: (typeof good)[]) => ({
      sendToPrimaries: (args: readonly string[]): Promise<readonly RedisReply[]> =>
        Promise.resolve(
          all.map((one) => {
            const name = args[2] as keyof typeof levels;
            return args[0] === 'INFO' ? one.info : [name, one.levels[name]];
          }),
        ),
    });
    expect(await measureDurability(primaries(good, good))).toBe('redis_always');
    expect(await measureDurability(primaries(good, everysec, good))).toBe('redis_everysec');
    expect(await measureDurability(primaries(everysec, failing))).toBe('redis_memory');
  });

  it('is unavailable, not weak, when Redis cannot be asked', async () => {
    const server = await startRedis({ appendonly: 'always' });
    try {
      await measured(server, nobody, async (redis) => {
        await server.kill();
        await expect(measureDurability(redis)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
        await expect(measureEviction(redis)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      });
    } finally {
      await server.stop();
    }
  });
});

describe('a Redis that does not let itself be asked', () => {
  let server: RedisServer;
  const users = ['none', 'info', 'config'];
  beforeAll(async () => {
    const rights = ['', '+info', '+config|get'].map(
      (more, index) => `user ${users[index] ?? ''} on >pw ~* +ping ${more}`,
    );
    const config = ['appendonly yes', 'appendfsync always'];
    server = await startRedis({ appendonly: 'always', config, aclfile: rights.join('\n') });
  });
  afterAll(() => server.stop());

  it('proves no more than memory', async () => {
    const levels = users.map((username) => measured(server, { username, password: 'pw' }, measureDurability));
    expect(await Promise.all(levels)).toEqual(['redis_memory', 'redis_memory', 'redis_memory']);
  });

  it('is not known to be safe, unless one of two ways tells', async () => {
    const evictions = users.map((username) => measured(server, { username, password: 'pw' }, measureEviction));
    const safe = { policy: 'noeviction', isSafe: true };
    expect(await Promise.all(evictions)).toEqual([{ policy: null, isSafe: false }, safe, safe]);
  });
});

describe('the eviction of a Redis', () => {
  it('is safe when it drops nothing, and named when it does', async () => {
    const server = await startRedis({ maxmemory: '10mb', maxmemoryPolicy: 'allkeys-lru' });
    try {
      await measured(server, nobody, async (redis) => {
        expect(await measureEviction(redis)).toEqual({ policy: 'allkeys-lru', isSafe: false });
        await redis.send(['CONFIG', 'SET', 'maxmemory-policy', 'noeviction']);
        expect(await measureEviction(redis)).toEqual({ policy: 'noeviction', isSafe: true });
      });
    } finally {
      await server.stop();
    }
  });
});
