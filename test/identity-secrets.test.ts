import { randomUUID } from 'node:crypto';
import { readdir, readFile, rm, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Api, sha256Of, type SignedInUser } from './support/api.ts';
import { Client } from './support/client.ts';
import { limit } from './support/environment.ts';
import { startServer, type RunningServer } from './support/server.ts';

const KEY = 'planted-api-key-of-the-shop';
const ADMIN = 'planted-admin-token-0123456789';
const METRICS = 'planted-metrics-token-0123456789';
const PASSWORD = 'planted password of an account';
const EMAIL = `planted-${randomUUID()}@example.com`;
const JSON_TYPE = { 'Content-Type': 'application/json' };
const BODY = 'planted text of a message';
const DEBUG_ROUTES = [
  'config',
  'redis',
  'sessions',
  'connections',
  'limits/ip/127.0.0.1',
  'limits/user/somebody',
  'limits/key/shop',
];

/** What a server at this level says that is well. */
const LINES = [
  ...['server_started', 'server_stopped', 'drain_started', 'drain_phase', 'connection_opened', 'connection_closed'],
  ...['session_created', 'session_closed', 'message_sent', 'auth_failed', 'token_revoked', 'rate_limit_exceeded'],
  'security_event',
];

let server: RunningServer;
let api: Api;
let logDir: string;
let user: SignedInUser;
let host: Client;
let sessionId: string;
/** Twelve and more, by what they are. */
const planted: Record<string, string> = {
  'JWT secret': 'planted-jwt-secret-0123456789abcdefgh',
  'API key': KEY,
  'hash of the API key': sha256Of(KEY),
  'admin token': ADMIN,
  'metrics token': METRICS,
  'webhook secret': 'planted-webhook-secret-0123456789',
  password: PASSWORD,
  'e-mail address': EMAIL,
  'body of a message': BODY,
};
/** What was answered to people who may not see any of it. */
const answers: string[] = [];

async function take(path: string, headers: Record<string, string> = {}, init: RequestInit = {}): Promise<number> {
  const response = await fetch(server.url + path, { ...init, headers: { ...headers, ...(init.headers as object) } });
  answers.push(`${[...response.headers].join('\n')}\n${await response.text()}`);
  return response.status;
}

beforeAll(async () => {
  logDir = await mkdtemp(path.join(tmpdir(), 'tandem-logs-'));
  server = await startServer(
    {
      ...{ JWT_SECRET: planted['JWT secret'] ?? '', WEBHOOK_SECRET: planted['webhook secret'] ?? '' },
      ...{ ADMIN_TOKEN: ADMIN, METRICS_TOKEN: METRICS, API_KEYS: `shop:${sha256Of(KEY)}`, DEBUG_API: 'true' },
      ...{ LOG_LEVEL: 'debug', LOG_DIR: logDir },
      // So large that they refuse nobody, and yet there.
      ...limit('general', { points: 100_000 }),
      ...limit('api', { points: 100_000 }),
      ...limit('messages_user', { points: 100_000 }),
    },
    { errors: LINES },
  );
  api = new Api(server.url);
  user = await api.register(EMAIL, PASSWORD);
  Object.assign(planted, { 'access token': user.accessToken, 'refresh token': user.refreshToken });
  host = new Client(server.url, { auth: { token: user.accessToken } });
  await host.opened();
  const { session, self } = await host.do('session:create', { metadata: { note: 'planted metadata' } });
  sessionId = session.id;
  Object.assign(planted, { 'resume token': self.resumeToken, code: session.code ?? '', metadata: 'planted metadata' });
  await host.do('message:send', { id: 'a-message', body: BODY });
  await host.refusal('message:send', { id: 'a-message', body: `${BODY} again` });
  await host.refusal('session:kick', { participantId: planted['resume token'] ?? '' });
}, 60_000);
afterAll(async () => {
  host.close();
  await server.stop();
  await rm(logDir, { recursive: true, force: true });
}, 60_000);

const admin = { Authorization: `Bearer ${ADMIN}` };

describe('/api/debug', () => {
  it('is not there unless it is switched on, with the right token neither', async () => {
    const other = await startServer({ ADMIN_TOKEN: ADMIN });
    try {
      for (const route of ['', ...DEBUG_ROUTES, `sessions/${sessionId}`]) {
        for (const headers of [{}, admin]) {
          const response = await fetch(`${other.url}/api/debug/${route}`, { headers });
          expect([route, response.status]).toEqual([route, 404]);
          expect(await response.json()).toMatchObject({ code: 'UNKNOWN_COMMAND' });
        }
      }
    } finally {
      await other.stop();
    }
  }, 60_000);

  it('asks for the admin token, and for no other', async () => {
    const wrong = [
      {},
      { Authorization: `Bearer ${METRICS}` },
      { Authorization: `Bearer ${user.accessToken}` },
      { Authorization: `Bearer ${ADMIN}x` },
      { Authorization: `Basic ${ADMIN}` },
      { 'X-API-Key': KEY },
      { 'X-API-Key': ADMIN },
    ];
    for (const route of [...DEBUG_ROUTES, `sessions/${sessionId}`]) {
      for (const headers of wrong) expect([route, await take(`/api/debug/${route}`, headers)]).toEqual([route, 401]);
      expect([route, await take(`/api/debug/${route}`, admin)]).toEqual([route, 200]);
    }
    // Nor is there another way in.
    expect(await take(`/api/debug/config?token=${ADMIN}`)).toBe(401);
  });

  it('tells what an engineer asks at night, of what is here, and of a bounded number', async () => {
    const ask = async <T>(route: string) =>
      (await (await fetch(`${server.url}/api/debug/${route}`, { headers: admin })).json()) as T;
    for (let n = 0; n < 3; n += 1) await api.ok('POST', '/api/v1/sessions', { key: KEY, body: {} });
    expect(await ask('sessions?limit=2')).toMatchObject({ sessions: [{ hasCode: true }, {}], nextCursor: null });
    expect(await take('/api/debug/sessions?limit=101', admin)).toBe(400);
    expect(await take('/api/debug/connections?limit=201', admin)).toBe(400);
    expect(await ask(`sessions/${sessionId}`)).toMatchObject({
      ...{ id: sessionId, lastSeq: 1, closed: null, participants: [{ role: 'host', userId: user.user.id }] },
      nextDeadline: { kind: expect.any(String) },
    });
    expect(await take(`/api/debug/sessions/${randomUUID()}`, admin)).toBe(404);
    expect(await ask('connections?limit=1')).toMatchObject({
      total: 1,
      connections: [{ sessionId, userId: user.user.id, ip: '127.0.0.x' }],
    });
    expect(await ask('config')).toMatchObject({
      debugApi: true,
      apiKeys: [{ name: 'shop', sha256: 'set, not shown' }],
    });
  });

  it('tells how long a limit makes somebody wait', async () => {
    const limited = await startServer({
      ...{ ADMIN_TOKEN: ADMIN, DEBUG_API: 'true', RATE_LIMIT_GENERAL_POINTS: '5', RATE_LIMIT_AUTH_POINTS: '1' },
    });
    try {
      const other = new Api(limited.url);
      const ann = await other.register(EMAIL, PASSWORD);
      for (let n = 0; n < 5; n += 1) await other.ok('GET', '/api/v1/auth/me', { token: ann.accessToken });
      const ask = (scope: string) =>
        other.ok<{ limits: object[] }>('GET', `/api/debug/limits/${scope}`, { token: ADMIN });
      const waits = async (scope: string) =>
        ((await ask(scope)).limits as { bucket: string; name: string; waitMs: number }[]).map(
          ({ name, bucket, waitMs }) => `${name} of ${bucket}: ${waitMs > 0 ? 'waits' : 'may'}`,
        );
      const { id } = ann.user;
      expect(await waits(`user/${id}`)).toContain(`general of user ${id}: waits`);
      const ofAddress = await waits('ip/::ffff:127.0.0.1');
      for (const line of [
        'auth of 127.0.0.1: waits',
        'general of 127.0.0.1: may',
        'auth of credentials 127.0.0.1: may',
      ]) {
        expect(ofAddress).toContain(line);
      }
    } finally {
      await limited.stop();
    }
  }, 60_000);
});

describe('what is secret', () => {
  it('is in no log line, metric, error, debug answer or report', async () => {
    // Each of them where it does not belong, so that whoever repeats what it was sent shows it.
    const login = JSON.stringify({ email: EMAIL, password: `${PASSWORD}?` });
    await take('/api/v1/auth/login', JSON_TYPE, { method: 'POST', body: login });
    for (const [what, secret] of Object.entries(planted)) {
      const text = encodeURIComponent(secret);
      await take(`/api/v1/nowhere?secret=${text}`);
      await take(`/api/v1/sessions/by-code/${text.slice(0, 60)}`);
      await take('/api/v1/auth/me', { Authorization: `Bearer ${secret}x` });
      await take('/api/v1/sessions', { 'X-API-Key': what === 'API key' ? `${secret}x` : secret });
      const bodies = {
        login: { email: secret, password: secret },
        register: { email: what === 'e-mail address' ? secret : `${secret}@`, password: secret },
        refresh: { refreshToken: secret },
        // Attempts at one account are answered later and later.
        ...(what === 'password' ? {} : { password: { current: [secret], next: secret } }),
      };
      for (const [route, body] of Object.entries(bodies)) {
        const headers = { ...JSON_TYPE, Authorization: `Bearer ${user.accessToken}` };
        await take(`/api/v1/auth/${route}`, headers, { method: 'POST', body: JSON.stringify(body) });
      }
      await host.sendLoose('message:send', { id: secret, body: secret });
      await host.sendLoose(secret, { secret });
      const refused = new Client(server.url, { auth: { token: secret } });
      answers.push(JSON.stringify((await refused.opened())?.message));
      refused.close();
    }
    await take('/api/v1/webhooks/auth', JSON_TYPE, { method: 'POST', body: '{"type":"user.deleted"}' });
    expect(await take('/metrics', { Authorization: `Bearer ${METRICS}` })).toBe(200);
    expect(await take('/health/detailed', admin)).toBe(200);
    for (const route of [...DEBUG_ROUTES, `sessions/${sessionId}`]) await take(`/api/debug/${route}`, admin);
    await api.ok('POST', '/api/v1/auth/logout', { token: user.accessToken });
    await host.next('connection:closing');
    expect(Object.keys(planted).length).toBeGreaterThanOrEqual(12);
    const [file = ''] = await readdir(logDir);
    const log = await readFile(path.join(logDir, file), 'utf8');
    for (const event of ['auth_failed', 'message_sent', 'token_revoked', 'session_created'])
      expect(log).toContain(event);
    const found = Object.entries(planted).flatMap(([what, secret]) =>
      [
        ['the log', log],
        ['an answer', answers.join('\n')],
      ].flatMap(([where = '', text = '']) =>
        text.includes(secret) ? [`${what} in ${where}: ${around(text, secret)}`] : [],
      ),
    );
    expect(found).toEqual([]);
  }, 60_000);

  it('of a wrong login is told to operators as a reason, without who it was', async () => {
    const [file = ''] = await readdir(logDir);
    const lines = (await readFile(path.join(logDir, file), 'utf8'))
      .split('\n')
      .filter((line) => line.includes('auth_failed'));
    expect(lines.some((line) => line.includes('"reason":"login"'))).toBe(true);
    expect(lines.every((line) => !line.includes('127.0.0.1'))).toBe(true);
  });
});

function around(text: string, found: string): string {
  const at = text.indexOf(found);
  return text.slice(Math.max(0, at - 100), at + found.length + 100);
}
