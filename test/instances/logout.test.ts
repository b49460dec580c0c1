import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Api, PASSWORD, type SignedInUser } from '../support/api.ts';
import type { Client } from '../support/client.ts';
import type { Environment } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { stageInstances, stageStores } from '../support/instances-stage.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';

const stores = stageStores();
const OUTAGE = ['redis_lost', 'internal_error', 'archive_failed', 'db_error', 'delivery_failed'];
const ME = '/api/v1/auth/me';

describe('a login that has ended', () => {
  const stage = stageInstances(stores, {
    ...{ count: 2, proxied: true, server: { errors: OUTAGE } },
    env: { JWT_SECRET: 'a secret that both instances have in common' },
  });
  const apis = () => stage.urls.map((url) => new Api(url));
  const at = (index: number) => new Api(stage.urls[index] ?? '');
  const account = () => at(0).register(`${randomUUID()}@example.com`);

  /** A connection to each instance under this token. */
  const sockets = ({ accessToken }: SignedInUser) =>
    Promise.all([0, 1].map((index) => stage.connect(index, { auth: { token: accessToken } })));

  async function endedWithin(clients: readonly Client[], watch: Stopwatch, limitMs: number): Promise<void> {
    for (const client of clients) {
      expect(await client.next('connection:closing')).toEqual({ reason: 'revoked', reconnect: false });
      expect(await client.next('disconnect')).toBe('io server disconnect');
    }
    expect(watch.stop()).toBeLessThan(limitMs);
  }

  /** Nothing of this login counts on any instance, for HTTP, a socket, or a new pair. */
  async function countsNowhere({ accessToken, refreshToken }: SignedInUser): Promise<void> {
    for (const [index, api] of apis().entries()) {
      const told = [
        await api.refusal('GET', ME, { token: accessToken }),
        await api.refusal('POST', '/api/v1/auth/refresh', { body: { refreshToken } }),
      ];
      expect([index, told]).toEqual([index, [401, 401].map((status) => [status, 'UNAUTHENTICATED'])]);
      await expect(stage.connect(index, { auth: { token: accessToken } })).rejects.toThrow('UNAUTHENTICATED');
    }
  }

  /**
   * What ends at one is pushed to the other, and both stores answer. A link that was cut is a while in coming back, and
   * nobody tells when: the health of an instance is that of its last look.
   */
  async function hearEachOther(): Promise<void> {
    await stage.areReady();
    for (const [from, to] of [
      [0, 1],
      [1, 0],
    ] as const) {
      await eventually(async () => {
        const user = await at(from).register(`${randomUUID()}@example.com`);
        await at(from).ok('POST', '/api/v1/auth/logout', { token: user.accessToken });
        // Sooner than by any look of its own.
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect((await at(to).call('GET', ME, { token: user.accessToken })).status).toBe(401);
      });
    }
  }

  it('ends its connections on every instance within a second, and counts nowhere', async () => {
    const user = await account();
    const other = await at(1).login(user.user.email);
    const clients = await sockets(user);
    const [kept] = await sockets(other);
    const watch = new Stopwatch();
    await at(0).ok('POST', '/api/v1/auth/logout', { token: user.accessToken });
    await endedWithin(clients, watch, 1000);
    await countsNowhere(user);
    // The other device has heard nothing of it.
    await kept?.do('session:create', {});
    for (const api of apis()) await api.ok('GET', ME, { token: other.accessToken });
  });

  it('by another password, ended elsewhere or all at once is as dead', async () => {
    const user = await account();
    const [second, third, fourth] = await Promise.all([0, 1, 0].map((index) => at(index).login(user.user.email)));
    if (second === undefined || third === undefined || fourth === undefined) throw new Error('There are three');
    const clients = await sockets(second);
    let watch = new Stopwatch();
    const body = { current: PASSWORD, next: 'a better one than before' };
    await at(1).ok('POST', '/api/v1/auth/password', { token: user.accessToken, body });
    await endedWithin(clients, watch, 1000);
    for (const ended of [second, third, fourth]) await countsNowhere(ended);
    for (const api of apis()) await api.ok('GET', ME, { token: user.accessToken });
    const last = await sockets(user);
    watch = new Stopwatch();
    await at(1).ok('POST', '/api/v1/auth/logout-all', { token: user.accessToken });
    await endedWithin(last, watch, 1000);
    await countsNowhere(user);
  });

  it('is known within 5 s to an instance that hears nothing from the others', async () => {
    const user = await account();
    const clients = await sockets(user);
    await at(1).ok('GET', ME, { token: user.accessToken });
    const proxy = stage.proxies[1];
    proxy?.refuse(true);
    for (const connection of await subscribersOf(proxy)) connection.reset();
    try {
      const watch = new Stopwatch();
      await at(0).ok('POST', '/api/v1/auth/logout', { token: user.accessToken });
      await endedWithin(clients, watch, 5000);
      expect((await at(1).refusal('GET', ME, { token: user.accessToken }))[0]).toBe(401);
    } finally {
      proxy?.refuse(false);
    }
    await hearEachOther();
    await countsNowhere(user);
  }, 30_000);

  it('stays dead when Redis is emptied, also to an instance that starts then', async () => {
    const user = await account();
    await at(0).ok('POST', '/api/v1/auth/logout', { token: user.accessToken });
    await stores.redis.command('FLUSHALL');
    await countsNowhere(user);
    await stage.startAgain(1);
    await countsNowhere(user);
  }, 60_000);

  it('stays dead while Redis is away, when nobody is let in who should not be, and others are', async () => {
    const [user, other] = [await account(), await account()];
    await at(0).ok('POST', '/api/v1/auth/logout', { token: user.accessToken });
    for (const proxy of stage.proxies) {
      proxy.refuse(true);
      proxy.reset();
    }
    try {
      const watch = new Stopwatch();
      await at(0).ok('POST', '/api/v1/auth/logout', { token: other.accessToken });
      // It is in the database: the other instance reads it there.
      await eventually(async () => {
        expect((await at(1).call('GET', ME, { token: other.accessToken })).status).toBe(401);
      });
      expect(watch.stop()).toBeLessThan(5000);
      for (const api of apis()) {
        expect(await api.refusal('GET', ME, { token: user.accessToken })).toEqual([401, 'UNAUTHENTICATED']);
      }
      const fresh = await at(1).register(`${randomUUID()}@example.com`);
      await at(0).ok('GET', ME, { token: fresh.accessToken });
    } finally {
      for (const proxy of stage.proxies) proxy.refuse(false);
    }
    // What counts nowhere is known without Redis: it tells nothing of who has Redis again.
    await hearEachOther();
    await countsNowhere(other);
  }, 60_000);

  it('ends while the database is away; what has to ask it is refused, and answers again after', async () => {
    const [user, other] = [await account(), await account()];
    const clients = await sockets(user);
    await at(1).ok('GET', ME, { token: other.accessToken });
    await stores.postgres.stopImmediate();
    try {
      const watch = new Stopwatch();
      await at(0).ok('POST', '/api/v1/auth/logout', { token: user.accessToken });
      await endedWithin(clients, watch, 3000);
      for (const api of apis()) {
        expect(await api.refusal('GET', ME, { token: user.accessToken })).toEqual([401, 'UNAUTHENTICATED']);
        const login = { body: { email: other.user.email, password: PASSWORD } };
        for (const [method, path, call] of [
          ['POST', '/api/v1/auth/login', login],
          ['POST', '/api/v1/auth/refresh', { body: { refreshToken: other.refreshToken } }],
          ['GET', '/api/v1/auth/logins', { token: other.accessToken }],
          ['GET', '/api/v1/me/sessions', { token: other.accessToken }],
        ] as const) {
          expect([path, await api.refusal(method, path, call)]).toEqual([path, [503, 'UNAVAILABLE']]);
        }
        // Whose token counts may do what needs no database.
        const client = await stage.connect(0, { auth: { token: other.accessToken } });
        await client.do('session:create', {});
      }
    } finally {
      await stores.postgres.restart();
    }
    await hearEachOther();
    await at(1).login(other.user.email);
    await countsNowhere(user);
  }, 60_000);
});

describe('a user of a Supabase project', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const env: Environment = {};
  let project: Server;

  beforeAll(async () => {
    const keys = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' }] };
    project = createServer((request, response) => {
      const isKeys = request.url === '/auth/v1/.well-known/jwks.json';
      response.writeHead(isKeys ? 200 : 404, { 'Content-Type': 'application/json' }).end(JSON.stringify(keys));
    });
    project.listen(0, '127.0.0.1');
    await once(project, 'listening');
    env['SUPABASE_URL'] = `http://127.0.0.1:${(project.address() as AddressInfo).port}`; // It listens on a port.
  });
  const stage = stageInstances(stores, { count: 2, env });
  afterAll(() => {
    project.closeAllConnections();
    project.close();
  });

  /** As its auth server makes them. */
  function tokenOf(change: object = {}): string {
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const iat = Math.floor(Date.now() / 1000);
    const who = { sub: '0b9f7a3e-6c61-4a7e-9d0c-0a4f6c1f2b11', email: 'ann@example.com', phone: '' };
    const session = {
      session_id: '5f0f6f0e-0f52-4d53-9a37-3f3cf8a1d0a1',
      aal: 'aal1',
      amr: [{ method: 'password', timestamp: iat }],
    };
    const rest = {
      aud: 'authenticated',
      role: 'authenticated',
      is_anonymous: false,
      app_metadata: {},
      user_metadata: {},
    };
    const claims = {
      iss: `${env['SUPABASE_URL'] ?? ''}/auth/v1`,
      iat,
      exp: iat + 3600,
      ...who,
      ...session,
      ...rest,
      ...change,
    };
    const input = `${encode({ alg: 'ES256', kid: 'one', typ: 'JWT' })}.${encode(claims)}`;
    const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    return `${input}.${signature.toString('base64url')}`;
  }

  it('is known on every instance, and signed out on every instance, with all tokens of that session', async () => {
    const api = new Api(stage.urls[0] ?? '');
    const token = tokenOf();
    const { user } = await api.ok<{ user: { id: string } }>('GET', ME, { token });
    expect(user.id).toBe('0b9f7a3e-6c61-4a7e-9d0c-0a4f6c1f2b11');
    const socket = await stage.connect(1, { auth: { token } });
    await api.ok('POST', '/api/v1/auth/logout', { token });
    expect(await socket.next('connection:closing')).toMatchObject({ reason: 'revoked' });
    const later = tokenOf({ iat: Math.floor(Date.now() / 1000) + 1 });
    for (const revoked of [token, later]) {
      await expect(stage.connect(1, { auth: { token: revoked } })).rejects.toThrow('UNAUTHENTICATED');
    }
    await stage.connect(1, { auth: { token: tokenOf({ session_id: 'another' }) } });
  });

  it('is none under its keys for anybody, or for its servers', async () => {
    for (const change of [{ role: 'anon' }, { role: 'service_role' }, { aud: 'anon' }, { iss: 'supabase' }]) {
      const refusal = await new Api(stage.urls[1] ?? '').refusal('GET', ME, { token: tokenOf(change) });
      expect([change, refusal]).toEqual([change, [401, 'UNAUTHENTICATED']]);
    }
  });
});

/** The connections through the proxy on which somebody listens to channels. */
async function subscribersOf(proxy: TcpProxy | undefined): Promise<TcpProxy['connections'][number][]> {
  const list = String(await stores.redis.command('CLIENT', 'LIST', 'TYPE', 'pubsub'));
  const ports = new Set([...list.matchAll(/ addr=[^ ]*:(\d+) /g)].map(([, port]) => Number(port)));
  return (proxy?.connections ?? []).filter(({ farPort }) => farPort !== null && ports.has(farPort));
}
