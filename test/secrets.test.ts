import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Api, sha256Of } from './support/api.ts';
import { Client } from './support/client.ts';
import { limit } from './support/environment.ts';
import { eventually } from './support/eventually.ts';
import { startMailServer } from './support/mail-server.ts';
import { startPostgres } from './support/postgres-server.ts';
import { RawSocket } from './support/raw.ts';
import { startRedis } from './support/redis-server.ts';
import { resumeOf } from './support/seat.ts';
import { startServer } from './support/server.ts';
import { startTcpProxy } from './support/tcp-proxy.ts';

type Line = Readonly<Record<string, unknown>> & { readonly event: string };

const REDIS_PASSWORD = 'planted-redis-password';
/** What every request says that it comes from: the server trusts one proxy. */
const FROM = { 'X-Forwarded-For': '203.0.113.77' };
const UNSEEN = { 'X-Forwarded-For': '2001:db8:aaaa:bbbb:cccc::1' };

/** By what they are. Those that are made during the run are added to them. */
const planted: Record<string, string> = {
  'JWT secret': 'planted-jwt-secret-0123456789abcdefgh',
  'API key': 'planted-api-key-of-the-shop',
  'admin token': 'planted-admin-token-0123456789',
  'metrics token': 'planted-metrics-token-0123456789',
  'webhook secret': 'planted-webhook-secret-0123456789',
  'Redis password': REDIS_PASSWORD,
  'SMTP password': 'planted-smtp-password',
  password: 'planted password of an account',
  'body of a message': 'planted text of a message',
  'e-mail address': `planted-${randomUUID()}@example.com`,
  'recipient of a mail': `planted-${randomUUID()}@example.org`,
  'refused recipient': `planted-${randomUUID()}@example.net`,
  IP: '203.0.113.77',
  'IPv6 address': 'aaaa:bbbb:cccc',
};
const of = (name: string) => planted[name] ?? '';

/** What the server said, once it has ended. */
let lines: Line[] = [];
let log = '';
/** What was answered to whoever may not see it. */
const answers: string[] = [];
let refusedRequestId = '';
let wrongMetricsTokens = 0;

/** All there is to do, with everything that can go wrong on the way. It is looked at afterwards. */
beforeAll(async () => {
  const logDir = await mkdtemp(path.join(tmpdir(), 'tandem-logs-'));
  const redis = await startRedis({ appendonly: 'everysec' });
  await redis.command('ACL', 'SETUSER', 'tandem', 'on', `>${REDIS_PASSWORD}`, '~*', '&*', '+@all');
  const postgres = await startPostgres();
  const database = new URL(await postgres.createDatabase());
  planted['database password'] = database.password;
  const mail = await startMailServer({ allowInsecureAuth: true });
  mail.judge((address) =>
    address === of('refused recipient') ? { code: 550, message: `no mailbox ${address} here, sorry` } : null,
  );
  const [redisLink, databaseLink] = [
    await startTcpProxy({ host: redis.host, port: redis.port }),
    await startTcpProxy({ host: database.hostname, port: Number(database.port) }),
  ];
  database.host = `${databaseLink.host}:${databaseLink.port}`;
  const server = await startServer(
    {
      REDIS_URL: `redis://tandem:${REDIS_PASSWORD}@${redisLink.host}:${redisLink.port}`,
      ...{ DATABASE_URL: database.href, DATABASE_SSL: 'false', TRUST_PROXY: '1' },
      ...{ JWT_SECRET: of('JWT secret'), WEBHOOK_SECRET: of('webhook secret') },
      ...{ ADMIN_TOKEN: of('admin token'), METRICS_TOKEN: of('metrics token'), DEBUG_API: 'true' },
      API_KEYS: `shop:${sha256Of(of('API key'))}`,
      SMTP_URL: `smtp://mailer:${of('SMTP password')}@127.0.0.1:${mail.port}`,
      ...{ MAIL_FROM: 'tandem@example.com', PUBLIC_URL: 'https://pair.example.com' },
      ...{ LOG_LEVEL: 'debug', LOG_DIR: logDir },
      ...limit('signals_connection', { points: 2, durationSeconds: 60 }),
      // So large that they refuse nobody, and yet there.
      ...limit('general', { points: 100_000 }),
      ...limit('api', { points: 100_000 }),
    },
    { errors: EVENTS },
  );
  const readLog = async () => {
    const names = await readdir(logDir);
    log = (await Promise.all(names.map((name) => readFile(path.join(logDir, name), 'utf8')))).join('');
    const whole = log.slice(0, log.lastIndexOf('\n') + 1).split('\n');
    lines = whole.filter((line) => line !== '').map((line) => JSON.parse(line) as Line);
  };
  const logged = (wanted: string) =>
    eventually(async () => {
      await readLog();
      if (!lines.some(({ event }) => event === wanted)) throw new Error(`${wanted} is not logged`);
    }, 30_000);
  const clients: (Client | RawSocket)[] = [];
  const connect = async (auth = {}) => {
    const client = new Client(server.url, { auth, headers: FROM });
    clients.push(client);
    const error = await client.opened();
    if (error !== null) answers.push(`${error.message} ${JSON.stringify(error)}`);
    return client;
  };
  const take = async (route: string, headers: Record<string, string> = {}, init: RequestInit = {}) => {
    const response = await fetch(server.url + route, { ...init, headers: { ...FROM, ...headers } });
    answers.push(`${[...response.headers].join('\n')}\n${await response.text()}`);
    return response;
  };
  const post = (route: string, body: string, headers: Record<string, string> = {}) =>
    take(route, { 'Content-Type': 'application/json', ...headers }, { method: 'POST', body });

  try {
    const api = new Api(server.url);
    const call = (method: string, route: string, options: object) =>
      api.ok(method, route, { headers: FROM, ...options });
    const user = await api.register(of('e-mail address'), of('password'));
    Object.assign(planted, { 'access token': user.accessToken, 'refresh token': user.refreshToken });

    // A session, and all that happens to one.
    const host = await connect({ token: user.accessToken });
    const { session, self } = await host.do('session:create', { capacity: 4, shareHistory: true });
    Object.assign(planted, { code: session.code ?? '', 'resume token': self.resumeToken });
    const guest = await connect();
    const seat = { client: guest, ...(await guest.do('session:join', { code: of('code') })) };
    planted['resume token of a guest'] = seat.self.resumeToken;
    await host.do('message:send', { id: 'a-message', body: of('body of a message') });
    await guest.drop();
    const back = await connect(resumeOf(seat));
    for (let n = 0; n < 3; n += 1) await back.sendLoose('signal:send', { type: 'n', body: n });
    const hostile = await connect();
    for (let n = 0; n < 20; n += 1) await hostile.sendLoose(of('code'), of('body of a message')).catch(() => undefined);

    // A reader that asks for more and more, and reads none of it.
    for (let n = 0; n < 16; n += 1)
      await host.do('message:send', { id: `long-message-${n}`, body: 'x'.repeat(16_000) });
    const slow = await RawSocket.connect(server.url);
    clients.push(slow);
    expect(await slow.command('session:join', { code: of('code') })).toMatchObject({ ok: true });
    slow.ws.pause();
    let asked = 1000;
    await eventually(async () => {
      // The kernel's buffers fill first: tens of MiB, and each answer has 256 KiB.
      for (const end = asked + 30; asked < end; asked += 1) slow.send(`42${asked}["message:history",{"beforeSeq":18}]`);
      await readLog();
      if (!lines.some(({ event }) => event === 'slow_consumer_closed')) throw new Error('it is not closed');
    }, 45_000);

    // Mail: one that is taken, one that is refused in words that repeat the address.
    for (const to of [of('recipient of a mail'), of('refused recipient')]) {
      const invitation = { key: of('API key'), body: { sessionId: session.id, to } };
      // What the slow reader asked for has kept the stores busy.
      await eventually(() => call('POST', '/api/send-email', invitation), 30_000);
    }
    await logged('email_sent');
    await mail.recipients.next('the refused recipient', (to) => to === of('refused recipient'), 30_000);

    // Wrong and malformed, with each of the secrets where it does not belong.
    refusedRequestId =
      (await take('/health/detailed', { Authorization: 'Bearer wrong' })).headers.get('x-request-id') ?? '';
    await post(
      '/api/v1/auth/login',
      JSON.stringify({ email: of('e-mail address'), password: 'another password' }),
      UNSEEN,
    );
    for (const secret of Object.values(planted)) {
      const text = encodeURIComponent(secret);
      const bearer = { Authorization: `Bearer ${secret}x` };
      await take(`/api/v1/sessions/${text}`, { 'X-API-Key': `${secret}x` });
      await take(`/api/v1/sessions/by-code/x${text.slice(0, 60)}?secret=${text}`);
      await take('/metrics', bearer);
      wrongMetricsTokens += 1;
      await take('/api/debug/config', bearer);
      await post('/api/v1/auth/refresh', JSON.stringify({ refreshToken: `${secret}x` }));
      await post('/api/v1/webhooks/auth', JSON.stringify({ type: secret }), { 'webhook-signature': `v1,${secret}` });
      await post('/api/v1/auth/register', `{"email":"${secret}","password":`);
      await connect({ token: `${secret}x` });
      await connect({ resume: { ...resumeOf(seat).resume, resumeToken: `${secret}x` } });
      await back.sendLoose('message:send', { id: secret, body: secret, [secret]: secret });
    }

    wrongMetricsTokens += 60;
    await Promise.all(Array.from({ length: 60 }, () => take('/metrics', { Authorization: 'Bearer wrong' })));

    // Postgres goes away; what is sent meanwhile waits for it.
    databaseLink.refuse(true);
    databaseLink.reset();
    await host.do('message:send', { id: 'away-from-postgres', body: of('body of a message') });
    await logged('db_error');
    await logged('archive_failed');
    await post('/api/v1/auth/login', JSON.stringify({ email: of('e-mail address'), password: of('password') }));
    databaseLink.refuse(false);
    await logged('db_recovered');
    // Redis takes the password no more.
    await redis.command('ACL', 'SETUSER', 'tandem', 'resetpass', '>another-password');
    redisLink.reset();
    await logged('redis_lost');
    await logged('delivery_failed');
    await host.sendLoose('message:send', { id: 'away-from-redis', body: of('body of a message') });
    await redis.command('ACL', 'SETUSER', 'tandem', 'resetpass', `>${REDIS_PASSWORD}`);
    await logged('redis_recovered');
    await logged('delivery_recovered');

    await eventually(async () => {
      const { status } = await fetch(`${server.url}/health/ready`);
      expect(status).toBe(200);
    }, 30_000);
    await eventually(async () => expect(await host.send('session:close', {})).toMatchObject({ ok: true }));
    const admin = { Authorization: `Bearer ${of('admin token')}` };
    const metrics = { Authorization: `Bearer ${of('metrics token')}` };
    for (const Accept of ['text/plain', 'application/openmetrics-text', 'application/json']) {
      expect((await take('/metrics', { ...metrics, Accept })).status).toBe(200);
    }
    for (const route of ['/health', '/health/live', '/health/ready', '/health/detailed']) await take(route, admin);
    const scopes = ['limits/ip/203.0.113.1', `limits/user/${user.user.id}`, 'limits/key/shop'];
    for (const route of ['config', 'redis', 'sessions', `sessions/${session.id}`, 'connections', ...scopes]) {
      expect([route, (await take(`/api/debug/${route}`, admin)).status]).toEqual([route, 200]);
    }
    await call('POST', '/api/v1/auth/logout', { token: user.accessToken });
    await host.next('connection:closing');
    await take('/api/v1/auth/me', { Authorization: `Bearer ${user.accessToken}` });
  } finally {
    for (const client of clients) await client.close();
    await server.stop();
    await readLog();
    for (const part of [redisLink, databaseLink]) await part.close();
    for (const part of [mail, redis, postgres]) await part.stop();
    await rm(logDir, { recursive: true, force: true });
  }
}, 180_000);

/** Everything in here is of this run. */
afterAll(() => {
  lines = [];
});

const ID: unknown = expect.stringMatching(/^[0-9a-f-]{36}$/);
const TEXT: unknown = expect.any(String);
const NUMBER: unknown = expect.any(Number);
const MASKED = '203.0.113.x';
const ERROR: unknown = expect.objectContaining({ name: TEXT, message: TEXT });

/** All that the contract names, at which level, and with what. */
const EXPECTED: Readonly<Record<string, readonly [string, object]>> = {
  server_started: [
    'info',
    {
      ...{ port: NUMBER, state: 'redis', database: 'postgres', durability: 'redis_everysec' },
      limits: expect.objectContaining({ store: 'redis', signals_connection: '2 per 60 s' }),
    },
  ],
  server_stopped: ['info', {}],
  drain_started: ['info', { count: NUMBER }],
  connection_opened: ['info', { connectionId: TEXT, ip: MASKED }],
  connection_closed: ['info', { connectionId: TEXT, sessionId: ID, reason: 'client', durationMs: NUMBER }],
  session_created: ['info', { sessionId: ID, connectionId: TEXT }],
  session_paired: ['info', { sessionId: ID }],
  session_resumed: ['info', { sessionId: ID, participantId: ID, connectionId: TEXT }],
  session_closed: ['info', { sessionId: ID, reason: 'closed' }],
  message_sent: ['debug', { sessionId: ID, participantId: ID, seq: 1 }],
  rate_limit_exceeded: ['info', { connectionId: TEXT, ip: MASKED, limit: 'signals_connection' }],
  auth_failed: ['info', { requestId: TEXT, ip: MASKED, reason: 'api_key' }],
  token_revoked: ['info', { reason: TEXT }],
  redis_lost: ['error', { error: ERROR }],
  redis_recovered: ['warn', { durationMs: NUMBER }],
  db_error: ['warn', { reason: 'idle_connection', error: ERROR }],
  db_recovered: ['warn', {}],
  delivery_failed: ['error', { error: ERROR }],
  delivery_recovered: ['warn', {}],
  archive_failed: ['error', { error: ERROR }],
  slow_consumer_closed: ['warn', { connectionId: TEXT, sessionId: ID }],
  email_sent: ['info', { sessionId: ID, recipient: 'p***@example.org', attempt: 1, durationMs: NUMBER }],
  security_event: ['warn', { connectionId: TEXT, ip: MASKED, reason: 'hostile_packets' }],
};
/** Everything that a server may say that is treated so. */
const EVENTS = [...Object.keys(EXPECTED), 'drain_phase', 'internal_error', 'email_failed', 'email_withdrawn'];

describe('the log', () => {
  it.each(Object.entries(EXPECTED))('has %s, with what belongs to it', (event, [level, fields]) => {
    const found = lines.filter((line) => line.event === event);
    expect(found).toContainEqual(
      expect.objectContaining({ timestamp: expect.stringMatching(/Z$/), level, event, instanceId: TEXT, ...fields }),
    );
  });

  it('has no event but those, and no fault but that the stores were away', () => {
    expect(lines.filter(({ event }) => !EVENTS.includes(event))).toEqual([]);
    const faults = lines.filter(({ event }) => event === 'internal_error');
    expect(faults.filter(({ error }) => !/cannot answer now/.test((error as Error).message))).toEqual([]);
  });

  it('names the request that was refused, as its caller was told', () => {
    expect(lines).toContainEqual(
      expect.objectContaining({ event: 'auth_failed', requestId: refusedRequestId, reason: 'admin_token' }),
    );
  });

  it('is not flooded by strangers, and counts what it leaves out', () => {
    const refusals = lines.filter(({ event, reason }) => event === 'auth_failed' && reason === 'metrics_token');
    const summaries = refusals.filter(({ suppressed }) => suppressed !== undefined);
    const leftOut = summaries.reduce((sum, { suppressed }) => sum + Number(suppressed), 0);
    expect(leftOut).toBeGreaterThan(0);
    expect(refusals.length - summaries.length + leftOut).toBe(wrongMetricsTokens);
  });
});

describe('what is secret', () => {
  it('is in no log line, metric, report, debug answer or error', () => {
    expect(Object.keys(planted).length).toBeGreaterThanOrEqual(16);
    expect(Object.entries(planted).filter(([, secret]) => secret.length < 6)).toEqual([]);
    const code = of('code');
    const shown: [string, string][] = [['code as it is shown', `${code.slice(0, 3)}-${code.slice(3)}`]];
    const places = { 'the log': log, 'an answer': answers.join('\n') };
    const found = [...Object.entries(planted), ...shown].flatMap(([what, secret]) =>
      Object.entries(places).flatMap(([where, text]) =>
        text.includes(secret) ? [`${what} in ${where}: ${around(text, secret)}`] : [],
      ),
    );
    expect(found).toEqual([]);
  });
});

function around(text: string, found: string): string {
  const at = text.indexOf(found);
  return text.slice(Math.max(0, at - 150), at + found.length + 100);
}
