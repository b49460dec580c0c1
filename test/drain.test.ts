import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Ack, HandshakeAuth } from '../protocol/commands.ts';
import { Client } from './support/client.ts';
import type { ClientOptions } from './support/client.ts';
import { copyDataDirectory } from './support/data-directory.ts';
import { upgrade } from './support/raw.ts';
import type { UpgradeAnswer } from './support/raw.ts';
import { resumeOf } from './support/seat.ts';
import type { Seat } from './support/seat.ts';
import { spawnServer } from './support/spawned-server.ts';
import type { SpawnedServer } from './support/spawned-server.ts';
import { codeOf } from './support/stage.ts';
import { Talker, violationsOf } from './support/talker.ts';

const DRAIN_TIMEOUT_MS = 8000;

describe('a server that is told to stop', () => {
  let data: Awaited<ReturnType<typeof copyDataDirectory>>;
  const servers = new Set<SpawnedServer>();
  const clients = new Set<Client>();

  beforeEach(async () => {
    data = await copyDataDirectory();
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    clients.clear();
    for (const server of servers) if (server.isRunning()) await server.kill9();
    servers.clear();
    await data.remove();
  });

  async function start(env: Record<string, string> = {}): Promise<SpawnedServer> {
    const server = await spawnServer(data.dir, { DRAIN_TIMEOUT: `${DRAIN_TIMEOUT_MS}ms`, ...env });
    servers.add(server);
    return server;
  }

  async function connect(url: string, options: ClientOptions = {}): Promise<Client> {
    const client = new Client(url, options);
    clients.add(client);
    expect(await client.opened()).toBeNull();
    return client;
  }

  async function pair(url: string, options: ClientOptions = {}): Promise<{ host: Seat; guest: Seat }> {
    const host = await connect(url, options);
    const created = await host.do('session:create', {});
    const guest = await connect(url, options);
    const joined = await guest.do('session:join', { code: codeOf(created.session) });
    return { host: { client: host, ...created }, guest: { client: guest, ...joined } };
  }

  it('tells everybody, serves until it closes, turns newcomers away, and ends with 0', async () => {
    const server = await start();
    const { host, guest } = await pair(server.url);
    const alone = await connect(server.url);
    const begin = performance.now();
    // At once, because the time until the connections are closed is short.
    const whileDraining = new Promise<[Ack<'message:send'>, UpgradeAnswer]>((resolve, reject) => {
      host.client.socket.once('server:draining', () => {
        const sent = host.client.send('message:send', { id: 'while-draining', body: 1 });
        Promise.all([sent, upgrade(server.url)]).then(resolve, reject);
      });
    });
    server.signal('SIGTERM');
    const [sent, answer] = await whileDraining;
    expect(sent).toMatchObject({ ok: true, seq: 1 });
    expect(answer.status).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);

    for (const client of [host.client, guest.client, alone]) {
      const { reconnectAfterMs } = await client.next('server:draining');
      expect(reconnectAfterMs).toBeGreaterThanOrEqual(0);
      expect(reconnectAfterMs).toBeLessThanOrEqual(DRAIN_TIMEOUT_MS);
      expect(await client.next('connection:closing')).toMatchObject({ reason: 'draining', reconnect: true });
      // Not "io server disconnect": after that stock clients do not come back.
      expect(await client.next('disconnect')).toBe('transport close');
    }
    expect(host.client.received('session:left')).toEqual([]);
    expect(await server.exited).toBe(0);
    expect(performance.now() - begin).toBeLessThan(DRAIN_TIMEOUT_MS + 2000);
    expect(server.log.all.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['drain_started', 'server_stopped']),
    );

    const again = await start();
    const back = await connect(again.url, { auth: resumeOf(guest) });
    expect(await back.next('session:resumed')).toMatchObject({ messages: [{ id: 'while-draining' }], reset: false });
  });

  it('ends with 0 also when nobody is there, and on SIGINT, which npm has come twice', async () => {
    for (const signals of [['SIGTERM'], ['SIGINT', 'SIGINT']] as const) {
      const server = await start();
      for (const signal of signals) server.signal(signal);
      expect(await server.exited).toBe(0);
    }
  });

  it('answers the requests that it has taken', async () => {
    const server = await start();
    const login = () =>
      fetch(`${server.url}/api/v1/auth/login`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ email: 'ann@example.com', password: 'not the right one' }),
      });
    // After some of these an answer takes its time.
    for (let count = 0; count < 4; count += 1) expect((await login()).status).toBe(401);
    const slow = login();
    // Sent after it, and answered long before.
    await fetch(`${server.url}/health/live`);
    server.signal('SIGTERM');
    const answer = await slow;
    expect(answer.status).toBe(401);
    expect(await server.exited).toBe(0);
  });

  it('and told a second time, ends at once with 1', async () => {
    const server = await start({ DRAIN_DELAY: '6s' });
    await pair(server.url);
    server.signal('SIGTERM');
    await server.log.next('drain_started', ({ event }) => event === 'drain_started', 10_000);
    // Two of them in the same moment are one.
    const again = setInterval(() => server.signal('SIGTERM'), 100);
    expect(await server.exited).toBe(1);
    clearInterval(again);
  });

  it('and started again, has its stock clients back by themselves, with their seats', async () => {
    const first = await start();
    const seats = await pair(first.url);
    for (const seat of [seats.host, seats.guest]) seat.client.close();
    const position = { host: 0, guest: 0 };
    const auth = (who: 'host' | 'guest') => (): HandshakeAuth => resumeOf(seats[who], { lastSeq: position[who] });
    const host = await connect(first.url, { reconnection: true, auth: auth('host') });
    const guest = await connect(first.url, { reconnection: true, auth: auth('guest') });
    for (const client of [host, guest]) await client.next('session:resumed');
    await host.do('message:send', { id: 'before-the-stop', body: 1 });
    position.guest = (await guest.next('message:new')).seq;
    position.host = 1;

    expect(await first.sigterm()).toBe(0);
    for (const client of [host, guest]) expect(await client.next('disconnect')).toBe('transport close');
    const second = await start({ PORT: String(first.port) });
    expect(second.port).toBe(first.port);
    for (const client of [host, guest]) {
      const resumed = await client.next('session:resumed', () => true, 20_000);
      expect(resumed).toMatchObject({ messages: [], gap: null, reset: false, session: { lastSeq: 1 } });
    }
    await guest.do('message:send', { id: 'after-the-stop', body: 2 });
    expect(await host.next('message:new')).toMatchObject({ id: 'after-the-stop', seq: 2 });
  }, 60_000);

  it('under load loses and doubles nothing', async () => {
    const first = await start();
    const { host, guest } = await pair(first.url);
    const talkers = [new Talker('host-talks', host), new Talker('guest-talks', guest)];
    let acks = 0;
    const onAck = () => {
      acks += 1;
      if (acks === 50) first.signal('SIGTERM');
    };
    await Promise.all(talkers.map((talker) => talker.talk(onAck)));
    expect(await first.exited).toBe(0);

    const second = await start();
    for (const talker of talkers) {
      await talker.comeBack(second.url);
      clients.add(talker.client);
    }
    const log = await talkers[0]?.readLog();
    expect(violationsOf(log ?? [], talkers)).toEqual([]);
    expect(log?.length).toBeGreaterThanOrEqual(50);
  }, 60_000);
});
