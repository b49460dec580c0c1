import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from './support/eventually.ts';
import { RawSocket, upgrade } from './support/raw.ts';
import { startRedis, type RedisServer } from './support/redis-server.ts';
import { startServer, type RunningServer } from './support/server.ts';
import { startTcpProxy, type TcpProxy } from './support/tcp-proxy.ts';

interface Ack {
  readonly ok: boolean;
  readonly seq: number;
  readonly error?: { readonly code: string; readonly retryable: boolean; readonly retryAfterMs?: number };
}

describe('an instance that gets more than it can do', () => {
  let redis: RedisServer;
  let proxy: TcpProxy;
  let server: RunningServer;
  const sockets = new Set<RawSocket>();

  beforeAll(async () => {
    redis = await startRedis();
    proxy = await startTcpProxy({ host: redis.host, port: redis.port });
    server = await startServer(
      {
        REDIS_URL: `redis://${proxy.host}:${proxy.port}`,
        SOCKET_TRANSPORTS: 'websocket,polling',
      },
      // A stall makes its own looks at the stores, and what they are asked just then, come too late.
      { errors: ['archive_failed', 'db_error', 'delivery_failed', 'redis_lost'], watchesOverload: true },
    );
  }, 60_000);
  afterEach(async () => {
    proxy.heal();
    for (const socket of sockets) await socket.close();
    sockets.clear();
  });
  afterAll(async () => {
    await server.stop();
    await proxy.close();
    await redis.stop();
  }, 60_000);

  async function connect(): Promise<RawSocket> {
    const socket = await RawSocket.connect(server.url);
    sockets.add(socket);
    return socket;
  }

  async function host(): Promise<{ socket: RawSocket; sessionId: string }> {
    const socket = await connect();
    const answer = await socket.command('session:create', {});
    expect(answer).toMatchObject({ ok: true });
    return { socket, sessionId: (answer as { session: { id: string } }).session.id };
  }

  /** Messages of a session that Redis holds, whether anybody was told of them or not. */
  async function stored(sessionId: string): Promise<number> {
    const [key] = (await redis.command('KEYS', `*:l:${sessionId}`)) as string[];
    return key === undefined ? 0 : ((await redis.command('XLEN', key)) as number);
  }

  /** All that was read before has been dispatched when the answer to this is there: nothing in it asks Redis. */
  async function barrier(): Promise<void> {
    const socket = await connect();
    for (let round = 0; round < 5; round += 1) await socket.command('no:such', {});
  }

  /** Ack ids begin at 1000, above those of the test's own commands. */
  function sends(count: number, from: number, size: number): string[] {
    return Array.from({ length: count }, (_, index) => {
      const number = 1000 + from + index;
      return `42${number}${JSON.stringify(['message:send', { id: `message-${number}`, body: 'x'.repeat(size) }])}`;
    });
  }

  function acksOf(frames: readonly string[]): Map<number, Ack> {
    const acks = new Map<number, Ack>();
    for (const frame of frames) {
      const [, number, text] = /^43(\d{4,})(\[.*)$/s.exec(frame) ?? [];
      if (number === undefined || text === undefined) continue;
      const [ack] = JSON.parse(text) as [Ack];
      acks.set(Number(number) - 1000, ack);
    }
    return acks;
  }

  async function answered(socket: RawSocket, count: number, after = 0): Promise<Map<number, Ack>> {
    return eventually(() => {
      const acks = acksOf(socket.frames.all.slice(after));
      if (acks.size < count) throw new Error(`${acks.size} of ${count} are answered`);
      return Promise.resolve(acks);
    });
  }

  it('reads no more of a connection whose commands wait, and all of it when they are done', async () => {
    const { socket, sessionId } = await host();
    proxy.set({ kind: 'hold' }, 'down');
    for (const frame of sends(500, 0, 16_000)) socket.send(frame);
    // Of the 64 that are read the first went out at once and 32 behind it; the rest waits for an answer to them.
    await eventually(async () => expect(await stored(sessionId)).toBeGreaterThanOrEqual(33));
    await barrier();
    // 64 KiB that were read together with the last of them hold four more.
    expect(await stored(sessionId)).toBeLessThanOrEqual(72);
    expect(acksOf(socket.frames.all).size).toBe(0);
    proxy.heal();
    const acks = await answered(socket, 500);
    expect([...acks.values()].map(({ seq }) => seq)).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
  }, 30_000);

  it('refuses what keeps coming, leaves others alone, and stores each message once when it is sent again', async () => {
    const { socket } = await host();
    const other = await host();
    proxy.set({ kind: 'delay', delayMs: 300 }, 'down');
    const frames = sends(3000, 0, 1);
    for (const frame of frames) socket.send(frame);
    const modest = (await other.socket.command('message:send', { id: 'modest-1', body: 1 })) as Ack;
    expect(modest).toMatchObject({ ok: true, seq: 1 });
    let acks = await answered(socket, 3000);
    const refused = () => [...acks].filter(([, { ok }]) => !ok);
    for (const [, { error }] of refused()) {
      expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true, retryAfterMs: expect.any(Number) });
    }
    proxy.heal();
    for (let round = 0; refused().length > 0 && round < 100; round += 1) {
      const again = refused().slice(0, 50);
      // A repetition is answered under the same ack id: what was heard before must not pass for its answer.
      const heard = socket.frames.all.length;
      for (const [index] of again) socket.send(frames[index] ?? '');
      acks = new Map([...acks, ...(await answered(socket, again.length, heard))]);
    }
    expect(refused()).toEqual([]);
    expect([...acks.values()].map(({ seq }) => seq).toSorted((one, two) => one - two)).toEqual(
      Array.from({ length: 3000 }, (_, index) => index + 1),
    );
  }, 60_000);

  it('answers no request of a client that polls before there is room', async () => {
    const url = `${server.url}/socket.io/?EIO=4&transport=polling`;
    const opening = await (await fetch(url)).text();
    const { sid } = JSON.parse(opening.slice(1)) as { sid: string };
    const post = async (packets: readonly string[]) => {
      const response = await fetch(`${url}&sid=${sid}`, { method: 'POST', body: packets.join('\u001e') });
      return response.text();
    };
    const poll = async () => (await (await fetch(`${url}&sid=${sid}`)).text()).split('\u001e');
    await post(['40']);
    await poll();
    await post(['420["session:create",{}]']);
    const [created = ''] = await poll();
    const [{ session }] = JSON.parse(created.slice('430'.length)) as [{ session: { id: string } }];

    proxy.set({ kind: 'hold' }, 'down');
    expect(await post(sends(100, 0, 1))).toBe('ok');
    let isAnswered = false;
    const second = post(sends(100, 100, 1)).finally(() => (isAnswered = true));
    // One, three times 32, and three that wait for the answers to them.
    await eventually(async () => expect(await stored(session.id)).toBe(97));
    await barrier();
    expect(isAnswered).toBe(false);
    proxy.heal();
    expect(await second).toBe('ok');
    const frames: string[] = [];
    while (acksOf(frames).size < 200) frames.push(...(await poll()));
    expect([...acksOf(frames).values()].map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    await post(['1']);
  }, 30_000);

  it('sends new connections elsewhere while its event loop stalls, keeps those it has, and takes new ones after', async () => {
    const { socket } = await host();
    expect((await upgrade(server.url)).status).toBe(101);
    stall(3000);
    const refused = await upgrade(server.url);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(await socket.command('message:send', { id: 'message-1', body: 1 })).toMatchObject({ ok: true, seq: 1 });
    await eventually(async () => expect((await upgrade(server.url)).status).toBe(101));
    expect(await socket.command('session:get', {})).toMatchObject({ ok: true });
  }, 30_000);
});

function stall(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
