import { describe, expect, it } from '@jest/globals';
import type { DetailedReport } from '../server/observability/health-detailed.ts';
import { Client } from './support/client.ts';
import { eventually } from './support/eventually.ts';
import { startRedis } from './support/redis-server.ts';
import { startServer, type RunningServer } from './support/server.ts';
import { startTcpProxy } from './support/tcp-proxy.ts';

const ADMIN_TOKEN = 'the-admin-token-of-this-test';

async function look(server: RunningServer): Promise<{ status: number; report: DetailedReport }> {
  const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` };
  const response = await fetch(`${server.url}/health/detailed`, { headers });
  return { status: response.status, report: (await response.json()) as DetailedReport };
}

/** A message in a session of one. */
async function talk(server: RunningServer): Promise<Client> {
  const client = new Client(server.url);
  expect(await client.opened()).toBeNull();
  await client.do('session:create', {});
  await client.do('message:send', { id: 'message-1', body: 'hello' });
  return client;
}

const NUMBER: unknown = expect.any(Number);

describe('/health/detailed', () => {
  it('of a server with Redis tells what Redis tells, how durable it is, and what the server has to do', async () => {
    const redis = await startRedis({ appendonly: 'everysec' });
    const proxy = await startTcpProxy({ host: redis.host, port: redis.port });
    const env = { REDIS_URL: `redis://${proxy.host}:${proxy.port}`, ADMIN_TOKEN };
    const server = await startServer(env, {
      errors: ['redis_lost', 'db_error', 'delivery_failed', 'archive_failed', 'internal_error'],
    });
    const client = await talk(server);
    try {
      const { status, report } = await look(server);
      expect(status).toBe(200);
      expect(report).toMatchObject({
        status: 'healthy',
        durability: 'redis_everysec',
        checks: {
          database: { status: 'ok', type: 'embedded', latencyMs: NUMBER },
          cache: { status: 'ok', type: 'redis', latencyMs: NUMBER, hits: NUMBER, misses: NUMBER, hitRate: NUMBER },
          storage: { status: expect.stringMatching(/^(ok|degraded)$/), freeBytes: NUMBER },
          logs: { status: 'ok', droppedLines: 0 },
          mail: { status: 'disabled' },
        },
        stats: { sessions: 1, participants: 1, connections: 1, users: 0, messages: 1 },
      });
      expect(report.checks.cache.totalKeys).toBeGreaterThan(0);
      expect(report.checks.cache.memoryUsed).toBeGreaterThan(100_000);

      proxy.set({ kind: 'hold' }, 'down');
      // The look of just before counts for a second. None of these answers waits for Redis for longer than that.
      let longestMs = 0;
      const failed = await eventually(async () => {
        const startedAt = performance.now();
        const outcome = await look(server);
        longestMs = Math.max(longestMs, performance.now() - startedAt);
        expect(outcome.report.checks.cache.status).toBe('failed');
        return outcome;
      });
      expect(failed.report.checks.cache).toMatchObject({ hits: 0, totalKeys: null, memoryUsed: null });
      expect(longestMs).toBeLessThan(5000);
      proxy.heal();
      await eventually(async () => expect((await look(server)).report.checks.cache.status).toBe('ok'));
    } finally {
      client.close();
      proxy.heal();
      await server.stop();
      await proxy.close();
      await redis.stop();
    }
  }, 60_000);

  it('of a server on its own tells of the sessions in its memory', async () => {
    const server = await startServer({ ADMIN_TOKEN, REDIS_URL: '' });
    const client = await talk(server);
    try {
      const { status, report } = await look(server);
      expect(status).toBe(200);
      expect(report).toMatchObject({
        durability: 'archived',
        checks: { cache: { status: 'ok', type: 'memory', misses: NUMBER, hitRate: NUMBER, totalKeys: 1 } },
        stats: { sessions: 1, participants: 1, connections: 1, messages: 1 },
      });
      expect(report.checks.cache.memoryUsed).toBeGreaterThan(0);
    } finally {
      client.close();
      await server.stop();
    }
  }, 60_000);
});
