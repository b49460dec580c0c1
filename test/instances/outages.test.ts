import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../server/config.ts';
import { createServer } from '../../server/server.ts';
import { emptyDataDirectory } from '../support/data-directory.ts';
import { testEnvironment } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { stageInstances, stageStores } from '../support/instances-stage.ts';
import { startRedis } from '../support/redis-server.ts';
import type { Seat } from '../support/seat.ts';
import { startServer } from '../support/server.ts';
import { Stopwatch } from '../support/stopwatch.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';

const stores = stageStores();
const OUTAGE = ['redis_lost', 'internal_error', 'archive_failed', 'db_error', 'delivery_failed'];
/** The outage's length: everything that is to be seen of it is seen by then. */
const GONE_MS = 10_000;

async function get(url: string): Promise<{ status: number; checks: Record<string, { status: string }> }> {
  const answer = await fetch(url);
  const body = (await answer.json()) as { checks?: Record<string, { status: string }> };
  return { status: answer.status, checks: body.checks ?? {} };
}

async function timed<T>(action: Promise<T>): Promise<{ value: T; tookMs: number }> {
  const watch = new Stopwatch();
  const value = await action;
  return { value, tookMs: watch.stop() };
}

describe('the subscriber link of an instance, cut', () => {
  const stage = stageInstances(stores, { count: 2, proxied: true, server: { errors: OUTAGE } });

  it('is noticed by its heads, and what was lost follows', async () => {
    const { host, guest } = await stage.pair(0, 1);
    await host.client.do('message:send', { id: 'before-the-cut', body: 0 });
    await guest.client.next('message:new');
    const proxy = stage.proxies[1];
    const listening = await subscribersOf(proxy);
    expect(listening.length).toBeGreaterThan(0);
    for (const connection of listening) connection.set({ kind: 'swallow' });
    for (let n = 1; n <= 5; n += 1) await host.client.do('message:send', { id: `during-the-cut-${n}`, body: n });
    const last = await guest.client.next('message:new', ({ seq }) => seq === 6, 15_000);
    expect(last.id).toBe('during-the-cut-5');
    expect(guest.client.received('message:new').map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
    const { lastSeq } = await guest.client.next('session:head', (head) => head.lastSeq === 6, 15_000);
    expect(lastSeq).toBe(6);
    proxy?.heal();
    await eventually(async () => expect((await get(`${stage.urls[1]}/health/ready`)).status).toBe(200));
  }, 40_000);
});

describe('what an instance was not told', () => {
  const stage = stageInstances(stores, { count: 2, proxied: true, server: { errors: OUTAGE } });

  it('of a kick it learns by the next message that it stores itself', async () => {
    const host = await stage.host(0, { capacity: 3 });
    const kicked = await stage.guest(1, host.session.code);
    const staying = await stage.guest(1, host.session.code);
    const proxy = stage.proxies[1];
    // It goes on with commands, and cannot listen anew.
    proxy?.refuse(true);
    for (const connection of await subscribersOf(proxy)) connection.reset();
    try {
      await host.client.do('session:kick', { participantId: kicked.self.participantId });
      const watch = new Stopwatch();
      await staying.client.do('message:send', { id: 'after-the-kick-1', body: 1 });
      await kicked.client.next('disconnect');
      expect(watch.stop()).toBeLessThan(2000);
      await staying.client.do('message:send', { id: 'after-the-kick-2', body: 2 });
      const { participants } = (await staying.client.next('session:updated')).session;
      expect(participants.map(({ id }) => id)).not.toContain(kicked.self.participantId);
      const heard = kicked.client.received('message:new').map(({ id }) => id);
      expect(heard).not.toContain('after-the-kick-2');
    } finally {
      proxy?.refuse(false);
    }
    await eventually(async () => expect((await get(`${stage.urls[1]}/health/ready`)).status).toBe(200));
  }, 40_000);

  it('because the answer to the one who did it was lost, it hears when that one has Redis again', async () => {
    const { host, guest } = await stage.pair(0, 1);
    const proxy = stage.proxies[0];
    const [flat = ''] = (await stores.redis.command('KEYS', `*:s:${host.session.id}`)) as string[];
    const version = () => stores.redis.command('HGET', flat, 'v');
    const before = await version();
    // Long enough to see that it is stored before the answer is there.
    proxy?.set({ kind: 'delay', delayMs: 300 }, 'down');
    try {
      const refusal = host.client.refusal('session:lock', { locked: true });
      await eventually(async () => expect(await version()).not.toBe(before));
      proxy?.set({ kind: 'swallow' }, 'down');
      expect(await refusal).toMatchObject({ code: 'UNAVAILABLE' });
    } finally {
      proxy?.heal();
    }
    const watch = new Stopwatch();
    const { session } = await guest.client.next('session:updated', undefined, 15_000);
    expect(session.locked).toBe(true);
    expect(watch.stop()).toBeLessThan(5000);
    await eventually(async () => expect((await get(`${stage.urls[0]}/health/ready`)).status).toBe(200));
  }, 40_000);
});

describe.each(['unreachable', 'frozen'] as const)('Redis, %s', (how) => {
  const stage = stageInstances(stores, { count: 2, proxied: true, server: { errors: OUTAGE } });
  const cut = () => {
    if (how === 'frozen') stores.redis.freeze();
    else for (const proxy of stage.proxies) proxy.set({ kind: 'swallow' });
  };
  const repair = () => {
    if (how === 'frozen') stores.redis.thaw();
    else for (const proxy of stage.proxies) proxy.heal();
  };

  it('for 10 s: sends are refused in time, sockets stay, and all is well again by itself', async () => {
    const { host, guest } = await stage.pair(0, 1);
    const clients = [host.client, guest.client];
    const sent: string[] = [];
    for (let n = 0; n < 5; n += 1)
      sent.push((await host.client.do('message:send', { id: `well-before-${n}`, body: n })).id);
    await guest.client.next('message:new', ({ id }) => id === sent.at(-1));
    const at = performance.now();
    const noticing = new Stopwatch();
    cut();
    try {
      const doubtful = [host, guest].map(({ client }, n) =>
        timed(client.refusal('message:send', { id: `in-the-outage-${n}`, body: n })),
      );
      for (const { value, tookMs } of await Promise.all(doubtful)) {
        expect(value).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
        expect(tookMs).toBeLessThan(2000);
      }
      for (const url of stage.urls) {
        await eventually(async () => expect((await get(`${url}/health/ready`)).status).toBe(503));
        expect((await fetch(`${url}/health/live`)).status).toBe(200);
      }
      expect(noticing.stop()).toBeLessThan(5000);
      // Sent again and again until the outage is over: none may be answered late, and each in time.
      while (performance.now() - at < GONE_MS) {
        const { tookMs } = await timed(guest.client.refusal('message:send', { id: 'in-the-outage-1', body: 1 }));
        expect(tookMs).toBeLessThan(2000);
      }
    } finally {
      repair();
    }
    const returning = new Stopwatch();
    await Promise.all([again(host, 0), again(guest, 1)]);
    expect(returning.stop()).toBeLessThan(8000);
    for (const [n, client] of clients.entries()) {
      const missed = `in-the-outage-${1 - n}`;
      await client.next('message:new', ({ id }) => id === missed, 5000);
      expect(client.socket.connected).toBe(true);
      expect(client.received('disconnect')).toEqual([]);
    }
    const { messages } = await host.client.do('message:history', {});
    expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, index) => index + 1));
    expect(messages.map(({ id }) => id).sort()).toEqual([...sent, 'in-the-outage-0', 'in-the-outage-1'].sort());
    // One whose sender was told that its outcome is unknown may come to the sender, too.
    const received = guest.client.received('message:new').filter(({ from }) => from !== guest.self.participantId);
    expect(received).toEqual(messages.filter(({ from }) => from !== guest.self.participantId));
    for (const url of stage.urls) {
      await eventually(async () => expect((await get(`${url}/health/ready`)).status).toBe(200));
    }
    for (const client of clients) expect(client.received('session:presence')).toEqual([]);
  }, 60_000);
});

describe('a Redis that drops what it holds', () => {
  it('is not ready, until its policy is noeviction', async () => {
    const redis = await startRedis({ maxmemory: '50mb', maxmemoryPolicy: 'allkeys-lru' });
    const env = { ...(await stores.deployment()), REDIS_URL: redis.url };
    const server = await startServer(env, { errors: OUTAGE });
    try {
      await eventually(async () => {
        const { status, checks } = await get(`${server.url}/health/ready`);
        expect({ status, redis: checks['redis']?.status }).toEqual({ status: 503, redis: 'failed' });
      });
      await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
      await eventually(async () => expect((await get(`${server.url}/health/ready`)).status).toBe(200));
    } finally {
      await server.stop();
      await redis.stop();
    }
  });
});

describe('a Redis that is full', () => {
  const stage = stageInstances(stores, { count: 2, server: { errors: OUTAGE } });

  it('refuses a send whole, and takes the next number when there is room', async () => {
    const { host, guest } = await stage.pair(0, 1);
    await host.client.do('message:send', { id: 'when-there-was-room', body: 0 });
    await stores.redis.command('CONFIG', 'SET', 'maxmemory', '1mb');
    try {
      for (let n = 0; n < 5; n += 1) {
        expect(await guest.client.refusal('message:send', { id: `no-room-${n}`, body: n })).toMatchObject({
          code: 'UNAVAILABLE',
          retryable: true,
        });
      }
      expect(await host.client.do('message:send', { id: 'when-there-was-room', body: 0 })).toMatchObject({
        seq: 1,
        duplicate: true,
      });
      expect((await host.client.do('message:history', {})).lastSeq).toBe(1);
    } finally {
      await stores.redis.command('CONFIG', 'SET', 'maxmemory', '0');
    }
    expect(await guest.client.do('message:send', { id: 'no-room-0', body: 0 })).toMatchObject({
      seq: 2,
      duplicate: false,
    });
    expect(await host.client.next('message:new')).toMatchObject({ seq: 2, id: 'no-room-0' });
  });
});

describe('a second deployment', () => {
  const stage = stageInstances(stores, { count: 1 });

  it('with another database does not start on the same keys', async () => {
    const data = await emptyDataDirectory();
    const { DATABASE_URL = '' } = await stores.deployment();
    const loaded = loadConfig(testEnvironment(data.dir, { ...stage.env, DATABASE_URL }));
    if (!loaded.ok) throw new Error(loaded.faults.join('\n'));
    await expect(createServer(loaded.config).start()).rejects.toThrow(/database/i);
    await data.remove();
    await stage.pair(0, 0);
  });
});

/** A message whose fate is unknown is sent again, with the same id, until it is answered. */
async function again({ client }: Seat, n: number): Promise<void> {
  await eventually(() => client.do('message:send', { id: `in-the-outage-${n}`, body: n }), 8000);
}

/** The connections through the proxy on which somebody listens to channels. */
async function subscribersOf(proxy: TcpProxy | undefined): Promise<TcpProxy['connections'][number][]> {
  const list = String(await stores.redis.command('CLIENT', 'LIST', 'TYPE', 'pubsub'));
  const ports = new Set([...list.matchAll(/ addr=[^ ]*:(\d+) /g)].map(([, port]) => Number(port)));
  return (proxy?.connections ?? []).filter(({ farPort }) => farPort !== null && ports.has(farPort));
}
