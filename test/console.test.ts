/** The operator's console at one server: who is let in, what is shown, and what bad input does to it. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Api, PASSWORD } from './support/api.ts';
import { Client } from './support/client.ts';
import { ConsoleClient } from './support/console-client.ts';
import { RawSocket } from './support/raw.ts';
import { startServer, type RunningServer } from './support/server.ts';
import { codeOf } from './support/stage.ts';

const ADMIN_TOKEN = 'the-admin-token-of-this-test-0123456789';
let server: RunningServer;
const open = new Set<{ close(): unknown }>();

beforeAll(async () => {
  server = await startServer({ ADMIN_TOKEN, REDIS_URL: '' });
}, 60_000);
afterEach(async () => {
  for (const one of open) await one.close();
  open.clear();
});
afterAll(() => server.stop(), 60_000);

function kept<T extends { close(): unknown }>(one: T): T {
  open.add(one);
  return one;
}

function console(auth: object = { token: ADMIN_TOKEN }, headers: Record<string, string> = {}): ConsoleClient {
  return kept(new ConsoleClient(server.url, auth, headers));
}

async function operator(): Promise<ConsoleClient> {
  const client = console();
  expect(await client.opened()).toBeNull();
  return client;
}

async function client(): Promise<Client> {
  const made = kept(new Client(server.url));
  expect(await made.opened()).toBeNull();
  return made;
}

async function pair(names: readonly [string, string], metadata = {}) {
  const [host, guest] = [await client(), await client()];
  const created = await host.do('session:create', { name: names[0], metadata });
  const joined = await guest.do('session:join', { code: codeOf(created.session), name: names[1] });
  return {
    host,
    guest,
    sessionId: created.session.id,
    hostId: created.self.participantId,
    guestId: joined.self.participantId,
  };
}

describe('the handshake', () => {
  it.each([
    ['no token', {}, 'UNAUTHENTICATED'],
    ['a wrong one', { token: 'wrong' }, 'UNAUTHENTICATED'],
    ['one that is longer by a blank', { token: `${ADMIN_TOKEN} ` }, 'UNAUTHENTICATED'],
    ['an empty one', { token: '' }, 'UNAUTHENTICATED'],
    ['a number', { token: 7 }, 'INVALID_PAYLOAD'],
    ['more than a token', { token: ADMIN_TOKEN, resume: {} }, 'INVALID_PAYLOAD'],
    ['nothing that could be looked through', { token: nested(60) }, 'INVALID_PAYLOAD'],
  ])('with %s is refused', async (_what, auth, code) => {
    expect(await console(auth).opened()).toBe(code);
    const opened = console();
    expect(await opened.opened()).toBeNull();
  });

  it('with the token of a user, expired or not, is refused', async () => {
    const { accessToken } = await new Api(server.url).register(`${randomUUID()}@example.com`);
    expect(await console({ token: accessToken }).opened()).toBe('UNAUTHENTICATED');
  });

  it('of a page elsewhere is refused before', async () => {
    const stranger = console({ token: ADMIN_TOKEN }, { Origin: 'https://evil.example' });
    expect(await stranger.opened()).toBe('websocket error');
  });

  it('is the only one of its transport, here or in the namespace of participants', async () => {
    for (const [first, second] of [
      ['/console,', ''],
      ['', '/console,'],
      ['/console,', '/console,'],
    ]) {
      const socket = kept(await RawSocket.open(server.url));
      socket.send(`40${first ?? ''}${JSON.stringify(first === '' ? {} : { token: ADMIN_TOKEN })}`);
      await socket.next((frame) => frame.startsWith(`40${first ?? ''}{`), 'the answer to CONNECT');
      socket.send(`40${second ?? ''}${JSON.stringify(second === '' ? {} : { token: ADMIN_TOKEN })}`);
      await socket.ended();
    }
  });

  it('of a server without an admin token is forbidden', async () => {
    const other = await startServer({ REDIS_URL: '' });
    const refused = kept(new ConsoleClient(other.url, { token: '' }));
    expect(await refused.opened()).toBe('FORBIDDEN');
    await other.stop();
  }, 60_000);
});

describe('what is shown', () => {
  it('is this instance at once, and again every two seconds, without the consoles among its connections', async () => {
    const [watching, participant] = [await operator(), await client()];
    const first = await watching.next('console:instances');
    expect(first.instances).toHaveLength(1);
    await participant.do('session:create', {});
    const { instances, at } = await watching.next(
      'console:instances',
      ({ instances: [own] }) => own?.connections === 1 && own.stores.archive.backlogMessages === 0,
    );
    expect(Date.parse(at)).toBeGreaterThan(Date.parse(first.at));
    expect(instances).toEqual([
      expect.objectContaining({
        state: 'ready',
        connections: 1,
        sessions: { waiting: expect.any(Number), paired: expect.any(Number) },
        participants: { online: 1, away: expect.any(Number) },
        durability: 'archived',
        durabilityMeaning: expect.stringContaining('committed in Postgres'),
        stores: {
          redis: { status: 'disabled', latencyMs: null },
          database: { status: 'ok', latencyMs: expect.any(Number) },
          archive: { lagMs: expect.any(Number), backlogMessages: 0, sessionsSetAside: 0 },
          mail: { status: 'disabled' },
        },
      }),
    ]);
  });

  it('is a list by status, by the start of an id or a name, in pages, and never a code', async () => {
    const watching = await operator();
    const tag = randomUUID().slice(0, 8);
    const hostile = `<script>alert(1)</script> ${tag}`;
    const { sessionId, host } = await pair([hostile, `‮ ${tag}`], { text: 'x'.repeat(4000) });
    const expected = {
      ...{ id: sessionId, status: 'paired', participants: 2, online: 2, capacity: 2, locked: false, lastSeq: 0 },
      ...{ createdAt: expect.any(String), names: [hostile, `‮ ${tag}`] },
    };
    for (const search of [sessionId, sessionId.slice(0, 30).toUpperCase(), hostile.slice(0, 40), '<SCRIPT']) {
      const { sessions } = await watching.do('console:sessions', { search });
      expect([search, sessions]).toEqual([search, expect.arrayContaining([expected])]);
    }
    expect(await watching.do('console:sessions', { search: sessionId, status: 'waiting' })).toMatchObject({
      sessions: [],
    });
    expect(await watching.do('console:sessions', { search: tag })).toMatchObject({ sessions: [], nextCursor: null });
    const first = await watching.do('console:sessions', { limit: 1 });
    expect(first.sessions).toHaveLength(1);
    const second = await watching.do('console:sessions', { limit: 1, cursor: first.nextCursor ?? '' });
    expect(second.sessions[0]?.id).not.toBe(first.sessions[0]?.id);
    await host.do('session:close', {});
    expect(await watching.do('console:sessions', { search: sessionId, status: 'closed' })).toMatchObject({
      sessions: [{ id: sessionId, status: 'closed' }],
    });
  });

  it('is a session with who left it, and what happened to it', async () => {
    const watching = await operator();
    const metadata = { text: 'x'.repeat(4000) };
    const { sessionId, hostId, guest, guestId } = await pair(['Ann', 'Ben'], metadata);
    const before = await watching.do('console:session', { sessionId: sessionId.toUpperCase() });
    expect(before).toMatchObject({ session: { id: sessionId, code: null, metadata }, left: [] });
    expect(before.session.participants.map(({ name }) => name)).toEqual(['Ann', 'Ben']);
    await guest.do('session:leave', {});
    const { session, left } = await watching.do('console:session', { sessionId });
    // Its code is alive again, and it is nobody's who looks on.
    expect([session.status, session.code, session.codeExpiresAt]).toEqual(['waiting', null, null]);
    expect(left).toEqual([
      { participant: expect.objectContaining({ id: guestId, name: 'Ben' }), reason: 'left', at: expect.any(String) },
    ]);
    expect(JSON.stringify({ before, session, left })).not.toMatch(/token|hash/i);
    const told = await watching.do('console:timeline', { sessionId });
    expect(told.nextCursor).toBeNull();
    expect(told.events.at(-1)).toMatchObject({ kind: 'created', participantId: null, reason: null, count: 1 });
    expect(told.events).toContainEqual(
      expect.objectContaining({ kind: 'left', participantId: guestId, reason: 'left' }),
    );
    expect(told.events).toContainEqual(expect.objectContaining({ kind: 'joined', participantId: hostId }));
    const page = await watching.do('console:timeline', { sessionId, limit: 2 });
    expect(page.events).toEqual(told.events.slice(0, 2));
    const next = await watching.do('console:timeline', { sessionId, limit: 100, cursor: page.nextCursor ?? '' });
    expect(next.events).toEqual(told.events.slice(2));
    for (const command of ['console:session', 'console:timeline', 'console:close']) {
      expect(await watching.refusal(command, { sessionId: randomUUID() })).toMatchObject({ code: 'SESSION_NOT_FOUND' });
    }
  });
});

describe('what an operator does', () => {
  it('kicks a participant, and closes a session', async () => {
    const watching = await operator();
    const { host, guest, sessionId, guestId } = await pair(['Ann', 'Ben']);
    expect(await watching.do('console:kick', { sessionId, participantId: guestId })).toMatchObject({ ok: true });
    expect(await guest.next('connection:closing')).toEqual({ reason: 'kicked', reconnect: false });
    expect(await host.next('session:left')).toMatchObject({ participantId: guestId, reason: 'kicked' });
    const again = await watching.refusal('console:kick', { sessionId, participantId: guestId });
    expect(again.code).toBe('SESSION_NOT_FOUND');
    await watching.do('console:close', { sessionId });
    expect(await host.next('session:closed')).toEqual({ sessionId, reason: 'closed' });
  });

  it('signs out one device of a user, then all', async () => {
    const watching = await operator();
    const api = new Api(server.url);
    const email = `${randomUUID()}@example.com`;
    const first = await api.register(email);
    const second = await api.login(email);
    const sockets = await Promise.all(
      [first, second].map(async ({ accessToken }) => {
        const socket = kept(new Client(server.url, { auth: { token: accessToken } }));
        expect(await socket.opened()).toBeNull();
        return socket;
      }),
    );
    const { user, logins } = await watching.do('console:logins', { user: email.toUpperCase() });
    expect(user.id).toBe(first.user.id);
    expect(logins).toHaveLength(2);
    expect(await watching.do('console:logins', { user: user.id })).toMatchObject({ user, logins });
    const [last] = logins;
    await watching.do('console:sign_out', { userId: user.id, loginId: last?.id ?? '' });
    expect(await sockets[1]?.next('connection:closing')).toMatchObject({ reason: 'revoked' });
    expect((await watching.do('console:logins', { user: email })).logins).toEqual([logins[1]]);
    expect(await watching.refusal('console:sign_out', { userId: user.id, loginId: last?.id })).toMatchObject({
      code: 'INVALID_PAYLOAD',
      issues: [{ path: 'loginId' }],
    });
    await watching.do('console:sign_out', { userId: user.id });
    expect(await sockets[0]?.next('connection:closing')).toMatchObject({ reason: 'revoked' });
    expect((await watching.do('console:logins', { user: email })).logins).toEqual([]);
    // The account is there, and its password counts as before.
    expect((await api.call('POST', '/api/v1/auth/login', { body: { email, password: PASSWORD } })).status).toBe(200);
    for (const unknown of [randomUUID(), 'nobody@example.com', 'no address', '%', ' ']) {
      expect(await watching.refusal('console:logins', { user: unknown })).toMatchObject({ code: 'INVALID_PAYLOAD' });
    }
  });

  it('drains the only instance, which says goodbye', async () => {
    const alone = await startServer({ ADMIN_TOKEN, DRAIN_TIMEOUT: '8s', REDIS_URL: '' });
    const watching = kept(new ConsoleClient(alone.url, { token: ADMIN_TOKEN }));
    expect(await watching.opened()).toBeNull();
    const participant = kept(new Client(alone.url));
    expect(await participant.opened()).toBeNull();
    const { instances } = await watching.next('console:instances');
    const refused = await watching.refusal('console:drain', { instanceId: 'another' });
    expect(refused).toMatchObject({ code: 'INVALID_PAYLOAD', issues: [{ path: 'instanceId' }] });
    expect(refused.message).toContain(instances[0]?.instanceId);
    const instanceId = instances[0]?.instanceId ?? '';
    expect(await watching.do('console:drain', { instanceId })).toMatchObject({ ok: true });
    expect(await participant.next('server:draining')).toBeDefined();
    expect(await watching.next('console:closing')).toEqual({ reason: 'draining' });
    // A stock client comes back by itself after such an end.
    expect(await watching.next('disconnect')).toBe('transport close');
    await alone.stop();
  }, 60_000);
});

describe('bad input', () => {
  it.each<[string, string, unknown[]]>([
    ['no payload where one is due', 'console:session', []],
    ['null', 'console:session', [null]],
    ['text', 'console:session', ['all']],
    ['two payloads', 'console:sessions', [{}, {}]],
    ['an unknown field', 'console:sessions', [{ order: 'asc' }]],
    ['a status that is none', 'console:sessions', [{ status: 'open' }]],
    ['no page', 'console:sessions', [{ limit: 0 }]],
    ['too long a page', 'console:sessions', [{ limit: 1e9 }]],
    ['a cursor of nothing', 'console:sessions', [{ cursor: 'next' }]],
    ['too long a search', 'console:sessions', [{ search: 'x'.repeat(200) }]],
    ['a NUL', 'console:sessions', [{ search: '\u0000' }]],
    ['half a character', 'console:sessions', [{ search: '\ud800' }]],
    ['binary data', 'console:sessions', [{ search: Buffer.from('x') }]],
    ['what is no id', 'console:close', [{ sessionId: '../../etc' }]],
    ['an injection', 'console:timeline', [{ sessionId: "' or 1=1 --" }]],
    ['nothing to drain', 'console:drain', [{ instanceId: '' }]],
    ['too deep a payload', 'console:sessions', [{ search: nested(200) }]],
  ])('%s is refused', async (_what, command, args) => {
    const watching = await operator();
    expect(await watching.refusal(command, ...args)).toMatchObject({ code: 'INVALID_PAYLOAD', retryable: false });
    expect(await watching.send('console:sessions', { limit: 1 })).toMatchObject({ ok: true });
  });

  it.each(['error', 'session:create', 'console:nothing', '__proto__', 'toString', ''])(
    'the command "%s" is unknown',
    async (command) => {
      const watching = await operator();
      expect(await watching.refusal(command, {})).toMatchObject({ code: 'UNKNOWN_COMMAND' });
    },
  );

  it('without an ack is passed over, and what cannot be decoded ends the connection alone', async () => {
    const watching = await operator();
    for (const [command, payload] of [
      ['console:close', { sessionId: randomUUID() }],
      ['console:close', 7],
      ['console:nothing', {}],
      ['error', new Error('of the client')],
    ] as const) {
      watching.socket.emit(command, payload);
    }
    expect(await watching.send('console:sessions', {})).toMatchObject({ ok: true });
    const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`;
    for (const frame of [`42/console,1["console:sessions",${deep}]`, '42/console,["', '451-/console,["x"]', '4x']) {
      const socket = kept(await RawSocket.open(server.url));
      socket.send(`40/console,${JSON.stringify({ token: ADMIN_TOKEN })}`);
      await socket.next((answer) => answer.startsWith('40/console,{'), 'the answer to CONNECT');
      socket.send(frame);
      socket.send('42/console,9["console:sessions",{}]');
      await socket.nextOrClosed((answer) => answer.startsWith('43/console,9['), 'an ack');
    }
    expect(await watching.send('console:sessions', {})).toMatchObject({ ok: true });
  });

  it('in a flood is refused by a limit, and ends its connection in the end', async () => {
    const watching = await operator();
    const startedAt = performance.now();
    const answers = await Promise.all(
      Array.from({ length: 60 }, () => watching.send('console:sessions', { limit: 1 })),
    );
    const codes = answers.map((answer) => (answer.ok ? 'ok' : answer.error.code));
    expect(codes).toContain('ok');
    expect(['ok', 'UNAVAILABLE', 'RATE_LIMITED']).toEqual(expect.arrayContaining(codes));
    // Twenty in any second, however long it took.
    const seconds = Math.floor((performance.now() - startedAt) / 1000) + 1;
    expect(codes.filter((code) => code !== 'RATE_LIMITED').length).toBeLessThanOrEqual(20 * seconds);
    for (let number = 0; number < 200; number += 1) watching.socket.emit('console:sessions', {});
    expect(await watching.next('disconnect')).toBe('transport close');
    expect(await (await operator()).send('console:sessions', {})).toMatchObject({ ok: true });
  });

  it('by too many consoles leaves those alone that are there', async () => {
    const all = Array.from({ length: 55 }, () => console());
    const outcomes = await Promise.all(all.map((one) => one.opened()));
    expect(outcomes.filter((outcome) => outcome === null)).toHaveLength(50);
    expect(outcomes.filter((outcome) => outcome === 'UNAVAILABLE')).toHaveLength(5);
    const first = all[outcomes.indexOf(null)];
    expect(await first?.send('console:sessions', { limit: 1 })).toMatchObject({ ok: true });
    const participant = await client();
    expect(await participant.do('session:create', {})).toMatchObject({ ok: true });
  });
});

function nested(depth: number): unknown {
  let value: unknown = 'x';
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
}
