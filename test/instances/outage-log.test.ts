import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Environment } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { stageInstances, stageStores } from '../support/instances-stage.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

/** What a server says at `debug` that is nobody's fault here. */
const EVENTS = [
  ...['server_started', 'server_stopped', 'drain_started', 'drain_phase', 'connection_opened', 'connection_closed'],
  ...['session_created', 'session_closed', 'message_sent', 'security_event', 'token_revoked', 'internal_error'],
  ...['redis_lost', 'redis_recovered', 'db_error', 'db_recovered', 'archive_failed'],
  ...['delivery_failed', 'delivery_recovered'],
];

const stores = stageStores();
/** Where the database and the log are is known when the instance starts. */
const env: Environment = { LOG_LEVEL: 'debug' };
let logDir: string;
let database: TcpProxy;

beforeAll(async () => {
  logDir = await mkdtemp(path.join(tmpdir(), 'tandem-logs-'));
  const url = new URL(await stores.postgres.createDatabase());
  database = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  [url.hostname, url.port] = [database.host, String(database.port)];
  Object.assign(env, { LOG_DIR: logDir, DATABASE_URL: url.href });
}, 60_000);
afterAll(async () => {
  await database.close();
  await rm(logDir, { recursive: true, force: true });
});

/** Event and reason of all lines from that one on. */
async function logged(since = 0): Promise<string[]> {
  const files = await Promise.all((await readdir(logDir)).map((name) => readFile(path.join(logDir, name), 'utf8')));
  return files
    .flatMap((file) => file.split('\n').slice(0, -1))
    .slice(since)
    .map((line) => JSON.parse(line) as { event: string; reason?: string }) // The logger writes nothing else.
    .map(({ event, reason = '' }) => `${event} ${reason}`.trim());
}

const times = (lines: readonly string[], line: string) => lines.filter((one) => one === line).length;

describe('an outage, as it is logged,', () => {
  const stage = stageInstances(stores, { count: 1, proxied: true, env, server: { errors: EVENTS } });

  /** Resolves when the archiver had a whole round after another. */
  async function archived(): Promise<void> {
    const { client } = await stage.host(0);
    for (const id of ['to-archive-1', 'to-archive-2']) {
      const { seq } = await client.do('message:send', { id, body: 1 });
      await eventually(async () => {
        expect((await client.do('session:get', {})).session.durableSeq).toBeGreaterThanOrEqual(seq);
      });
    }
  }

  it('of Redis names no database', async () => {
    await archived();
    const since = (await logged()).length;
    stage.proxies[0]?.refuse(true);
    stage.proxies[0]?.reset();
    try {
      await eventually(async () => {
        const lines = await logged(since);
        expect(lines).toEqual(expect.arrayContaining(['redis_lost', 'archive_failed redis']));
        // The feed is asked again and again meanwhile.
        expect(times(lines, 'internal_error revocation_feed')).toBeGreaterThan(2);
      }, 20_000);
    } finally {
      stage.proxies[0]?.refuse(false);
    }
    await stage.areReady();
    await archived();
    const lines = await logged(since);
    expect(times(lines, 'redis_recovered')).toBe(1);
    expect(times(lines, 'archive_failed redis')).toBe(1);
    expect(lines.filter((line) => line.startsWith('db_'))).toEqual([]);
  }, 60_000);

  it('of the database names it once for each that misses it, and once when it is back', async () => {
    const { client } = await stage.host(0);
    const since = (await logged()).length;
    database.refuse(true);
    database.reset();
    try {
      await client.do('message:send', { id: 'in-the-outage', body: 1 });
      await eventually(async () => {
        const expected = ['db_error revocations', 'archive_failed database'];
        expect(await logged(since)).toEqual(expect.arrayContaining(expected));
      }, 20_000);
    } finally {
      database.refuse(false);
    }
    await stage.areReady();
    await archived();
    await eventually(async () => {
      const lines = await logged(since);
      for (const reason of ['revocations', 'archive']) expect(times(lines, `db_recovered ${reason}`)).toBe(1);
      expect(times(lines, 'db_error revocations')).toBe(1);
    });
  }, 60_000);
});
