/** The operator's console over three instances: one of them is frozen, one is cut off, one is drained through another. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { InstanceReport } from '../../protocol/console.ts';
import { Api } from '../support/api.ts';
import type { Client } from '../support/client.ts';
import { ConsoleClient } from '../support/console-client.ts';
import { stageInstances, stageStores } from '../support/instances-stage.ts';
import { Stopwatch } from '../support/stopwatch.ts';

const ADMIN_TOKEN = 'the-admin-token-of-this-test-0123456789';
const SESSIONS = 10_000;
/** As the contract says: on all instances within a second. */
const SIGNED_OUT_MS = 1000;
/** What a machine that runs other tests at the same time, and the answer to the command, may take on top. */
const MACHINE_MS = 1000;
const stores = stageStores();

/** Closed long ago, each with a name and as much metadata as there may be. The triggers would take most of the time. */
const FILL = [
  'set session_replication_role = replica',
  `insert into sessions (id, epoch, created_at, capacity, locked, approval, share_history, metadata, ever_paired,
    closed_reason, closed_at, last_activity_at, last_seq, seat_count)
  select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, now(), 2, false, false, false,
    json_build_object('text', repeat('x', 4000)), false, 'idle', now(), now(), n, 1
  from generate_series(1, ${SESSIONS}) n`,
  `insert into participants (id, session_id, role, name, token_hash, joined_at, joined_seq)
  select id, id, 'host', case when last_seq % 1000 = 0 then 'Rare ' else 'Common ' end || last_seq, 'hash', now(), 0
  from sessions where closed_reason = 'idle'`,
];

describe('a console', () => {
  const stage = stageInstances(stores, {
    ...{ count: 3, spawned: true, proxied: true },
    env: { ADMIN_TOKEN, JWT_SECRET: 'a secret that all instances have in common', DRAIN_TIMEOUT: '10s' },
  });
  const consoles = new Set<ConsoleClient>();
  /** By the place of the instance on the stage. */
  const ids: string[] = [];

  beforeAll(async () => {
    for (const url of stage.urls) {
      const { instanceId } = (await (await fetch(`${url}/health/live`)).json()) as { instanceId: string };
      ids.push(instanceId);
    }
  });
  afterEach(() => {
    for (const one of consoles) one.close();
    consoles.clear();
  });

  async function at(index: number): Promise<ConsoleClient> {
    const made = new ConsoleClient(stage.urls[index] ?? '', { token: ADMIN_TOKEN });
    consoles.add(made);
    expect(await made.opened()).toBeNull();
    return made;
  }

  async function seen(
    watching: ConsoleClient,
    matches: (of: (index: number) => InstanceReport | undefined) => boolean,
  ): Promise<InstanceReport[]> {
    const { instances } = await watching.next('console:instances', (told) =>
      matches((index) => told.instances.find(({ instanceId }) => instanceId === ids[index])),
    );
    return instances;
  }

  it('at any instance shows all of them', async () => {
    for (const index of [0, 1, 2]) {
      const instances = await seen(await at(index), (of) => [0, 1, 2].every((other) => of(other)?.state === 'ready'));
      expect(instances).toHaveLength(3);
      expect(instances.map(({ durability }) => durability)).toEqual(Array(3).fill('redis_always'));
    }
  });

  it('lists and finds ten thousand sessions', async () => {
    const database = new pg.Client(stage.env['DATABASE_URL']);
    await database.connect();
    for (const statement of FILL) await database.query(statement);
    await database.end();
    const watching = await at(0);
    let [cursor, count] = [undefined as string | undefined, 0];
    const found = new Set<string>();
    do {
      const { sessions, nextCursor } = await watching.do('console:sessions', {
        status: 'closed',
        limit: 100,
        ...(cursor === undefined ? {} : { cursor }),
      });
      for (const { id } of sessions) found.add(id);
      cursor = nextCursor ?? undefined;
      count += 1;
    } while (cursor !== undefined && count < 10);
    expect(found.size).toBe(1000);
    const rare = await watching.do('console:sessions', { search: 'RARE 1' });
    expect(rare.sessions.map(({ names }) => names)).toEqual([['Rare 10000'], ['Rare 1000']]);
    expect((await watching.do('console:sessions', { search: 'common', limit: 100 })).sessions).toHaveLength(100);
    const id = '00000000-0000-7000-8000-000000001388';
    expect(await watching.do('console:sessions', { search: id })).toMatchObject({ sessions: [{ id, lastSeq: 5000 }] });
    expect((await watching.do('console:session', { sessionId: id })).session.metadata).toEqual({
      text: 'x'.repeat(4000),
    });
  }, 60_000);

  it('kicks, closes and signs out whoever is at another instance', async () => {
    const watching = await at(2);
    const { host, guest } = await stage.pair(0, 1, { name: '<img src=x onerror=alert(1)>' });
    const { id: sessionId } = guest.session;
    const { participantId } = guest.self;
    const shown = await watching.do('console:sessions', { search: '<IMG' });
    expect(shown.sessions).toEqual([expect.objectContaining({ id: sessionId, participants: 2, online: 2 })]);
    await watching.do('console:kick', { sessionId, participantId });
    expect(await guest.client.next('connection:closing')).toEqual({ reason: 'kicked', reconnect: false });
    expect((await watching.do('console:session', { sessionId })).left).toEqual([
      expect.objectContaining({ reason: 'kicked', participant: expect.objectContaining({ id: participantId }) }),
    ]);
    await watching.do('console:close', { sessionId });
    expect(await host.client.next('session:closed')).toEqual({ sessionId, reason: 'closed' });
    const { events } = await watching.do('console:timeline', { sessionId });
    expect(events.map(({ kind, reason }) => [kind, reason])).toEqual(
      expect.arrayContaining([
        ['closed', 'closed'],
        ['left', 'kicked'],
        ['paired', null],
        ['created', null],
      ]),
    );

    const user = await new Api(stage.urls[0] ?? '').register(`${randomUUID()}@example.com`);
    const sockets: Client[] = [];
    for (const index of [0, 1]) sockets.push(await stage.connect(index, { auth: { token: user.accessToken } }));
    const { logins } = await watching.do('console:logins', { user: user.user.email });
    const watch = new Stopwatch();
    await watching.do('console:sign_out', { userId: user.user.id, loginId: logins[0]?.id ?? '' });
    for (const socket of sockets) expect(await socket.next('connection:closing')).toMatchObject({ reason: 'revoked' });
    expect(watch.stop()).toBeLessThan(SIGNED_OUT_MS + MACHINE_MS);
  });

  it('shows itself where Redis cannot be reached, and all again when it can', async () => {
    const watching = await at(1);
    await seen(watching, (of) => of(0)?.state === 'ready');
    stage.proxies[1]?.set({ kind: 'swallow' });
    const alone = await seen(watching, (of) => of(1)?.stores.redis.status === 'failed');
    expect(alone.find(({ instanceId }) => instanceId === ids[1])?.state).toBe('not_ready');
    const fresh = await at(1);
    const watch = new Stopwatch();
    const { instances } = await fresh.next('console:instances');
    expect(watch.stop()).toBeLessThan(3000);
    expect(instances.find(({ instanceId }) => instanceId === ids[1])?.stores.redis.status).toBe('failed');
    stage.proxies[1]?.heal();
    await seen(watching, (of) => of(1)?.state === 'ready' && of(0)?.state === 'ready');
  }, 60_000);

  it('shows a frozen instance as silent, goes on with the others, and says that it does not answer', async () => {
    const watching = await at(0);
    const lastOf = (told: InstanceReport[]) => told.find(({ instanceId }) => instanceId === ids[2])?.reportedAt ?? '';
    stage.processes[2]?.signal('SIGSTOP');
    let frozenAt: string;
    try {
      frozenAt = lastOf(await seen(watching, (of) => of(2)?.state === 'silent' && of(1)?.state === 'ready'));
      const refused = await watching.refusal('console:drain', { instanceId: ids[2] });
      expect(refused).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
      expect(refused.message).toContain(ids[2]);
      expect(await watching.do('console:sessions', { search: 'rare', limit: 1 })).toMatchObject({ ok: true });
      const unknown = await watching.refusal('console:drain', { instanceId: 'unknown' });
      expect(unknown).toMatchObject({ code: 'INVALID_PAYLOAD', issues: [{ path: 'instanceId' }] });
      for (const id of ids) expect(unknown.message).toContain(id);
    } finally {
      stage.processes[2]?.signal('SIGCONT');
    }
    // What it was told meanwhile is too late: it goes on.
    const readyAfter = async (at: string) =>
      lastOf(await seen(watching, (of) => of(2)?.state === 'ready' && (of(2)?.reportedAt ?? '') > at));
    // A timer may come before what waits on the wire, the next one not.
    await readyAfter(await readyAfter(frozenAt));
  }, 60_000);

  it('drains one instance through another: it ends with 0, and is missed by nobody', async () => {
    const watching = await at(0);
    const participant = await stage.connect(1);
    await seen(watching, (of) => of(1)?.state === 'ready');
    await watching.do('console:drain', { instanceId: ids[1] ?? '' });
    expect(await participant.next('server:draining')).toBeDefined();
    // Asked again it goes on as it does.
    await watching.send('console:drain', { instanceId: ids[1] ?? '' });
    expect(await participant.next('connection:closing')).toMatchObject({ reason: 'draining', reconnect: true });
    // The first signal after it is no impatient person's.
    stage.processes[1]?.signal('SIGTERM');
    expect(await stage.processes[1]?.exited).toBe(0);
    await seen(watching, (of) => of(0)?.state === 'ready' && of(1) === undefined);
    expect(await watching.do('console:sessions', { limit: 1 })).toMatchObject({ ok: true });
  }, 60_000);
});
