import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { HandshakeAuth } from '../protocol/commands.ts';
import type { Session } from '../protocol/session.ts';
import { Api, sha256Of, type ApiCall, type SignedInUser } from './support/api.ts';
import { Client } from './support/client.ts';
import { startServer, type RunningServer } from './support/server.ts';

const KEY = 'a-key-of-the-shop-system';

/** Who comes to the session: its host, a guest with an account and one without, and people who are not in it. */
const SOCKETS = ['host', 'guest', 'anonymous', 'left', 'kicked', 'stranger', 'nobody'] as const;
type Actor = (typeof SOCKETS)[number];

let server: RunningServer;
let api: Api;
let session: Session;
const clients = {} as Record<Actor, Client>; // Filled before the first test.
const users = {} as Record<Exclude<Actor, 'anonymous' | 'nobody'>, SignedInUser>; // The same.
const seats = {} as Record<Actor, { participantId: string; resumeToken: string }>; // The same.
const opened = new Set<Client>();

async function connect(auth: HandshakeAuth = {}): Promise<Client> {
  const client = new Client(server.url, { auth });
  opened.add(client);
  const error = await client.opened();
  if (error !== null) throw error;
  return client;
}

async function refusal(auth: HandshakeAuth): Promise<string> {
  const client = new Client(server.url, { auth });
  opened.add(client);
  return (await client.opened())?.message ?? 'accepted';
}

beforeAll(async () => {
  server = await startServer({ API_KEYS: `shop:${sha256Of(KEY)}` });
  api = new Api(server.url);
  for (const actor of ['host', 'guest', 'left', 'kicked', 'stranger'] as const) {
    users[actor] = await api.register(`${randomUUID()}@example.com`);
    clients[actor] = await connect({ token: users[actor].accessToken });
  }
  clients.anonymous = await connect();
  clients.nobody = await connect();
  const made = await clients.host.do('session:create', { capacity: 5 });
  seats.host = made.self;
  for (const actor of ['guest', 'anonymous', 'left', 'kicked'] as const) {
    seats[actor] = (await clients[actor].do('session:join', { code: made.session.code ?? '' })).self;
  }
  seats.stranger = (await clients.stranger.do('session:create', {})).self;
  await clients.host.do('message:send', { id: 'hello-everybody', body: 'hello' });
  await clients.left.do('session:leave', {});
  await clients.host.do('session:kick', { participantId: seats.kicked.participantId });
  await clients.kicked.next('connection:closing');
  clients.kicked = await connect({ token: users.kicked.accessToken });
  ({ session } = await clients.host.do('session:reopen', {}));
}, 60_000);
afterAll(async () => {
  for (const client of opened) client.close();
  await server.stop();
}, 60_000);

describe('a command', () => {
  const OUT = { left: 'NOT_IN_SESSION', kicked: 'NOT_IN_SESSION', nobody: 'NOT_IN_SESSION' } as const;
  const IN = { host: 'ok', guest: 'ok', anonymous: 'ok', ...OUT } as const;
  /** Of the host of another session it concerns that one, and is not asked here. */
  const HOST = { host: 'ok', guest: 'FORBIDDEN', anonymous: 'FORBIDDEN', ...OUT } as const;
  let sends = 0;

  it.each<[string, () => unknown, Partial<Record<Actor, string | undefined>>]>([
    ['session:get', () => ({}), IN],
    ['message:send', () => ({ id: `message-${(sends += 1)}`, body: 1 }), IN],
    ['message:history', () => ({}), IN],
    ['message:receipt', () => ({ read: 1 }), IN],
    ['signal:send', () => ({ type: 'typing', body: null }), IN],
    ['activity:report', () => ({ state: 'active' }), IN],
    ['session:lock', () => ({ locked: false }), HOST],
    // Whoever may admit is told that there is nobody.
    ['session:admit', () => ({ knockId: randomUUID(), admit: true }), { ...HOST, host: 'JOIN_DENIED' }],
    ['session:kick', () => ({ participantId: seats.stranger.participantId }), { ...HOST, host: 'INVALID_PAYLOAD' }],
    ['session:reopen', () => ({}), { ...HOST, host: undefined }],
    ['session:close', () => ({}), { ...HOST, host: undefined }],
    [
      'session:join',
      () => ({ code: session.code }),
      { host: 'ALREADY_IN_SESSION', guest: 'ALREADY_IN_SESSION', anonymous: 'ALREADY_IN_SESSION', kicked: 'FORBIDDEN' },
    ],
    [
      'session:create',
      () => ({}),
      { host: 'ALREADY_IN_SESSION', guest: 'ALREADY_IN_SESSION', anonymous: 'ALREADY_IN_SESSION' },
    ],
    [
      'auth:refresh',
      () => ({ token: users.host.accessToken }),
      { host: 'ok', guest: 'FORBIDDEN', anonymous: 'FORBIDDEN', kicked: 'FORBIDDEN', nobody: 'FORBIDDEN' },
    ],
  ])('%s is for those who may', async (command, payload, expected) => {
    const answers: Partial<Record<Actor, string>> = {};
    for (const actor of SOCKETS) {
      if (expected[actor] === undefined) continue;
      const answer = await clients[actor].sendLoose(command, payload());
      answers[actor] = answer.ok ? 'ok' : answer.error.code;
    }
    const asked = Object.fromEntries(Object.entries(expected).filter(([, outcome]) => outcome !== undefined));
    expect(answers).toEqual(asked);
  });

  it('of another session touches nothing of this one', async () => {
    const { stranger, host } = clients;
    const to = seats.host.participantId;
    await stranger.sendLoose('signal:send', { type: 'stolen', body: 1, to });
    await stranger.sendLoose('session:kick', { participantId: to });
    await stranger.sendLoose('message:send', { id: 'from-elsewhere', body: 1 });
    const { session: now } = await host.do('session:get', {});
    expect(now.participants.map(({ id }) => id)).toContain(to);
    // What would have come has come before this.
    await clients.guest.do('signal:send', { type: 'barrier', body: 1, to });
    await host.next('signal:new', ({ type }) => type === 'barrier');
    expect(host.received('signal:new').filter(({ type }) => type === 'stolen')).toEqual([]);
    expect(host.received('message:new').filter(({ id }) => id === 'from-elsewhere')).toEqual([]);
  });
});

describe('a seat', () => {
  const resume = (seat: Actor, token: Actor = seat) => ({
    ...{ sessionId: session.id, participantId: seats[seat].participantId, resumeToken: seats[token].resumeToken },
    ...{ epoch: session.epoch, lastSeq: 0 },
  });

  it('is resumed by who holds it alone', async () => {
    const tokenOf = (actor: keyof typeof users) => ({ token: users[actor].accessToken });
    const tries: readonly (readonly [string, HandshakeAuth])[] = [
      ['the token of another seat', { resume: resume('host', 'guest'), ...tokenOf('host') }],
      ['another account', { resume: resume('host'), ...tokenOf('guest') }],
      ['no account', { resume: resume('host') }],
      ['a seat of another session', { resume: resume('stranger'), ...tokenOf('stranger') }],
      ['who has left', { resume: resume('left'), ...tokenOf('left') }],
      ['who was kicked', { resume: resume('kicked'), ...tokenOf('kicked') }],
      ['who was kicked, as a guest', { resume: resume('kicked') }],
      ['no such seat', { resume: { ...resume('anonymous'), participantId: randomUUID() } }],
      ['no such session', { resume: { ...resume('anonymous'), sessionId: randomUUID() } }],
      [
        'a token in another spelling',
        { resume: { ...resume('anonymous'), resumeToken: seats.anonymous.resumeToken.toLowerCase() } },
      ],
    ];
    for (const [name, auth] of tries) expect([name, await refusal(auth)]).toEqual([name, 'RESUME_REJECTED']);
    const back = await connect({ resume: resume('anonymous') });
    expect(await back.next('session:resumed')).toMatchObject({ self: { role: 'guest' } });
    clients.anonymous = back;
  });

  it('is not given anew to who was kicked: the old code is dead, the new one refuses the account', async () => {
    const second = await api.login(users.kicked.user.email);
    const device = await connect({ token: second.accessToken });
    expect((await device.refusal('session:join', { code: session.code ?? '' })).code).toBe('FORBIDDEN');
    // The host could be asked to let somebody in under another name: the account is the same.
    expect((await device.refusal('session:join', { code: session.code ?? '', name: 'Zoe' })).code).toBe('FORBIDDEN');
  });
});

describe('a route', () => {
  const CALLERS = ['host', 'guest', 'left', 'kicked', 'stranger', 'nobody', 'key'] as const;
  const callOf = (caller: (typeof CALLERS)[number]): ApiCall =>
    caller === 'nobody' ? {} : caller === 'key' ? { key: KEY } : { token: users[caller].accessToken };
  const KEY_ONLY = { host: 401, guest: 401, left: 401, kicked: 401, stranger: 401, nobody: 401 };
  const USERS = { host: 200, guest: 200, left: 200, kicked: 200, stranger: 200, nobody: 401, key: 401 };

  it.each<[string, string, (id: string) => string, unknown, Record<string, number>]>([
    ['GET', '/sessions/:id', (id) => `/api/v1/sessions/${id}`, undefined, { ...KEY_ONLY, key: 200 }],
    ['GET', '/sessions', () => '/api/v1/sessions', undefined, { ...KEY_ONLY, key: 200 }],
    ['GET', '/analytics/summary', () => '/api/v1/analytics/summary', undefined, { ...KEY_ONLY, key: 200 }],
    ['POST', '/sessions', () => '/api/v1/sessions', {}, { ...KEY_ONLY, key: 201 }],
    [
      'POST',
      '/sessions/:id/messages',
      (id) => `/api/v1/sessions/${id}/messages`,
      { id: 'from-a-backend', body: 1 },
      { ...KEY_ONLY, key: 201 },
    ],
    ['DELETE', '/sessions/:id', (id) => `/api/v1/sessions/${id}`, undefined, KEY_ONLY],
    [
      'DELETE',
      '/participants/:id',
      (id) => `/api/v1/sessions/${id}/participants/${seats.host.participantId}`,
      undefined,
      KEY_ONLY,
    ],
    [
      'GET',
      '/sessions/:id/messages',
      (id) => `/api/v1/sessions/${id}/messages`,
      undefined,
      { host: 200, guest: 200, left: 200, kicked: 403, stranger: 404, nobody: 401, key: 200 },
    ],
    ['GET', '/auth/me', () => '/api/v1/auth/me', undefined, USERS],
    ['GET', '/auth/logins', () => '/api/v1/auth/logins', undefined, USERS],
    ['GET', '/me/sessions', () => '/api/v1/me/sessions', undefined, USERS],
    [
      'GET',
      '/sessions/by-code/:code',
      () => `/api/v1/sessions/by-code/${session.code ?? ''}`,
      undefined,
      { ...USERS, nobody: 200, key: 200 },
    ],
    [
      'GET',
      '/debug/config',
      () => '/api/debug/config',
      undefined,
      { ...USERS, host: 404, guest: 404, left: 404, kicked: 404, stranger: 404, nobody: 404, key: 404 },
    ],
  ])('%s %s is for those who may', async (method, _name, path, body, expected) => {
    const answers: Record<string, number> = {};
    for (const caller of CALLERS) {
      if (!(caller in expected)) continue;
      const call = body === undefined ? callOf(caller) : { ...callOf(caller), body };
      answers[caller] = (await api.call(method, path(session.id), call)).status;
    }
    expect(answers).toEqual(expected);
  });

  it('lists the sessions of a user: with the code for who is in, without it for who left, not at all for others', async () => {
    const listed = async (caller: keyof typeof users) => {
      const { sessions } = await api.ok<{ sessions: Session[] }>('GET', '/api/v1/me/sessions', callOf(caller));
      return sessions.find(({ id }) => id === session.id);
    };
    expect(await listed('host')).toMatchObject({ code: session.code });
    expect(await listed('guest')).toMatchObject({ code: session.code });
    // The host may have made it anew to be without this user.
    expect(await listed('left')).toMatchObject({ code: null, codeExpiresAt: null });
    expect(await listed('kicked')).toBeUndefined();
    expect(await listed('stranger')).toBeUndefined();
  });

  it('shows who left nothing of what came after', async () => {
    await clients.host.do('message:send', { id: 'after-they-left', body: 'secret' });
    const path = `/api/v1/sessions/${session.id}/messages`;
    for (const query of ['', '?afterSeq=0', '?beforeSeq=999', '?afterSeq=1']) {
      const page = await api.ok<{ messages: { body: unknown }[]; lastSeq: number }>(
        'GET',
        path + query,
        callOf('left'),
      );
      expect(page.messages.filter(({ body }) => body !== 'hello')).toEqual([]);
      expect(page.lastSeq).toBe(1);
    }
  });

  it('ends no login of another user, and tells nothing of what there is', async () => {
    const { logins } = await api.ok<{ logins: { id: string }[] }>('GET', '/api/v1/auth/logins', callOf('host'));
    const answers = await Promise.all(
      [logins[0]?.id ?? '', randomUUID()].map((id) =>
        api.call('DELETE', `/api/v1/auth/logins/${id}`, callOf('stranger')),
      ),
    );
    const [one, other] = answers.map(({ status, body }) => ({ status, ...body, requestId: '' }));
    expect(one).toEqual(other);
    expect(one).toMatchObject({ status: 404 });
    await api.ok('GET', '/api/v1/auth/me', callOf('host'));
  });
});
