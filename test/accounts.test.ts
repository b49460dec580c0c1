import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Api, PASSWORD, type SignedInUser } from './support/api.ts';
import { Client } from './support/client.ts';
import { startServer, type RunningServer } from './support/server.ts';

let server: RunningServer;
let api: Api;
const clients = new Set<Client>();

beforeAll(async () => {
  server = await startServer();
  api = new Api(server.url);
}, 60_000);
afterAll(async () => {
  for (const client of clients) client.close();
  await server.stop();
}, 60_000);

const address = () => `${randomUUID()}@example.com`;

async function connect(token: string): Promise<Client> {
  const client = new Client(server.url, { auth: { token } });
  clients.add(client);
  const error = await client.opened();
  if (error !== null) throw error;
  return client;
}

async function refusedToken(token: string): Promise<string> {
  const client = new Client(server.url, { auth: { token } });
  clients.add(client);
  return (await client.opened())?.message ?? 'accepted';
}

describe('an account', () => {
  it('is made, and signs in and out', async () => {
    const email = address();
    const { status, body } = await api.call<SignedInUser>('POST', '/api/v1/auth/register', {
      body: { email, password: PASSWORD, name: 'Ann' },
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      user: { id: expect.any(String), email, name: 'Ann', createdAt: expect.stringMatching(/Z$/) },
      accessToken: expect.any(String),
      refreshToken: expect.any(String),
      expiresInSeconds: 900,
    });
    const login = await api.login(email.toUpperCase());
    expect(login.user).toEqual(body.user);
    expect(await api.ok('GET', '/api/v1/auth/me', { token: login.accessToken })).toEqual({ user: body.user });
    const { status: ended } = await api.call('POST', '/api/v1/auth/logout', { token: login.accessToken });
    expect(ended).toBe(204);
    expect(await api.refusal('GET', '/api/v1/auth/me', { token: login.accessToken })).toEqual([401, 'UNAUTHENTICATED']);
    expect(await api.refusal('POST', '/api/v1/auth/refresh', { body: { refreshToken: login.refreshToken } })).toEqual([
      401,
      'UNAUTHENTICATED',
    ]);
    // The other device stays signed in.
    await api.ok('GET', '/api/v1/auth/me', { token: body.accessToken });
  });

  it('has an address that no other has, and a password that is worth the name', async () => {
    const email = address();
    await api.register(email);
    const taken = { email: email.toUpperCase(), password: PASSWORD };
    expect(await api.refusal('POST', '/api/v1/auth/register', { body: taken })).toEqual([409, 'EMAIL_TAKEN']);
    for (const password of ['seven77', ' '.repeat(8), 'password1', 'Password1', 'a'.repeat(201), 'nul\u0000nul12']) {
      const refused = await api.refusal('POST', '/api/v1/auth/register', { body: { email: address(), password } });
      expect([password, refused]).toEqual([password, [400, 'INVALID_PAYLOAD']]);
    }
    const emoji = '🔑'.repeat(200);
    const other = await api.register(address(), emoji);
    await api.login(other.user.email, emoji);
    const wrong = { body: { email: other.user.email, password: '🔑'.repeat(199) } };
    expect(await api.refusal('POST', '/api/v1/auth/login', wrong)).toEqual([401, 'INVALID_CREDENTIALS']);
  });

  it('tells nobody whether it exists', async () => {
    const { user } = await api.register(address());
    const attempts = [
      { email: user.email, password: 'not the right one' },
      { email: address(), password: 'not the right one' },
    ];
    const answers = await Promise.all(attempts.map((body) => api.call('POST', '/api/v1/auth/login', { body })));
    const [one, other] = answers.map(({ status, body }) => ({ status, ...body, requestId: '' }));
    expect(one).toEqual(other);
    expect(one).toMatchObject({ status: 401, code: 'INVALID_CREDENTIALS' });
  });

  it('changes its password, which signs every other device out', async () => {
    const { user, ...first } = await api.register(address());
    const second = await api.login(user.email);
    const socket = await connect(second.accessToken);
    const body = { current: 'wrong', next: 'a better one than before' };
    const call = { token: first.accessToken, body };
    expect(await api.refusal('POST', '/api/v1/auth/password', call)).toEqual([401, 'INVALID_CREDENTIALS']);
    await api.ok('POST', '/api/v1/auth/password', { ...call, body: { ...body, current: PASSWORD } });
    expect(await socket.next('connection:closing')).toEqual({ reason: 'revoked', reconnect: false });
    expect(await api.refusal('GET', '/api/v1/auth/me', { token: second.accessToken })).toEqual([
      401,
      'UNAUTHENTICATED',
    ]);
    await api.ok('GET', '/api/v1/auth/me', { token: first.accessToken });
    await api.login(user.email, body.next);
  });
});

describe('a refresh token', () => {
  it('gives a new pair, twice within 10 s, and none that it gave is another', async () => {
    const { refreshToken, user } = await api.register(address());
    const [one, other] = await Promise.all(
      [1, 2].map(() => api.ok<SignedInUser>('POST', '/api/v1/auth/refresh', { body: { refreshToken } })),
    );
    expect(Object.keys(one ?? {}).sort()).toEqual(['accessToken', 'expiresInSeconds', 'refreshToken']);
    expect(new Set([refreshToken, one?.refreshToken, other?.refreshToken]).size).toBe(3);
    const { body } = await api.call('GET', '/api/v1/auth/me', { token: other?.accessToken ?? '' });
    expect(body).toMatchObject({ user: { id: user.id } });
  });

  it('is none of ours when it is anything else', async () => {
    const { accessToken } = await api.register(address());
    for (const refreshToken of [accessToken, 'x', 'A'.repeat(43), 'Ä'.repeat(43)]) {
      const refused = await api.refusal('POST', '/api/v1/auth/refresh', { body: { refreshToken } });
      expect([refreshToken, refused]).toEqual([refreshToken, [401, 'UNAUTHENTICATED']]);
    }
    const { refreshToken } = await api.register(address());
    expect(await api.refusal('GET', '/api/v1/auth/me', { token: refreshToken })).toEqual([401, 'UNAUTHENTICATED']);
    expect(await refusedToken(refreshToken)).toBe('UNAUTHENTICATED');
  });
});

describe('devices', () => {
  it('are listed, the newest first, and signed out one by one', async () => {
    const { user, accessToken, refreshToken } = await api.register(address());
    const phone = await api.ok<SignedInUser>('POST', '/api/v1/auth/login', {
      body: { email: user.email, password: PASSWORD },
      headers: { 'User-Agent': 'a phone' },
    });
    // A login that is used again is no newer for it.
    await api.ok('POST', '/api/v1/auth/refresh', { body: { refreshToken } });
    const { logins } = await api.ok<{ logins: { id: string; current: boolean; userAgent: string }[] }>(
      'GET',
      '/api/v1/auth/logins',
      { token: accessToken },
    );
    expect(logins).toHaveLength(2);
    expect(logins[0]).toEqual({
      ...{ id: expect.any(String), ip: '127.0.0.1', userAgent: 'a phone', current: false },
      ...{ createdAt: expect.stringMatching(/Z$/), lastUsedAt: expect.stringMatching(/Z$/) },
    });
    expect(logins[1]).toMatchObject({ current: true });
    const socket = await connect(phone.accessToken);
    const stranger = await api.register(address());
    const path = `/api/v1/auth/logins/${logins[0]?.id ?? ''}`;
    expect((await api.refusal('DELETE', path, { token: stranger.accessToken }))[0]).toBe(404);
    await api.ok('DELETE', path, { token: accessToken });
    expect(await socket.next('connection:closing')).toMatchObject({ reason: 'revoked' });
    expect(await refusedToken(phone.accessToken)).toBe('UNAUTHENTICATED');
    expect((await api.refusal('DELETE', path, { token: accessToken }))[0]).toBe(404);
  });

  it('are all signed out at once', async () => {
    const { user, accessToken } = await api.register(address());
    const others = await Promise.all([api.login(user.email), api.login(user.email)]);
    const sockets = await Promise.all([accessToken, ...others.map((one) => one.accessToken)].map(connect));
    await api.ok('POST', '/api/v1/auth/logout-all', { token: accessToken });
    for (const socket of sockets) expect(await socket.next('connection:closing')).toMatchObject({ reason: 'revoked' });
    for (const token of [accessToken, ...others.map((one) => one.accessToken)]) {
      expect((await api.refusal('GET', '/api/v1/auth/me', { token }))[0]).toBe(401);
    }
    await api.login(user.email);
  });
});

describe('a seat that a signed-in user took', () => {
  it('names the user, and is resumed by that user alone', async () => {
    const [ann, bob] = [await api.register(address()), await api.register(address())];
    const host = await connect(ann.accessToken);
    const { session, self } = await host.do('session:create', {});
    expect(session.participants).toMatchObject([{ userId: ann.user.id }]);
    const resume = { sessionId: session.id, participantId: self.participantId, resumeToken: self.resumeToken };
    const asked = { ...resume, epoch: session.epoch, lastSeq: 0 };
    for (const auth of [{ resume: asked }, { resume: asked, token: bob.accessToken }]) {
      const thief = new Client(server.url, { auth });
      clients.add(thief);
      expect((await thief.opened())?.message).toBe('RESUME_REJECTED');
    }
    const back = new Client(server.url, { auth: { resume: asked, token: ann.accessToken } });
    clients.add(back);
    expect(await back.opened()).toBeNull();
    expect(await back.next('session:resumed')).toMatchObject({ self: { participantId: self.participantId } });
    // Who took a seat as a guest keeps it after signing in.
    const guest = new Client(server.url);
    clients.add(guest);
    await guest.opened();
    const joined = await guest.do('session:join', { code: session.code ?? '' });
    const { participantId, resumeToken } = joined.self;
    const signedIn = new Client(server.url, {
      auth: {
        token: bob.accessToken,
        resume: { sessionId: session.id, participantId, resumeToken, epoch: 1, lastSeq: 0 },
      },
    });
    clients.add(signedIn);
    expect(await signedIn.opened()).toBeNull();
  });

  it('is lost for good to a user who was kicked, on every device', async () => {
    const [ann, bob] = [await api.register(address()), await api.register(address())];
    const [host, guest] = [await connect(ann.accessToken), await connect(bob.accessToken)];
    const { session } = await host.do('session:create', { capacity: 3 });
    const { self } = await guest.do('session:join', { code: session.code ?? '' });
    await host.do('session:kick', { participantId: self.participantId });
    const { session: reopened } = await host.do('session:reopen', {});
    const other = await connect((await api.login(bob.user.email)).accessToken);
    expect((await other.refusal('session:join', { code: reopened.code ?? '' })).code).toBe('FORBIDDEN');
    const path = `/api/v1/sessions/${session.id}/messages`;
    expect(await api.refusal('GET', path, { token: bob.accessToken })).toEqual([403, 'FORBIDDEN']);
    // The code is no secret from others.
    const stranger = await connect((await api.register(address())).accessToken);
    await stranger.do('session:join', { code: reopened.code ?? '' });
  });

  it('goes on under a fresh token of the same user alone', async () => {
    const [ann, bob] = [await api.register(address()), await api.register(address())];
    const host = await connect(ann.accessToken);
    await host.do('session:create', {});
    const second = await api.login(ann.user.email);
    await host.do('auth:refresh', { token: second.accessToken });
    expect((await host.refusal('auth:refresh', { token: bob.accessToken })).code).toBe('FORBIDDEN');
    expect((await host.refusal('auth:refresh', { token: 'nothing' })).code).toBe('UNAUTHENTICATED');
    // It stands on the second login now.
    await api.ok('POST', '/api/v1/auth/logout', { token: ann.accessToken });
    await host.do('session:get', {});
    await api.ok('POST', '/api/v1/auth/logout', { token: second.accessToken });
    expect(await host.next('connection:closing')).toMatchObject({ reason: 'revoked' });
    const guest = new Client(server.url);
    clients.add(guest);
    await guest.opened();
    expect((await guest.refusal('auth:refresh', { token: bob.accessToken })).code).toBe('FORBIDDEN');
  });

  it('is in the list of the user, and its messages are there for the user when it is over', async () => {
    const [ann, bob] = [await api.register(address()), await api.register(address())];
    const [host, guest] = [await connect(ann.accessToken), await connect(bob.accessToken)];
    const { session } = await host.do('session:create', { capacity: 3 });
    await host.do('message:send', { id: 'before-bob', body: 1 });
    await guest.do('session:join', { code: session.code ?? '' });
    await host.do('message:send', { id: 'with-bob-there', body: 2 });
    const read = async (token: string) => {
      const page = await api.ok<{ messages: { seq: number }[]; lastSeq: number }>(
        'GET',
        `/api/v1/sessions/${session.id}/messages?afterSeq=0`,
        { token },
      );
      return page.messages.map(({ seq }) => seq);
    };
    expect(await read(ann.accessToken)).toEqual([1, 2]);
    expect(await read(bob.accessToken)).toEqual([2]);
    await guest.do('session:leave', {});
    await host.do('message:send', { id: 'without-bob-there', body: 3 });
    expect(await read(bob.accessToken)).toEqual([2]);
    expect(await read(ann.accessToken)).toEqual([1, 2, 3]);
    await host.do('session:close', {});
    expect(await read(bob.accessToken)).toEqual([2]);
    const { sessions, nextCursor } = await api.ok<{ sessions: { id: string; status: string }[]; nextCursor: null }>(
      'GET',
      '/api/v1/me/sessions',
      { token: bob.accessToken },
    );
    expect(sessions).toMatchObject([{ id: session.id, status: 'closed' }]);
    expect(nextCursor).toBeNull();
    const stranger = await api.register(address());
    expect(await api.ok('GET', '/api/v1/me/sessions', { token: stranger.accessToken })).toMatchObject({ sessions: [] });
    const path = `/api/v1/sessions/${session.id}/messages`;
    expect(await api.refusal('GET', path, { token: stranger.accessToken })).toEqual([404, 'SESSION_NOT_FOUND']);
  });
});
