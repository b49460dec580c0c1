import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import path from 'node:path';
import { TandemError } from '../../protocol/errors.ts';
import { Stopwatch } from '../../test/support/stopwatch.ts';
import { startDataApi, type DataApi } from '../../test/support/data-api.ts';
import { creation, newEvent, newSession } from '../../test/support/stored-session.ts';
import { startSupabaseLite, type SupabaseLite } from '../../test/support/supabase-lite.ts';
import { startTcpProxy } from '../../test/support/tcp-proxy.ts';
import { DivergenceError, RefusedCommitError } from '../sessions/ports.ts';
import { accountCalls, mailCalls } from './conformance/calls.conformance.ts';
import { describeDurableStore } from './durable.conformance.ts';
import { MIGRATIONS_DIRECTORY } from './migration-files.ts';
import { createSupabaseCalls, type SupabaseCalls, type SupabaseCallsOptions } from './supabase-client.ts';
import { createSupabaseAccounts, createSupabaseMailQueue, createSupabaseStore } from './supabase-store.ts';

let lite: SupabaseLite;
beforeAll(async () => {
  lite = await startSupabaseLite();
}, 180_000);
afterAll(() => lite.stop());

describeDurableStore('Supabase', async () => {
  const proxy = await startTcpProxy(lite);
  // A slow machine is no fault of the store; its own deadline has tests below.
  const calls = createSupabaseCalls(
    { url: `http://${proxy.host}:${proxy.port}`, serviceRoleKey: lite.secretKey },
    { max: 4, callMs: 10_000 },
  );
  return {
    store: createSupabaseStore(calls),
    accounts: createSupabaseAccounts(calls),
    mailQueue: createSupabaseMailQueue(calls),
    breakConnections: () => {
      proxy.reset();
      return Promise.resolve();
    },
    close: async () => {
      await calls.end();
      await proxy.close();
    },
  };
});

describe('the store in a Supabase project', () => {
  it('reads more sessions than the Data API gives rows, and than one page holds', async () => {
    const calls = createSupabaseCalls({ url: lite.url, serviceRoleKey: lite.secretKey }, { max: 4, callMs: 10_000 });
    const store = createSupabaseStore(calls);
    const sessions = Array.from({ length: 1_300 }, () => newSession());
    await store.commit(creation(...sessions));
    const loaded = new Set((await store.loadSessions(0)).map(({ document }) => document.id));
    expect(sessions.filter(({ id }) => !loaded.has(id))).toEqual([]);
    await calls.end();
  });
});

describe('who may reach the database over the Data API', () => {
  const reach = (path: string, key: string, body?: unknown) =>
    fetch(`${lite.url}/rest/v1/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { apikey: key, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

  it('is nobody with the key that every page has: no row and no function', async () => {
    // What a project grants to everybody is for its owner to say; then no row of it is there for them.
    for (const table of ['deployment', 'tandem_migrations', 'sessions', 'messages', 'users', 'refresh_tokens']) {
      const found: unknown = await (await reach(table, lite.publishableKey)).json();
      if (!Array.isArray(found))
        expect([table, found]).toMatchObject([table, { code: expect.stringMatching(/42501|PGRST205/) }]);
      else expect([table, found]).toEqual([table, []]);
    }
    const calls = [
      ['rpc/tandem_identity', {}],
      ['rpc/tandem_schema', {}],
      ['rpc/tandem_commit', { batch: '{}' }],
      ['rpc/tandem_sessions', { ids: [] }],
      ['rpc/tandem_count_users', {}],
      ['rpc/commit_batch', { batch: {} }],
    ] as const;
    for (const [path, body] of calls) {
      const refused = await reach(path, lite.publishableKey, body);
      expect([path, await refused.json()]).toMatchObject([path, { code: '42501' }]);
      expect([path, (await reach(path, lite.secretKey, body)).ok]).toEqual([path, true]);
    }
  });

  it('is nobody else, whatever function is added to those of the server', async () => {
    for (const file of ['20261121000900_supabase_functions.sql', '20261121001110_supabase_accounts.sql']) {
      const source = await readFile(path.join(MIGRATIONS_DIRECTORY, file), 'utf8');
      const made = [...source.matchAll(/^create or replace function (tandem_\w+)/gm)].map(([, name]) => name);
      const guarded = [...(source.split('\ndo $$')[1] ?? '').matchAll(/'(tandem_\w+)'/g)].map(([, name]) => name);
      expect(made.length).toBeGreaterThan(15);
      expect(guarded).toEqual(made);
    }
  });
});

describe('a Supabase project that is ill', () => {
  const session = newSession();
  let api: DataApi;
  beforeEach(async () => {
    api = await startDataApi();
  });
  afterEach(() => api.close());

  const projectOf = (options: Partial<SupabaseCallsOptions> = {}) =>
    createSupabaseCalls({ url: api.url, serviceRoleKey: 'sb_secret_x' }, { max: 40, ...options });
  const storeOf = (options: Partial<SupabaseCallsOptions> = {}) => createSupabaseStore(projectOf(options));

  const json = (status: number, body: unknown) => (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };

  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['says nothing', () => undefined, /timeout/],
    ['stops within an answer', (response) => response.writeHead(200).write('["'), /timeout/],
    ['breaks the connection', (response) => response.destroy(), /no answer/],
    ['starts', (response) => response.writeHead(503, { 'retry-after': '0' }).end('{"code":"PGRST002"}'), /PGRST002/],
    ['is behind a gateway that is broken', (response) => response.writeHead(520).end('<html>'.repeat(999)), /520/],
    ['answers what is no JSON', (response) => response.end('<html>'), /html/],
    ['has had enough', (response) => response.writeHead(429).end('{"message":"too many"}'), /too many .HTTP 429/],
    ['does not take the key any more', json(401, { message: 'Invalid API key' }), /Invalid API key/],
    ['reads its schema anew', json(404, { code: 'PGRST202', message: 'no such function' }), /PGRST202/],
    ['ends its statements', json(500, { code: '57014', message: 'canceling statement' }), /57014/],
    ['has no connection left', json(503, { code: '53300', message: 'too many clients' }), /53300/],
  ])('%s: every method says so within 2 s, after one try', async (_name, answer, reason) => {
    api.answer(answer);
    const project = projectOf();
    const watch = new Stopwatch();
    await Promise.all(
      callsOf(project).map(async ([name, call]) => {
        const error = await call().catch((thrown: unknown) => thrown);
        expect([name, error]).toMatchObject([name, { code: 'UNAVAILABLE', retryAfterMs: 1000 }]);
        expect(error).toBeInstanceOf(TandemError);
        expect(String((error as TandemError).cause)).toMatch(reason);
        expect(String((error as TandemError).cause).length).toBeLessThan(300);
      }),
    );
    // A loaded machine looks a little later than the deadline.
    expect(watch.stop()).toBeLessThan(2_000 + 1_000);
    expect(api.requests).toHaveLength(callsOf(project).length);
  });

  it('is not followed elsewhere, because the key would go there too', async () => {
    const other = await startDataApi();
    api.answer((response) => response.writeHead(307, { location: `${other.url}/rest/v1/rpc/tandem_identity` }).end());
    await expect(storeOf().ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(other.requests).toEqual([]);
    await other.close();
  });

  it('cannot be reached: every method says so', async () => {
    const project = createSupabaseCalls({ url: 'http://127.0.0.1:1', serviceRoleKey: 'sb_secret_x' }, { max: 1 });
    for (const [name, call] of callsOf(project)) {
      const error = await call().catch((thrown: unknown) => thrown);
      expect([name, error]).toMatchObject([name, { code: 'UNAVAILABLE' }]);
    }
  });

  it('counts the wait for a turn as a part of the deadline', async () => {
    api.answer(() => undefined);
    const store = storeOf({ max: 1, callMs: 200 });
    const [first, second] = [store.ping(), store.ping()];
    await expect(first).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(second).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(api.requests.length).toBeLessThanOrEqual(2);
    api.answer(json(200, 'id'));
    await store.ping();
  });

  it('hands on what is a fault of ours', async () => {
    api.answer(json(404, { code: '42883', message: 'function does not exist' }));
    for (const [name, call] of callsOf(projectOf())) {
      const error = await call().catch((thrown: unknown) => thrown);
      expect([name, error]).toMatchObject([name, { name: 'SupabaseCallError', code: '42883' }]);
    }
  });

  it('refuses a batch: for good, as a contradiction, or for a fault of its own', async () => {
    const refusedWith = async (code: string, constraint: string | null = null) => {
      api.answer(json(200, { code, message: 'said no', constraint }));
      return storeOf()
        .commit(creation(session))
        .catch((thrown: unknown) => thrown);
    };
    expect(await refusedWith('TD001')).toBeInstanceOf(DivergenceError);
    const refused = await refusedWith('23514', 'sessions_capacity_check');
    expect(refused).toBeInstanceOf(RefusedCommitError);
    expect(String(refused)).toContain('said no (23514, constraint sessions_capacity_check)');
    expect(await refusedWith('53100')).toBeInstanceOf(RefusedCommitError);
    expect(await refusedWith('XX000')).toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('is measured, call by call', async () => {
    const seen: [string, boolean][] = [];
    const store = storeOf({ onQuery: (name, _seconds, ok) => seen.push([name, ok]) });
    await store.commit(creation(session));
    api.answer(json(500, {}));
    await store.ping().catch(() => undefined);
    expect(seen).toEqual([
      ['commit', true],
      ['identity', false],
    ]);
  });

  function callsOf(calls: SupabaseCalls): [string, () => Promise<unknown>][] {
    const { id } = session;
    const store = createSupabaseStore(calls);
    return [
      ['commit', () => store.commit(creation(session))],
      ['loadSessions', () => store.loadSessions(0)],
      ['loadSession', () => store.loadSession(id, 0)],
      ['raiseEpoch', () => store.raiseEpoch(id, 1)],
      ['findByCode', () => store.findByCode('BCD234', 0)],
      ['findByKey', () => store.findByKey('a key')],
      ['openHeads', () => store.openHeads(null, 1)],
      ['closedAmong', () => store.closedAmong([id])],
      ['readMessages', () => store.readMessages(id, { afterSeq: 0, limit: 1 })],
      ['findSend', () => store.findSend(id, id, 'message-1')],
      ['recentSends', () => store.recentSends(id, 0, 1)],
      ['listSessions', () => store.listSessions(null, { cursor: null, limit: 1 }, 0)],
      ['searchSessions', () => store.searchSessions('0', null, { cursor: null, limit: 1 }, 0)],
      ['leftSeats', () => store.leftSeats(id)],
      ['sessionsOfUser', () => store.sessionsOfUser('user-1', { cursor: null, limit: 1 }, 0)],
      ['recordEvents', () => store.recordEvents([newEvent({ sessionId: id })])],
      ['sessionEvents', () => store.sessionEvents(id, { cursor: null, limit: 1 })],
      ['analytics', () => store.analytics('2026-01-01', '2026-01-31')],
      ['expire', () => store.expire({ olderThan: 0, keepNewest: 1, now: 0, atMost: 1 })],
      ['seatsOfUser', () => store.seatsOfUser(id, 'user-1')],
      ['ping', () => store.ping()],
      ...accountCalls(createSupabaseAccounts(calls)),
      ...mailCalls(createSupabaseMailQueue(calls)),
    ];
  }
});
