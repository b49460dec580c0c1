import { tmpdir } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { createDetailedHealth, type DetailedHealthOptions } from './health-detailed.ts';
import type { HealthSummary } from './health.ts';

const SUMMARY: HealthSummary = {
  status: 'healthy',
  timestamp: '2026-01-31T12:00:00.000Z',
  uptimeSeconds: 61,
  services: {
    database: { status: 'ok', latencyMs: 1.5, type: 'postgres' },
    redis: { status: 'ok', latencyMs: 0.5, connected: true },
  },
};

function report(options: Partial<DetailedHealthOptions> = {}) {
  return createDetailedHealth({
    health: { summary: () => SUMMARY },
    version: '1.2.3',
    durability: () => 'redis_everysec',
    eventLoopLagSeconds: () => 0.012,
    cacheType: 'redis',
    cache: () => Promise.resolve({ hits: 3, misses: 1, totalKeys: 7, memoryUsedBytes: 4096 }),
    storageDir: tmpdir(),
    logger: { dropped: () => 0, droppedAt: () => null },
    stats: () => ({ sessions: 1, participants: 2, connections: 2, messages: 5 }),
    countUsers: () => Promise.resolve(3),
    countSetAside: () => Promise.resolve(0),
    mail: () => 'disabled',
    ...options,
  }).report();
}

describe('the detailed report', () => {
  it('is that of /health, and what an operator wants to know besides', async () => {
    expect(await report()).toEqual({
      ...SUMMARY,
      version: '1.2.3',
      memory: {
        rss: expect.any(Number),
        heapTotal: expect.any(Number),
        heapUsed: expect.any(Number),
        external: expect.any(Number),
        arrayBuffers: expect.any(Number),
      },
      eventLoop: { lagSeconds: 0.012, utilization: expect.any(Number) },
      durability: 'redis_everysec',
      durabilityMeaning: expect.stringContaining('within two seconds'),
      checks: {
        database: { status: 'ok', type: 'postgres', latencyMs: 1.5 },
        cache: {
          status: 'ok',
          type: 'redis',
          latencyMs: expect.any(Number),
          hits: 3,
          misses: 1,
          hitRate: 0.75,
          totalKeys: 7,
          memoryUsed: 4096,
        },
        storage: {
          status: expect.stringMatching(/^(ok|degraded)$/),
          freeBytes: expect.any(Number),
          totalBytes: expect.any(Number),
        },
        logs: { status: 'ok', droppedLines: 0 },
        mail: { status: 'disabled' },
        archive: { status: 'ok', sessionsSetAside: 0 },
      },
      stats: { sessions: 1, participants: 2, connections: 2, users: 3, messages: 5 },
    });
  });

  it('comes with what is known when the cache does not answer, or not with all', async () => {
    const failed = await report({ cache: () => Promise.reject(new Error('gone')) });
    expect(failed.checks.cache).toEqual({
      status: 'failed',
      type: 'redis',
      latencyMs: null,
      hits: null,
      misses: null,
      hitRate: null,
      totalKeys: null,
      memoryUsed: null,
    });
    const silent = await report({
      cache: () => Promise.resolve({ hits: null, misses: 4, totalKeys: 7, memoryUsedBytes: null }),
    });
    expect(silent.checks.cache).toMatchObject({ status: 'ok', hits: null, misses: 4, hitRate: null, memoryUsed: null });
  });

  it('has the hits and misses of the caches, not of the hot state, also while that does not answer', async () => {
    const cacheRequests = () => ({ hits: 6, misses: 2 });
    expect((await report({ cacheRequests })).checks.cache).toMatchObject({ hits: 6, misses: 2, hitRate: 0.75 });
    const away = await report({ cacheRequests, cache: () => Promise.reject(new Error('gone')) });
    const counted = { status: 'failed', hits: 6, misses: 2, hitRate: 0.75, totalKeys: null, memoryUsed: null };
    expect(away.checks.cache).toMatchObject(counted);
  });

  it('has a hit rate of 0 where nothing was asked for', async () => {
    const cache = () => Promise.resolve({ hits: 0, misses: 0, totalKeys: 0, memoryUsedBytes: 0 });
    expect((await report({ cache })).checks.cache.hitRate).toBe(0);
  });

  it('calls a Redis that cannot be relied on failed, though it answers', async () => {
    const { services } = SUMMARY;
    const summary = { ...SUMMARY, services: { ...services, redis: { ...services.redis, status: 'failed' as const } } };
    expect((await report({ health: { summary: () => summary } })).checks.cache).toMatchObject({
      status: 'failed',
      hits: 3,
    });
  });

  it('tells of a disk that cannot be looked at, and of none', async () => {
    expect((await report({ storageDir: '/does/not/exist' })).checks.storage).toEqual({
      status: 'failed',
      freeBytes: null,
      totalBytes: null,
    });
    expect((await report({ storageDir: null })).checks.storage.status).toBe('disabled');
  });

  it.each([
    ['degraded', 1000],
    ['ok', 300_001],
  ])('is %s after log lines were lost, the last one %d ms ago, whoever looks first', async (status, agoMs) => {
    const logger = { dropped: () => 12, droppedAt: () => performance.now() - agoMs };
    expect((await report({ logger })).checks.logs).toEqual({ status, droppedLines: 12 });
  });

  it.each(['archived', 'redis_always', 'redis_everysec', 'redis_memory'] as const)(
    'says what %s means',
    async (level) => {
      const { durability, durabilityMeaning } = await report({ durability: () => level });
      expect(durability).toBe(level);
      expect(durabilityMeaning).toMatch(/^An acknowledged message .*\.$/);
    },
  );
});
