import { describe, expect, it } from '@jest/globals';
import { createHealth } from './health.ts';
import { createInstanceReport } from './instance-report.ts';
import { createMetrics } from './metrics.ts';

const NOW = Date.parse('2026-01-31T12:00:00.000Z');

describe('what an instance tells of itself', () => {
  const metrics = createMetrics({ version: '1.2.3' });
  let isDraining = false;
  const health = createHealth({
    ...{ version: '1.2.3', instanceId: 'own', startedAt: NOW, databaseType: 'postgres', now: () => NOW },
    database: () => Promise.resolve(),
    redis: () => Promise.reject(new Error('away')),
    delivery: () => Promise.resolve(),
    isDraining: () => isDraining,
  });
  const report = createInstanceReport({
    ...{ instanceId: 'own', version: '1.2.3', startedAt: NOW, health, metrics, now: () => NOW + 5000 },
    isDraining: () => isDraining,
    durability: () => 'redis_everysec',
    archive: () => ({ lagMs: 12, backlogMessages: 3 }),
    countSetAside: () => Promise.resolve(2),
    mail: () => 'degraded',
  });

  it('counts since the start, but delivery since the report before', () => {
    metrics.observe({ connections: () => 4, sessions: () => ({ waiting: 1, paired: 2, closed: 9 }) });
    metrics.messageAppended();
    metrics.rateLimited('messages_user');
    metrics.rateLimited('messages_user');
    for (let message = 0; message < 10; message += 1) metrics.messageDelivered(0.0004);
    const first = report();
    expect(first).toMatchObject({
      ...{ instanceId: 'own', version: '1.2.3', state: 'not_ready', connections: 4, messagesTotal: 1 },
      ...{ startedAt: '2026-01-31T12:00:00.000Z', reportedAt: '2026-01-31T12:00:05.000Z' },
      ...{ sessions: { waiting: 1, paired: 2 }, limitedTotal: { messages_user: 2 } },
    });
    expect(first.deliveryMs?.p50).toBeCloseTo(0.25);
    metrics.messageDelivered(4);
    expect(report().deliveryMs?.p50).toBeGreaterThan(2500);
    expect(report()).toMatchObject({ deliveryMs: null, messagesTotal: 1, limitedTotal: { messages_user: 2 } });
  });

  it('names what it needs, and what an acknowledged message survives', async () => {
    health.start();
    await health.looked();
    health.stop();
    const told = report();
    expect(told.stores).toEqual({
      redis: { status: 'failed', latencyMs: null },
      database: { status: 'ok', latencyMs: expect.any(Number) },
      archive: { lagMs: 12, backlogMessages: 3, sessionsSetAside: 2 },
      mail: { status: 'degraded' },
    });
    expect(told.durabilityMeaning).toContain('within two seconds');
    expect(told.memoryBytes).toBeGreaterThan(10_000_000);
    expect(told.cpuCores).toBeGreaterThanOrEqual(0);
    isDraining = true;
    expect(report().state).toBe('draining');
  });
});
