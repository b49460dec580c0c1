import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Api, PASSWORD, sha256Of, type ApiAnswer } from './support/api.ts';
import { Clock } from './support/clock.ts';
import { limit } from './support/environment.ts';
import { startServer, type RunningServer } from './support/server.ts';

const KEY = 'a-key-of-the-shop-system';
const OTHER_KEY = 'a-key-of-the-crm-system';
const MINUTE = 60_000;

const LOGIN = '/api/v1/auth/login';
const ME = '/api/v1/auth/me';

const address = () => `${randomUUID()}@example.com`;

/** The limits' headers, which tell the same in two ways. */
function told({ status, headers }: ApiAnswer) {
  const [, policy, points, seconds] = /^"(\w+)";q=(\d+);w=(\d+)$/.exec(headers.get('RateLimit-Policy') ?? '') ?? [];
  const [, name, remaining, reset] = /^"(\w+)";r=(\d+);t=(\d+)$/.exec(headers.get('RateLimit') ?? '') ?? [];
  expect([name, points, remaining]).toEqual([
    policy,
    headers.get('X-RateLimit-Limit') ?? undefined,
    headers.get('X-RateLimit-Remaining') ?? undefined,
  ]);
  const retryAfter = headers.get('Retry-After');
  return {
    ...{ status, name, points: Number(points), seconds: Number(seconds), remaining: Number(remaining) },
    resetSeconds: Number(reset),
    resetAt: Number(headers.get('X-RateLimit-Reset')),
    retryAfter: retryAfter === null ? null : Number(retryAfter),
  };
}

describe('the limits of the HTTP interface', () => {
  const clock = new Clock();
  let server: RunningServer;
  let api: Api;
  /** Each test comes from an address of its own. */
  let from: { headers: Record<string, string> };
  let addresses = 0;

  beforeAll(async () => {
    const env = {
      ...limit('auth'),
      ...limit('general'),
      ...limit('api', { points: 20 }),
      ...limit('join_failures_ip', { points: 3 }),
      ...{ RATE_LIMIT_AUTH_BLOCK: '900', TRUST_PROXY: '1' },
      API_KEYS: `shop:${sha256Of(KEY)},crm:${sha256Of(OTHER_KEY)}`,
    };
    server = await startServer(env, { now: clock.now });
    api = new Api(server.url);
  }, 60_000);
  afterAll(() => server.stop(), 60_000);

  const newAddress = () => {
    from = { headers: { 'X-Forwarded-For': `198.51.100.${(addresses += 1)}` } };
    return from;
  };
  const wrongLogin = () =>
    api.call('POST', LOGIN, { body: { email: address(), password: 'not the right one' }, ...from });
  const malformed = (body: unknown = { email: 7 }) => api.call('POST', LOGIN, { body, ...from });
  const account = async () => api.register(address());

  it('let five credentials be tried in 15 minutes, and then none for 15 minutes from the first refusal', async () => {
    newAddress();
    for (let n = 1; n <= 5; n += 1) {
      expect(told(await wrongLogin())).toMatchObject({
        ...{ status: 401, name: 'auth', points: 5, seconds: 900, remaining: 5 - n, retryAfter: null },
      });
      clock.advance(MINUTE);
    }
    // The first of the five leaves the window in 10 minutes; the block lasts longer.
    const refused = await wrongLogin();
    expect(refused.body).toMatchObject({ code: 'RATE_LIMITED', status: 429, retryAfterMs: 15 * MINUTE });
    expect(told(refused)).toMatchObject({ status: 429, remaining: 0, resetSeconds: 900, retryAfter: 900 });
    expect(told(refused).resetAt).toBe(Math.ceil((clock.now() + 15 * MINUTE) / 1000));
    clock.advance(14 * MINUTE);
    // Neither another refusal nor what was right begins it anew.
    expect(told(await wrongLogin())).toMatchObject({ status: 429, retryAfter: 60 });
    clock.advance(MINUTE - 1);
    expect(told(await wrongLogin())).toMatchObject({ status: 429, retryAfter: 1 });
    clock.advance(1);
    expect(told(await wrongLogin())).toMatchObject({ status: 401, remaining: 4 });
  });

  it('let nobody in who is blocked, and everybody else', async () => {
    const { user } = await (newAddress(), account());
    newAddress();
    for (let n = 0; n < 6; n += 1) await wrongLogin();
    const right = { email: user.email, password: PASSWORD };
    expect((await api.call('POST', LOGIN, { body: right, ...from })).status).toBe(429);
    const register = { email: address(), password: PASSWORD };
    expect((await api.call('POST', '/api/v1/auth/register', { body: register, ...from })).status).toBe(429);
    newAddress();
    expect((await api.call('POST', LOGIN, { body: right, ...from })).status).toBe(200);
  });

  it('do not count what is malformed, and tell it so also to who is blocked', async () => {
    newAddress();
    for (let n = 0; n < 10; n += 1) expect((await malformed()).status).toBe(400);
    const weak = { email: address(), password: 'password1' };
    for (let n = 0; n < 10; n += 1) {
      expect((await api.call('POST', '/api/v1/auth/register', { body: weak, ...from })).status).toBe(400);
    }
    for (let n = 1; n <= 5; n += 1) expect(told(await wrongLogin()).remaining).toBe(5 - n);
    expect((await wrongLogin()).status).toBe(429);
    expect((await malformed()).status).toBe(400);
  });

  it('do not count a refresh with a right token, and every one with a wrong', async () => {
    newAddress();
    let { refreshToken } = await api.ok<{ refreshToken: string }>('POST', '/api/v1/auth/register', {
      body: { email: address(), password: PASSWORD },
      ...from,
    });
    const refresh = (token: string) =>
      api.call<{ refreshToken: string }>('POST', '/api/v1/auth/refresh', { body: { refreshToken: token }, ...from });
    for (let n = 0; n < 10; n += 1) {
      const answer = await refresh(refreshToken);
      expect(answer.status).toBe(200);
      ({ refreshToken } = answer.body);
    }
    // Neither do many at once, as after a night of a whole office.
    const devices = await Promise.all(Array.from({ length: 12 }, () => refresh(refreshToken)));
    expect(devices.map(({ status }) => status)).toEqual(devices.map(() => 200));
    for (let n = 1; n <= 5; n += 1) expect(told(await refresh(`wrong-${n}`)).remaining).toBe(5 - n);
    expect((await refresh('wrong')).status).toBe(429);
    // What is blocked is blocked: else the tokens could be tried all the same.
    expect((await refresh(refreshToken)).status).toBe(429);
  });

  it('count what a user asks by user wherever it comes from, and the rest by address', async () => {
    const [ann, bob] = [await (newAddress(), account()), await (newAddress(), account())];
    for (let n = 1; n <= 100; n += 1) {
      newAddress();
      const answer = told(await api.call('GET', ME, { token: ann.accessToken, ...from }));
      expect(answer).toMatchObject({ status: 200, name: 'general', points: 100, seconds: 900, remaining: 100 - n });
    }
    const refused = await api.call('GET', ME, { token: ann.accessToken, ...from });
    expect(refused.status).toBe(429);
    // The address from which it came is not hers alone.
    expect(told(await api.call('GET', ME, { token: bob.accessToken, ...from }))).toMatchObject({ remaining: 99 });
    for (let n = 1; n <= 100; n += 1) {
      const path = n % 2 === 0 ? ME : '/api/v1/sessions';
      expect(told(await api.call('GET', path, { token: 'wrong', ...from }))).toMatchObject({
        status: 401,
        name: 'general',
      });
    }
    for (const call of [{}, { token: 'wrong' }, { key: 'wrong' }]) {
      expect((await api.call('GET', '/api/v1/sessions', { ...call, ...from })).status).toBe(429);
    }
    expect((await api.call('GET', ME, { token: bob.accessToken, ...from })).status).toBe(200);
    clock.advance(15 * MINUTE);
    expect((await api.call('GET', '/api/v1/sessions', from)).status).toBe(401);
    expect(told(await api.call('GET', ME, { token: bob.accessToken, ...from }))).toMatchObject({ remaining: 99 });
  });

  it('count what a backend asks by its key', async () => {
    newAddress();
    for (let n = 1; n <= 20; n += 1) {
      const answer = told(await api.call('GET', '/api/v1/sessions', { key: KEY, ...from }));
      expect(answer).toMatchObject({ status: 200, name: 'api', points: 20, seconds: 3600, remaining: 20 - n });
    }
    const refused = await api.call('GET', '/api/v1/sessions', { key: KEY, ...newAddress() });
    expect(refused.status).toBe(429);
    expect(told(refused)).toMatchObject({ name: 'api', remaining: 0, resetSeconds: 3600, retryAfter: 3600 });
    expect((await api.call('GET', '/api/v1/sessions', { key: OTHER_KEY, ...from })).status).toBe(200);
  });

  it('count a look at a code by the key that comes with it, and refuse one that is wrong', async () => {
    const { code } = await api.ok<{ code: string }>('POST', '/api/v1/sessions', { key: OTHER_KEY, ...newAddress() });
    const look = (call: object) => api.call('GET', `/api/v1/sessions/by-code/${code}`, { ...call, ...from });
    expect(told(await look({ key: OTHER_KEY }))).toMatchObject({ status: 200, name: 'api' });
    expect(told(await look({}))).toMatchObject({ status: 200, name: 'general', remaining: 99 });
    expect(told(await look({ key: 'wrong' }))).toMatchObject({ status: 401, name: 'general', remaining: 98 });
  });

  it('stay away from probes, metrics, files and the description', async () => {
    newAddress();
    for (let n = 0; n < 101; n += 1) await api.call('GET', '/api/v1/sessions', from);
    expect((await api.call('GET', '/api/v1/sessions', from)).status).toBe(429);
    for (const path of ['/health', '/health/live', '/health/ready', '/api/v1/health', '/api/v1/openapi.json']) {
      const answer = await api.call('GET', path, from);
      expect([path, answer.status, answer.headers.get('RateLimit')]).toEqual([path, 200, null]);
    }
    for (const path of ['/metrics', '/', '/client/tandem.js']) {
      const answer = await fetch(server.url + path, from);
      expect([path, answer.status === 429, answer.headers.get('RateLimit')]).toEqual([path, false, null]);
      await answer.body?.cancel();
    }
  });

  it('count by what the trusted proxy says, and not by what the client says to it', async () => {
    const spoofed = (n: number) => ({ headers: { 'X-Forwarded-For': `203.0.113.${n}, 192.0.2.77` } });
    for (let n = 1; n <= 5; n += 1) {
      const body = { email: address(), password: 'not the right one' };
      expect((await api.call('POST', LOGIN, { body, ...spoofed(n) })).status).toBe(401);
    }
    const body = { email: address(), password: 'not the right one' };
    expect((await api.call('POST', LOGIN, { body, ...spoofed(6) })).status).toBe(429);
  });

  it('count guesses of codes as joins that missed', async () => {
    newAddress();
    for (const code of ['BBBBBB', 'C'.repeat(65), 'AEIOU!'])
      await api.call('GET', `/api/v1/sessions/by-code/${code}`, from);
    const refused = await api.call('GET', '/api/v1/sessions/by-code/DDDDDD', from);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0);
  });

  it('are counted in the metrics when they refuse', async () => {
    const { body } = await api.text('/metrics');
    for (const name of ['auth', 'general', 'api', 'join_failures_ip']) {
      expect(
        Number(new RegExp(`tandem_rate_limited_total\\{limit="${name}"\\} (\\d+)`).exec(body)?.[1]),
      ).toBeGreaterThan(0);
    }
  });
});

describe('limits that are switched off', () => {
  it('refuse nobody, and are not told of', async () => {
    const server = await startServer();
    try {
      const api = new Api(server.url);
      for (let n = 0; n < 8; n += 1) {
        const answer = await api.call('POST', '/api/v1/auth/refresh', { body: { refreshToken: 'wrong' } });
        expect(answer.status).toBe(401);
        for (const name of ['RateLimit', 'RateLimit-Policy', 'X-RateLimit-Limit', 'Retry-After']) {
          expect(answer.headers.get(name)).toBeNull();
        }
      }
    } finally {
      await server.stop();
    }
  }, 60_000);
});
