import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../../test/support/eventually.ts';
import { startRedis, type RedisServer } from '../../../test/support/redis-server.ts';
import { CACHE_TTL_MS } from '../../cache/cache-kinds.ts';
import { Cache, type CacheRequest } from '../../cache/cache.ts';
import { describeCache } from '../conformance/cache.conformance.ts';
import { slotOf } from './client-slots.ts';
import { RedisCache } from './redis-cache.ts';
import { redisAt, RedisStage } from './redis-stage.conformance.ts';

describeCache('Redis', async () => {
  const stage = await RedisStage.open();
  return {
    openStore: () => new RedisCache({ redis: stage.redis, keys: stage.keys }),
    // Redis has a clock of its own, so what it keeps grows older instead.
    advance: async (ms) => {
      for (const name of await stage.names()) {
        const left = Number(await stage.command('PTTL', name)) - ms;
        await (left > 0 ? stage.command('PEXPIRE', name, String(left)) : stage.command('DEL', name));
      }
    },
    close: () => stage.close(),
  };
});

describe('a cache in Redis', () => {
  let server: RedisServer;
  let stage: RedisStage;
  let now: number;
  let outcomes: string[];
  let cache: Cache;

  beforeAll(async () => {
    server = await startRedis();
    stage = await RedisStage.open(redisAt(server.url));
  });

  afterAll(async () => {
    await stage.close();
    await server.stop();
  });

  beforeEach(async () => {
    await server.command('FLUSHALL');
    [now, outcomes] = [0, []];
    cache = cacheOver(new RedisCache({ redis: stage.redis, keys: stage.keys, now: () => now }));
  });

  function cacheOver(store: RedisCache): Cache {
    return new Cache({ store, now: () => now, onRequest: (_kind, outcome) => outcomes.push(outcome) });
  }

  function asking(value: string, own: Partial<CacheRequest<string>> = {}): CacheRequest<string> {
    const load = () => Promise.resolve(value);
    return { kind: 'user', subject: 'subject', key: 'key', parse: String, load, ...own };
  }

  async function calls(work: () => Promise<unknown>): Promise<Record<string, number>> {
    await server.command('CONFIG', 'RESETSTAT');
    await work();
    const stats = String(await server.command('INFO', 'commandstats'));
    const counts = [...stats.matchAll(/cmdstat_(evalsha|eval|set|mget):calls=(\d+)/g)];
    return Object.fromEntries(counts.map(([, name = '', count]) => [name, Number(count)]));
  }

  it('has keys that end, lie in one slot, and hold no text of a user', async () => {
    const secrets = { subject: 'ann@example.org', key: 'what {Ann} typed' };
    await cache.getOrSet(asking('value', secrets));
    await cache.invalidate('user', secrets.subject);
    const names = await stage.names();
    expect(names).toHaveLength(2);
    for (const name of names) {
      expect(name).not.toMatch(/ann|typed/i);
      expect(Number(await stage.command('PTTL', name))).toBeGreaterThan(CACHE_TTL_MS.user - 10_000);
    }
    expect(new Set(names.map(slotOf)).size).toBe(1);
    const { document } = stage.keys.session('01890a5d-ac96-774b-bcce-b302099a8057');
    const { entry } = stage.keys.cache({ kind: 'history', subject: '01890a5d-ac96-774b-bcce-b302099a8057', key: '' });
    expect(slotOf(entry)).toBe(slotOf(document));
  });

  it('costs a reader one round trip, and a write that nobody waits for', async () => {
    await cache.getOrSet(asking('first', { key: 'lets the server know the script' }));
    expect(await calls(() => cache.getOrSet(asking('value')))).toEqual({ evalsha: 1, set: 1 });
    expect(await calls(() => cache.getOrSet(asking('another')))).toEqual({ evalsha: 1 });
  });

  it('takes a bounded part of the memory of the sessions', async () => {
    const options = { redis: stage.redis, keys: stage.keys, now: () => now, maxBytesWritten: 100_000 };
    const bounded = cacheOver(new RedisCache(options));
    const large = 'x'.repeat(60_000);
    for (const key of ['1', '2', '3']) await bounded.getOrSet(asking(large, { key }));
    await bounded.getOrSet(asking(large, { kind: 'code' }));
    expect(await stage.names()).toHaveLength(2);
    now += CACHE_TTL_MS.user;
    await bounded.getOrSet(asking(large, { key: '2' }));
    expect(await stage.names()).toHaveLength(3);
  });

  it('loads what a full Redis does not keep, and makes good what it could not be told', async () => {
    await cache.getOrSet(asking('old'));
    await server.command('CONFIG', 'SET', 'maxmemory', '1');
    try {
      const another = { subject: 'another' };
      expect(await cache.getOrSet(asking('not kept', another))).toBe('not kept');
      expect(await cache.getOrSet(asking('loaded again', another))).toBe('loaded again');
      await cache.invalidate('user', 'subject');
      expect(await cache.getOrSet(asking('loaded'))).toBe('loaded');
    } finally {
      await server.command('CONFIG', 'SET', 'maxmemory', '0');
    }
    now += 1000;
    expect(await cache.getOrSet(asking('new'))).toBe('new');
    expect(await cache.getOrSet(asking('never loaded'))).toBe('new');
    expect(outcomes).toEqual(['miss', 'miss', 'miss', 'error', 'miss', 'hit']);
  });

  it('waits a moment for a Redis that does not answer, then leaves it alone for a while', async () => {
    await cache.getOrSet(asking('before'));
    server.freeze();
    try {
      const loads: ((value: string) => void)[] = [];
      const load = () => new Promise<string>((resolve) => loads.push(resolve));
      const both = [cache.getOrSet(asking('', { load })), cache.getOrSet(asking('', { load }))];
      await eventually(() => {
        expect(outcomes).toEqual(['miss', 'error', 'error']);
        return Promise.resolve();
      });
      for (const end of loads) end('loaded');
      expect(await Promise.all(both)).toEqual(['loaded', 'loaded']);
      expect(loads).toHaveLength(1);
      // The client has not given up yet, the cache has; the next ones do not ask.
      expect(stage.redis.isReady()).toBe(true);
      const turns = new Promise((resolve) => setImmediate(() => setImmediate(() => resolve('waited'))));
      expect(await Promise.race([turns, cache.getOrSet(asking('not asked'))])).toBe('not asked');
      // Whether it was told is unknown.
      await cache.invalidate('user', 'subject');
    } finally {
      server.thaw();
    }
    await eventually(() => stage.redis.send(['PING']));
    expect(await cache.getOrSet(asking('still left alone'))).toBe('still left alone');
    now += 1000;
    expect(await cache.getOrSet(asking('after the invalidation'))).toBe('after the invalidation');
    expect(await cache.getOrSet(asking('never loaded'))).toBe('after the invalidation');
    expect(outcomes).toEqual(['miss', 'error', 'error', 'error', 'error', 'miss', 'hit']);
  });
});
