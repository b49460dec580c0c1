import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { Api, PASSWORD, sha256Of } from './support/api.ts';
import type { Environment } from './support/environment.ts';
import { eventually } from './support/eventually.ts';
import { parseExposition, total } from './support/exposition.ts';
import { administer } from './support/fresh-database.ts';
import { stageInstances, stageStores } from './support/instances-stage.ts';
import { startMailServer, type MailServer } from './support/mail-server.ts';
import { promtool } from './support/promtool.ts';

const METRICS_TOKEN = 'the-token-of-metrics';
const KEY = 'a-key-of-the-shop-system';
const OUTAGE = ['archive_failed', 'db_error'];
/** What a server at `debug` says besides. */
const LINES = [
  ...['server_started', 'server_stopped', 'drain_started', 'drain_phase', 'connection_opened', 'connection_closed'],
  ...['session_created', 'session_paired', 'session_resumed', 'session_closed', 'message_sent', 'email_sent'],
  ...['auth_failed', 'token_revoked', 'rate_limit_exceeded', 'security_event', 'db_recovered', 'internal_error'],
  ...['redis_lost', 'redis_recovered', 'delivery_failed', 'delivery_recovered'],
];

const stores = stageStores();
/** Where mails go is known when the first instance starts. */
const env: Environment = {
  METRICS_TOKEN,
  JWT_SECRET: 'a secret that both instances have in common',
  API_KEYS: `shop:${sha256Of(KEY)}`,
  MAIL_FROM: 'tandem@example.com',
  PUBLIC_URL: 'https://pair.example.com',
  RATE_LIMIT_MESSAGES_USER_POINTS: '3',
};
let mail: MailServer;
/** Of both instances. */
let logDir: string;
beforeAll(async () => {
  logDir = await mkdtemp(path.join(tmpdir(), 'tandem-logs-'));
  mail = await startMailServer();
  Object.assign(env, { SMTP_URL: mail.url, LOG_DIR: logDir, LOG_LEVEL: 'debug' });
});
afterAll(async () => {
  await mail.stop();
  await rm(logDir, { recursive: true, force: true });
});

describe('the metrics of two instances over Redis and Postgres', () => {
  const stage = stageInstances(stores, { count: 2, server: { errors: [...OUTAGE, ...LINES] }, env });

  const api = (index: number) => new Api(stage.urls[index] ?? '');

  async function scrape(index: number, accept = 'text/plain'): Promise<{ status: number; type: string; body: string }> {
    const headers = { Authorization: `Bearer ${METRICS_TOKEN}`, Accept: accept };
    const response = await fetch(`${stage.urls[index] ?? ''}/metrics`, { headers });
    return {
      status: response.status,
      type: response.headers.get('Content-Type') ?? '',
      body: await response.text(),
    };
  }

  /** What a metric of each instance is now. */
  async function each(name: string, labels: Record<string, string> = {}): Promise<number[]> {
    const bodies = await Promise.all([scrape(0), scrape(1)]);
    return bodies.map(({ body }) => total(parseExposition(body), `tandem_${name}`, labels));
  }

  const sum = async (name: string, labels: Record<string, string> = {}) =>
    (await each(name, labels)).reduce((one, other) => one + other);

  /** For what follows by itself. */
  const soon = (name: string, labels: Record<string, string>, expected: (value: number) => void) =>
    eventually(async () => expected(await sum(name, labels)));

  it('follow a pairing, messages, signals and a resume to the instance where they happen', async () => {
    const { host, guest } = await stage.pair(0, 1);
    expect(await each('connections')).toEqual([1, 1]);
    expect(await each('commands_total', { command: 'session:create', outcome: 'ok' })).toEqual([1, 0]);
    expect(await each('command_duration_seconds_count', { command: 'session:join' })).toEqual([0, 1]);
    expect(await each('pairings_total', { outcome: 'paired' })).toEqual([0, 1]);
    expect(await each('time_to_pair_seconds_count')).toEqual([0, 1]);
    await soon('sessions', { status: 'paired' }, (value) => expect(value).toBe(1));
    await soon('participants', { presence: 'online' }, (value) => expect(value).toBe(2));

    for (let n = 1; n <= 3; n += 1) await host.client.do('message:send', { id: `message-${n}`, body: n });
    await host.client.refusal('message:send', { id: 'message-4', body: 4 });
    await guest.client.next('message:new', ({ seq }) => seq === 3);
    expect(await each('messages_total')).toEqual([3, 0]);
    // Where nobody but the sender is, nothing is delivered.
    expect(await each('message_delivery_seconds_count')).toEqual([0, 3]);
    expect(await each('rate_limited_total', { limit: 'messages_user' })).toEqual([1, 0]);
    expect(await each('commands_total', { command: 'message:send', outcome: 'rate_limited' })).toEqual([1, 0]);
    await guest.client.do('signal:send', { type: 'typing', body: null });
    expect(await each('signals_total')).toEqual([0, 1]);

    await guest.client.drop();
    await soon('connections_closed_total', { reason: 'client' }, (value) => expect(value).toBe(1));
    const back = await stage.resume(0, guest);
    await back.next('session:resumed');
    expect(await each('resumes_total', { outcome: 'resumed' })).toEqual([1, 0]);
    await back.do('message:send', { id: 'from-here', body: 1 });
    await host.client.next('message:new');
    expect(await each('message_delivery_seconds_count')).toEqual([1, 3]);
    await eventually(async () => {
      const sent = await logged('message_sent', host.session.id);
      // In the log of the instance that appended it, and in no other's.
      expect(sent.map(({ seq, instanceId }) => [seq, instanceId])).toEqual(
        [1, 2, 3, 4].map((seq) => [seq, sent[0]?.['instanceId']]),
      );
    });

    await expect(stage.guest(1, 'ZZZZZZ')).rejects.toThrow('SESSION_NOT_FOUND');
    await expect(stage.guest(1, 'AAAAAA')).rejects.toThrow('INVALID_PAYLOAD');
    expect(await each('pairings_total', { outcome: 'refused' })).toEqual([0, 2]);
    expect(await each('commands_total', { command: 'session:join', outcome: 'session_not_found' })).toEqual([0, 1]);
    await expect(stage.resume(1, { ...guest, self: { ...guest.self, resumeToken: 'A'.repeat(43) } })).rejects.toThrow();
    expect(await each('resumes_total', { outcome: 'rejected' })).toEqual([0, 1]);
  });

  it('count credentials, revocations, cached answers and mails', async () => {
    const [ok, rejected] = await Promise.all([
      sum('auth_total', { outcome: 'ok' }),
      sum('auth_total', { outcome: 'rejected' }),
    ]);
    const email = `${randomUUID()}@example.com`;
    const { accessToken } = await api(0).register(email);
    await api(0).call('POST', '/api/v1/auth/login', { body: { email, password: `not ${PASSWORD}` } });
    const login = { method: 'POST', route: '/api/v1/auth/login', status: '401' };
    expect(await each('http_request_duration_seconds_count', login)).toEqual([1, 0]);
    await api(1).call('GET', '/api/v1/sessions', { key: 'no key' });
    expect(await sum('auth_total', { outcome: 'ok' })).toBe(ok + 1);
    expect(await sum('auth_total', { outcome: 'rejected' })).toBe(rejected + 2);
    for (const index of [0, 1]) await api(index).ok('GET', '/api/v1/auth/me', { token: accessToken });
    for (const outcome of ['miss', 'hit']) {
      expect([outcome, await sum('cache_requests_total', { cache: 'user', outcome })]).toEqual([outcome, 1]);
    }
    await api(0).ok('POST', '/api/v1/auth/logout', { token: accessToken });
    expect(await each('revocations_total')).toEqual([1, 0]);
    await eventually(async () => expect(await each('revocations_active')).toEqual([1, 1]));

    const { session } = await api(1).ok<{ session: { id: string; code: string } }>('POST', '/api/v1/sessions', {
      key: KEY,
      body: {},
    });
    expect(await sum('auth_total', { outcome: 'ok' })).toBe(ok + 5);
    const body = { sessionId: session.id, to: 'bob@example.org' };
    expect((await api(1).call('POST', '/api/send-email', { key: KEY, body })).status).toBe(202);
    await mail.mails.next('the invitation', () => true, 10_000);
    await soon('emails_total', { outcome: 'sent' }, (value) => expect(value).toBe(1));
  });

  it('measure HTTP by pattern, and no path, name or method of a stranger', async () => {
    const secret = randomUUID();
    await fetch(`${stage.urls[0] ?? ''}/api/v1/sessions/${secret}`, { headers: { 'X-API-Key': KEY } });
    await fetch(`${stage.urls[0] ?? ''}/${secret}?${secret}`, {
      method: 'PROPFIND',
      headers: { 'User-Agent': secret },
    });
    const client = await stage.connect(0);
    await client.refusal(secret);
    const { body } = await scrape(0);
    expect(body).not.toContain(secret);
    const labels = new Map(
      ['method', 'route', 'status'].map((label) => [
        label,
        new Set(
          parseExposition(body).flatMap(({ name, labels: of }) => (name.includes('http_') ? (of[label] ?? []) : [])),
        ),
      ]),
    );
    expect([...(labels.get('method') ?? [])]).toContain('OTHER');
    expect([...(labels.get('route') ?? [])]).toContain('unmatched');
    for (const status of labels.get('status') ?? []) expect(status).toMatch(/^[1-5]\d\d$/);
  });

  it('show the stores, and what waits for one that does not take it', async () => {
    for (const name of ['redis_up', 'database_up', 'ready']) expect([name, await each(name)]).toEqual([name, [1, 1]]);
    for (const count of await each('redis_command_duration_seconds_count')) expect(count).toBeGreaterThan(10);
    expect(await sum('database_query_duration_seconds_count', { query: 'commit_batch' })).toBeGreaterThan(0);
    const host = await stage.host(0);
    await soon('archive_backlog_messages', {}, (value) => expect(value).toBe(0));
    const database = new pg.Client({ connectionString: stage.env['DATABASE_URL'] });
    await database.connect();
    try {
      await database.query('begin');
      await database.query('lock table messages in exclusive mode');
      await host.client.do('message:send', { id: 'that-waits', body: 1 });
      await soon('archive_backlog_messages', {}, (value) => expect(value).toBe(1));
      await soon('archive_lag_seconds', {}, (value) => expect(value).toBeGreaterThan(1));
      await database.query('rollback');
    } finally {
      await database.end();
    }
    await soon('archive_backlog_messages', {}, (value) => expect(value).toBe(0));
    await soon('archive_lag_seconds', {}, (value) => expect(value).toBeLessThan(1));

    const url = stage.env['DATABASE_URL'] ?? '';
    // A store may say anything: this one repeats a secret of the configuration, which no log may have.
    const constraint = `"${METRICS_TOKEN}"`;
    await administer(url, `alter table messages add constraint ${constraint} check (type <> 'poison') not valid`);
    await host.client.do('message:send', { id: 'that-is-refused', type: 'poison', body: 1 });
    await soon('archive_set_aside_total', {}, (value) => expect(value).toBe(1));
    await administer(url, `alter table messages drop constraint ${constraint}`);
    await eventually(async () => {
      const [line] = await logged('archive_failed', host.session.id);
      expect(line).toMatchObject({ error: { message: expect.stringContaining('constraint "***"') } });
    });
  });

  it('are what Prometheus accepts, in both of its formats, and only for the holder of the token', async () => {
    const { type, body } = await scrape(0);
    expect(type).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(promtool(['check', 'metrics'], body)).toEqual({ isWell: true, said: '' });
    const open = await scrape(0, 'application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.5,*/*;q=0.1');
    expect(open.type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(openMetricsFaults(open.body)).toEqual([]);
    const json = await scrape(0, 'application/json');
    expect(JSON.parse(json.body)).toMatchObject({
      memory: expect.any(Object),
      cpu: expect.any(Object),
      uptime: expect.any(Number),
    });
    expect((await fetch(`${stage.urls[0] ?? ''}/metrics`)).status).toBe(401);
  });

  it('count connections to Redis that were made anew, those that only listen too', async () => {
    const before = await each('redis_reconnects_total');
    await stores.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await eventually(async () => {
      const after = await each('redis_reconnects_total');
      expect(after.map((count, index) => count > (before[index] ?? 0))).toEqual([true, true]);
    });
  });
});

/** Lines of both instances about a session. */
async function logged(event: string, sessionId: string): Promise<Record<string, unknown>[]> {
  const files = await Promise.all((await readdir(logDir)).map((name) => readFile(path.join(logDir, name), 'utf8')));
  const lines = files
    .flatMap((file) => file.split('\n').slice(0, -1))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return lines.filter((line) => line['event'] === event && line['sessionId'] === sessionId);
}

/** Lines that OpenMetrics 1.0 does not allow, as far as they concern counters, buckets, and the end. */
function openMetricsFaults(body: string): string[] {
  const lines = body.split('\n');
  const typeOf = new Map(
    lines.flatMap((line) => {
      const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
      return name === undefined || type === undefined ? [] : [[name, type] as const];
    }),
  );
  const faults = lines.slice(0, -2).filter((line) => {
    if (line.startsWith('# ')) {
      const family = line.split(' ')[2] ?? '';
      return !typeOf.has(family) || (typeOf.get(family) === 'counter' && family.endsWith('_total'));
    }
    const name = /^\w+/.exec(line)?.[0] ?? '';
    const bucket = /\ble="([^"]+)"/.exec(line)?.[1];
    if (bucket !== undefined && !/^(?:\+Inf|\d+\.\d+|\de-?\d+)$/.test(bucket)) return true;
    if (typeOf.has(name)) return typeOf.get(name) === 'counter';
    return !typeOf.has(name.replace(/_(?:total|bucket|sum|count)$/, ''));
  });
  return lines.slice(-2).join('\n') === '# EOF\n' ? faults : [...faults, 'no end'];
}
