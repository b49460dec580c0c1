import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Session } from '../protocol/session.ts';
import { Api } from './support/api.ts';
import { Client } from './support/client.ts';
import { administer } from './support/fresh-database.ts';
import { stageInstances, stageStores } from './support/instances-stage.ts';
import { startServer, type RunningServer } from './support/server.ts';

const KEY = 'a-key-of-the-shop-system';
const hash = (key: string) => createHash('sha256').update(key).digest('hex');

let server: RunningServer;
let api: Api;
const clients = new Set<Client>();

beforeAll(async () => {
  server = await startServer({ API_KEYS: `shop:${hash(KEY)},crm:${hash('another-key')}` });
  api = new Api(server.url);
}, 60_000);
afterAll(async () => {
  for (const client of clients) client.close();
  await server.stop();
}, 60_000);

async function connect(): Promise<Client> {
  const client = new Client(server.url);
  clients.add(client);
  const error = await client.opened();
  if (error !== null) throw error;
  return client;
}

function create(body: Record<string, unknown> = {}): Promise<{ session: Session; code: string }> {
  return api.ok('POST', '/api/v1/sessions', { key: KEY, body });
}

function look(id: string): Promise<{ session: Session }> {
  return api.ok('GET', `/api/v1/sessions/${id}`, { key: KEY });
}

describe('a session that a backend makes', () => {
  it('waits for two browsers, of which the first is host', async () => {
    const made = await api.call<{ session: Session; code: string }>('POST', '/api/v1/sessions', {
      key: KEY,
      body: { capacity: 3, metadata: { order: 7 }, approval: true, shareHistory: true },
    });
    expect(made.status).toBe(201);
    const { session, code } = made.body;
    expect(session).toMatchObject({
      ...{ status: 'waiting', capacity: 3, metadata: { order: 7 }, approval: true, shareHistory: true },
      ...{ participants: [], code },
    });
    // Nobody is there who could let the first one in.
    const host = await connect();
    expect((await host.do('session:join', { code })).self.role).toBe('host');
    const guest = await connect();
    const joining = guest.do('session:join', { code, name: 'Bob' });
    const { knockId } = await host.next('session:knock');
    await host.do('session:admit', { knockId, admit: true });
    expect((await joining).session.status).toBe('paired');
    expect((await look(session.id)).session.participants).toMatchObject([{ role: 'host' }, { name: 'Bob' }]);
  });

  it('takes a body that is not there for one without wishes, and refuses what it does not know', async () => {
    const { body } = await api.call<{ session: Session }>('POST', '/api/v1/sessions', { key: KEY });
    expect(body.session).toMatchObject({ capacity: 2, approval: false, metadata: {} });
    for (const wrong of [
      { capacity: 1 },
      { capacity: '2' },
      { name: 'Ann' },
      { metadata: [] },
      { metadata: { a: 'x'.repeat(4096) } },
    ]) {
      const refused = await api.refusal('POST', '/api/v1/sessions', { key: KEY, body: wrong });
      expect([wrong, refused]).toEqual([wrong, [400, 'INVALID_PAYLOAD']]);
    }
  });

  it('holds metadata and messages that are nested 32 deep, as over a socket, and none that are deeper', async () => {
    const nested = (depth: number): unknown => (depth === 1 ? {} : { a: nested(depth - 1) });
    const { session } = await create({ metadata: nested(32) });
    expect((await look(session.id)).session.metadata).toEqual(nested(32));
    const path = `/api/v1/sessions/${session.id}/messages`;
    await api.ok('POST', path, { key: KEY, body: { id: 'deep-enough', body: nested(32) } });
    const { messages } = await api.ok<{ messages: { body: unknown }[] }>('GET', path, { key: KEY });
    expect(messages.map(({ body }) => body)).toEqual([nested(32)]);
    for (const [where, body] of [
      ['/api/v1/sessions', { metadata: nested(33) }],
      [path, { id: 'too-deep-now', body: nested(33) }],
    ] as const) {
      expect(await api.refusal('POST', where, { key: KEY, body })).toEqual([400, 'INVALID_PAYLOAD']);
    }
  });

  it('is listed newest first, by pages that neither repeat nor skip', async () => {
    const made: string[] = [];
    for (let n = 0; n < 5; n += 1) made.unshift((await create()).session.id);
    const listed: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`;
      const page: { sessions: Session[]; nextCursor: string | null } = await api.ok(
        'GET',
        `/api/v1/sessions?status=waiting&limit=2${query}`,
        { key: KEY },
      );
      expect(page.sessions.length).toBeLessThanOrEqual(2);
      listed.push(...page.sessions.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null && listed.length < 5);
    expect(listed.slice(0, 5)).toEqual(made);
    for (const query of [
      'limit=-1',
      'limit=1e9',
      'limit=NaN',
      'limit=0x10',
      'limit=0',
      'limit=201',
      'limit=',
      'status=open',
      'cursor=AAAA',
      'limit=1&limit=2',
      'limit[]=1',
      'other=1',
    ]) {
      const refused = await api.refusal('GET', `/api/v1/sessions?${query}`, { key: KEY });
      expect([query, refused]).toEqual([query, [400, 'INVALID_PAYLOAD']]);
    }
    const { body } = await api.call<{ nextCursor: string }>('GET', '/api/v1/sessions?limit=1', { key: KEY });
    const elsewhere = `/api/v1/sessions?status=closed&cursor=${body.nextCursor}`;
    expect(await api.refusal('GET', elsewhere, { key: KEY })).toEqual([400, 'INVALID_PAYLOAD']);
  });

  it('is closed by it, again too', async () => {
    const { session, code } = await create();
    const host = await connect();
    await host.do('session:join', { code });
    expect((await api.call('DELETE', `/api/v1/sessions/${session.id}`, { key: KEY })).status).toBe(204);
    expect(await host.next('session:closed')).toEqual({ sessionId: session.id, reason: 'closed' });
    expect((await look(session.id)).session.status).toBe('closed');
    expect((await api.call('DELETE', `/api/v1/sessions/${session.id}`, { key: KEY })).status).toBe(204);
  });

  it('loses participants to it, and the host as well', async () => {
    const { session, code } = await create({ capacity: 3 });
    const [host, guest] = [await connect(), await connect()];
    const { self } = await host.do('session:join', { code });
    const { self: other } = await guest.do('session:join', { code });
    const path = `/api/v1/sessions/${session.id}/participants`;
    expect(await api.refusal('DELETE', `${path}/${randomUUID()}`, { key: KEY })).toEqual([404, 'SESSION_NOT_FOUND']);
    expect((await api.call('DELETE', `${path}/${self.participantId}`, { key: KEY })).status).toBe(204);
    expect(await host.next('connection:closing')).toMatchObject({ reason: 'kicked' });
    expect(await guest.next('session:left')).toMatchObject({ participantId: self.participantId, reason: 'kicked' });
    expect((await guest.do('session:get', {})).self.role).toBe('host');
    expect((await api.call('DELETE', `${path}/${other.participantId}`, { key: KEY })).status).toBe(204);
    expect((await look(session.id)).session.status).toBe('closed');
  });

  it('hears what the server says, once and in order with the rest', async () => {
    const { session, code } = await create();
    const [host, guest] = [await connect(), await connect()];
    await host.do('session:join', { code });
    await guest.do('session:join', { code });
    await host.do('message:send', { id: 'from-host', body: 1 });
    const path = `/api/v1/sessions/${session.id}/messages`;
    const message = { id: 'from-server', type: 'notice', body: { text: 'hello' } };
    const sent = await api.call('POST', path, { key: KEY, body: message });
    expect(sent.status).toBe(201);
    expect(sent.body).toEqual({
      ...{ id: message.id, seq: 2, sentAt: expect.stringMatching(/Z$/), epoch: 1 },
      ...{ durableSeq: expect.any(Number), duplicate: false },
    });
    const expected = { ...message, seq: 2, sessionId: session.id, from: 'server' };
    for (const client of [host, guest]) {
      expect(await client.next('message:new', ({ id }) => id === message.id)).toMatchObject(expected);
    }
    const again = await api.call('POST', path, { key: KEY, body: message });
    expect(again.body).toMatchObject({ seq: 2, duplicate: true });
    const other = { ...message, body: 'another' };
    expect(await api.refusal('POST', path, { key: KEY, body: other })).toEqual([409, 'ID_REUSED']);
    // A participant may use the same id: it is another sender.
    expect((await guest.do('message:send', { id: message.id, body: 3 })).seq).toBe(3);
    const page = await api.ok<{ messages: { seq: number; from: string }[] }>('GET', `${path}?afterSeq=0`, { key: KEY });
    expect(page.messages.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(page).toMatchObject({ lastSeq: 3, hasMore: false, epoch: 1 });
    await api.ok('DELETE', `/api/v1/sessions/${session.id}`, { key: KEY });
    expect(await api.refusal('POST', path, { key: KEY, body: { ...message, id: 'too-late-now' } })).toEqual([
      410,
      'SESSION_CLOSED',
    ]);
    expect((await api.call('POST', path, { key: KEY, body: message })).body).toMatchObject({ duplicate: true });
    expect(await api.ok('GET', `${path}?beforeSeq=3&limit=1`, { key: KEY })).toMatchObject({ messages: [{ seq: 2 }] });
    const both = await api.refusal('GET', `${path}?afterSeq=0&beforeSeq=3`, { key: KEY });
    expect(both).toEqual([400, 'INVALID_PAYLOAD']);
  });
});

describe('what backends ask', () => {
  it('is answered for the holder of an API key alone', async () => {
    const { session } = await create();
    const routes: [string, string][] = [
      ['POST', '/api/v1/sessions'],
      ['GET', '/api/v1/sessions'],
      ['GET', `/api/v1/sessions/${session.id}`],
      ['DELETE', `/api/v1/sessions/${session.id}`],
      ['GET', `/api/v1/sessions/${session.id}/messages`],
      ['POST', `/api/v1/sessions/${session.id}/messages`],
      ['DELETE', `/api/v1/sessions/${session.id}/participants/${randomUUID()}`],
      ['GET', '/api/v1/analytics/summary'],
    ];
    for (const [method, path] of routes) {
      for (const call of [{}, { key: 'wrong' }, { key: hash(KEY) }, { key: '' }]) {
        expect([method, path, await api.refusal(method, path, call)]).toEqual([method, path, [401, 'UNAUTHENTICATED']]);
      }
    }
    expect((await look(session.id)).session.status).toBe('waiting');
  });

  it('is not found when there is no such thing', async () => {
    for (const id of [randomUUID(), randomUUID().toUpperCase()]) {
      expect(await api.refusal('GET', `/api/v1/sessions/${id}`, { key: KEY })).toEqual([404, 'SESSION_NOT_FOUND']);
      expect(await api.refusal('DELETE', `/api/v1/sessions/${id}`, { key: KEY })).toEqual([404, 'SESSION_NOT_FOUND']);
      const path = `/api/v1/sessions/${id}/messages`;
      expect(await api.refusal('GET', path, { key: KEY })).toEqual([404, 'SESSION_NOT_FOUND']);
      const body = { id: 'a-message', body: 1 };
      expect(await api.refusal('POST', path, { key: KEY, body })).toEqual([404, 'SESSION_NOT_FOUND']);
    }
    expect((await api.refusal('GET', '/api/v1/sessions/1%27%20or%201=1', { key: KEY }))[0]).toBe(400);
    expect((await api.refusal('GET', '/api/v1/sessions/a/b/c', { key: KEY }))[0]).toBe(404);
    const put = await api.call('PUT', '/api/v1/sessions', { key: KEY, body: {} });
    expect([put.status, put.headers.get('Allow')]).toEqual([405, 'POST, GET, HEAD, OPTIONS']);
  });

  it('counts what happened on each day', async () => {
    const { code } = await create();
    const [host, guest] = [await connect(), await connect()];
    await host.do('session:join', { code });
    await guest.do('session:join', { code });
    const today = new Date().toISOString().slice(0, 10);
    const summary = await api.ok<{ days: { day: string; sessions: number; pairings: number }[] }>(
      'GET',
      '/api/v1/analytics/summary',
      { key: KEY },
    );
    const day = summary.days.find((one) => one.day >= today);
    expect(day?.sessions).toBeGreaterThan(0);
    expect(day?.pairings).toBeGreaterThan(0);
    expect(summary).toMatchObject({ totals: { closeReasons: { expired: 0 } } });
    for (const query of [
      'from=yesterday',
      'from=2026-02-31',
      'from=2026-02-02&to=2026-02-01',
      'from=2020-01-01&to=2026-01-01',
    ]) {
      expect((await api.refusal('GET', `/api/v1/analytics/summary?${query}`, { key: KEY }))[0]).toBe(400);
    }
  });
});

describe('who looks at a code', () => {
  it('learns what is there to join, and no more', async () => {
    const { code } = await create({ capacity: 3 });
    await (await connect()).do('session:join', { code });
    for (const typed of [code, code.toLowerCase(), `${code.slice(0, 3)}-${code.slice(3)}`]) {
      expect(await api.ok('GET', `/api/v1/sessions/by-code/${typed}`)).toEqual({
        ...{ status: 'waiting', capacity: 3, participants: 1, locked: false, approval: false },
      });
    }
    expect(await api.refusal('GET', '/api/v1/sessions/by-code/BBBBBB')).toEqual([404, 'SESSION_NOT_FOUND']);
    expect(await api.refusal('GET', '/api/v1/sessions/by-code/AEIOU!')).toEqual([400, 'INVALID_PAYLOAD']);
    expect(await api.refusal('GET', `/api/v1/sessions/by-code/${'B'.repeat(65)}`)).toEqual([400, 'INVALID_PAYLOAD']);
  });
});

describe('a session that was closed so long ago that Redis has let go of it', () => {
  const stores = stageStores();
  const stage = stageInstances(stores, { count: 1, env: { API_KEYS: `shop:${hash(KEY)}` } });

  it('is closed for whoever sends to it, kicks or closes it', async () => {
    const own = new Api(stage.urls[0] ?? '');
    const { session, self } = await stage.host(0);
    const path = `/api/v1/sessions/${session.id}`;
    await own.ok('DELETE', path, { key: KEY });
    const keys = (await stores.redis.command('KEYS', `*${session.id}*`)) as string[];
    expect(keys).not.toEqual([]);
    await stores.redis.command('DEL', ...keys);
    const url = stage.env['DATABASE_URL'] ?? '';
    await administer(url, `update sessions set closed_at = closed_at - interval '2 hours' where id = '${session.id}'`);
    const message = { id: 'too-late-now', body: 1 };
    expect(await own.refusal('POST', `${path}/messages`, { key: KEY, body: message })).toEqual([410, 'SESSION_CLOSED']);
    const kick = (id: string, seat: string) =>
      own.refusal('DELETE', `/api/v1/sessions/${id}/participants/${seat}`, { key: KEY });
    expect(await kick(session.id, self.participantId)).toEqual([410, 'SESSION_CLOSED']);
    expect(await kick(randomUUID(), self.participantId)).toEqual([404, 'SESSION_NOT_FOUND']);
    expect((await own.call('DELETE', path, { key: KEY })).status).toBe(204);
  });
});
