import { generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { HandshakeAuth } from '../protocol/commands.ts';
import { Api, PASSWORD } from './support/api.ts';
import { Client } from './support/client.ts';
import { Clock } from './support/clock.ts';
import { startServer, type RunningServer } from './support/server.ts';

const ISSUER = 'https://issuer.example';
const HOUR = 3_600_000;
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const { privateKey: strangersKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const clock = new Clock();
let issuer: Server;
let server: RunningServer;
let api: Api;
const clients = new Set<Client>();

beforeAll(async () => {
  const keys = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256' }] };
  issuer = createServer((_request, response) =>
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(keys)),
  );
  issuer.listen(0, '127.0.0.1');
  await once(issuer, 'listening');
  const { port } = issuer.address() as AddressInfo; // It listens on a port.
  server = await startServer(
    {
      ...{ AUTH_REQUIRED: 'true', REGISTRATION_OPEN: 'false', JWT_ISSUER: ISSUER, JWT_AUDIENCE: 'app' },
      // Nobody says anything while an hour passes.
      ...{ SESSION_IDLE_WARNING: '2d', SESSION_IDLE_TIMEOUT: '3d', SESSION_TTL: '4d' },
      JWT_JWKS_URL: `http://127.0.0.1:${port}/jwks`,
    },
    { now: clock.now },
  );
  api = new Api(server.url);
}, 60_000);
afterEach(() => {
  for (const client of clients) client.close();
  clients.clear();
});
afterAll(async () => {
  issuer.closeAllConnections();
  issuer.close();
  await server.stop();
}, 60_000);

function tokenOf(sub: string, change: object = {}, key: KeyObject = privateKey): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const iat = Math.floor(clock.now() / 1000);
  const claims = { iss: ISSUER, aud: 'app', sub, jti: randomUUID(), iat, exp: iat + 3600, ...change };
  const input = `${encode({ alg: 'ES256', kid: 'one', typ: 'JWT' })}.${encode(claims)}`;
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

function open(auth: HandshakeAuth): Client {
  const client = new Client(server.url, { auth });
  clients.add(client);
  return client;
}

async function connect(auth: HandshakeAuth): Promise<Client> {
  const client = open(auth);
  const error = await client.opened();
  if (error !== null) throw error;
  return client;
}

const outcome = async (auth: HandshakeAuth) => (await open(auth).opened())?.message ?? 'accepted';

describe('a server that asks everybody to sign in', () => {
  it('takes no connection without a token, not to resume either', async () => {
    const host = await connect({ token: tokenOf('ann') });
    const { session, self } = await host.do('session:create', {});
    const { participantId, resumeToken } = self;
    const resume = { sessionId: session.id, participantId, resumeToken, epoch: session.epoch, lastSeq: 0 };
    expect(await outcome({})).toBe('UNAUTHENTICATED');
    expect(await outcome({ resume })).toBe('UNAUTHENTICATED');
    expect(await outcome({ token: 'wrong', resume })).toBe('UNAUTHENTICATED');
    expect(await outcome({ token: tokenOf('bob'), resume })).toBe('RESUME_REJECTED');
    expect(await outcome({ token: tokenOf('ann'), resume })).toBe('accepted');
  });

  it('tells who looks at a code the same as any other: a page asks before its user signs in', async () => {
    const host = await connect({ token: tokenOf('ann') });
    const { session } = await host.do('session:create', {});
    expect(await api.ok('GET', `/api/v1/sessions/by-code/${session.code ?? ''}`)).toMatchObject({ participants: 1 });
    expect(await api.refusal('GET', `/api/v1/sessions/by-code/${session.code ?? ''}`, { token: 'wrong' })).toEqual([
      401,
      'UNAUTHENTICATED',
    ]);
  });

  it('makes no account where registration is closed, and looks at nothing of who asks', async () => {
    for (const email of ['ann@example.com', 'no address']) {
      const body = { email, password: PASSWORD };
      expect(await api.refusal('POST', '/api/v1/auth/register', { body })).toEqual([403, 'FORBIDDEN']);
    }
    const login = { body: { email: 'ann@example.com', password: PASSWORD } };
    expect(await api.refusal('POST', '/api/v1/auth/login', login)).toEqual([401, 'INVALID_CREDENTIALS']);
  });
});

describe('a user of a foreign issuer', () => {
  it('is who the token says, and has no account here', async () => {
    const token = tokenOf('them|7');
    expect(await api.ok('GET', '/api/v1/auth/me', { token })).toEqual({
      user: { id: 'them|7', email: null, name: null, createdAt: null },
    });
    expect(await api.ok('GET', '/api/v1/auth/logins', { token })).toEqual({ logins: [], nextCursor: null });
    const body = { current: PASSWORD, next: 'a better one than before' };
    expect(await api.refusal('POST', '/api/v1/auth/password', { token, body })).toEqual([403, 'FORBIDDEN']);
    expect((await api.refusal('DELETE', `/api/v1/auth/logins/${randomUUID()}`, { token }))[0]).toBe(404);
    const host = await connect({ token });
    const { session } = await host.do('session:create', {});
    expect(session.participants).toMatchObject([{ userId: 'them|7' }]);
    expect(await api.ok('GET', '/api/v1/me/sessions', { token })).toMatchObject({ sessions: [{ id: session.id }] });
  });

  it('is nobody under a token of another key, for somebody else, or from another time', async () => {
    const seconds = Math.floor(clock.now() / 1000);
    const forgeries = {
      'another key': tokenOf('ann', {}, strangersKey),
      'another audience': tokenOf('ann', { aud: 'other' }),
      'another issuer': tokenOf('ann', { iss: 'https://other.example' }),
      'our own name': tokenOf('ann', { iss: 'tandem', aud: 'tandem' }),
      expired: tokenOf('ann', { iat: seconds - 3600, exp: seconds - 61 }),
      'not yet': tokenOf('ann', { nbf: seconds + 120 }),
    };
    for (const [name, token] of Object.entries(forgeries)) {
      expect([name, await api.refusal('GET', '/api/v1/auth/me', { token })]).toEqual([name, [401, 'UNAUTHENTICATED']]);
      expect([name, await outcome({ token })]).toEqual([name, 'UNAUTHENTICATED']);
    }
  });

  it('signs out here, of one login or of all, and the connection ends', async () => {
    const [token, other] = [tokenOf('ann', { sid: 'phone' }), tokenOf('ann', { sid: 'desk' })];
    const [socket, desk] = [await connect({ token }), await connect({ token: other })];
    await api.ok('POST', '/api/v1/auth/logout', { token });
    expect(await socket.next('connection:closing')).toEqual({ reason: 'revoked', reconnect: false });
    expect(await outcome({ token: tokenOf('ann', { sid: 'phone' }) })).toBe('UNAUTHENTICATED');
    await desk.do('session:create', {});
    await api.ok('POST', '/api/v1/auth/logout-all', { token: other });
    expect(await desk.next('connection:closing')).toMatchObject({ reason: 'revoked' });
    clock.advance(1000);
    expect(await outcome({ token: tokenOf('ann', { sid: 'new' }) })).toBe('accepted');
  });

  it('stays connected as long as there are fresh tokens, and for a minute without', async () => {
    const [host, guest] = [await connect({ token: tokenOf('ann') }), await connect({ token: tokenOf('bob') })];
    const { session } = await host.do('session:create', {});
    await guest.do('session:join', { code: session.code ?? '' });
    clock.advance(HOUR + 50_000);
    await host.do('auth:refresh', { token: tokenOf('ann') });
    expect((await host.refusal('auth:refresh', { token: tokenOf('bob') })).code).toBe('FORBIDDEN');
    // Still within the grace, and nobody is told that it runs.
    await guest.do('session:get', {});
    clock.advance(10_000);
    expect(await guest.next('connection:closing')).toEqual({ reason: 'revoked', reconnect: false });
    expect(await host.next('session:presence')).toMatchObject({ presence: 'away' });
    await host.do('session:get', {});
  });
});
