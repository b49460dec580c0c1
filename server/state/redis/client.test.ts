import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { TandemError } from '../../../protocol/errors.ts';
import { within } from '../../../test/support/deadline.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { startRedis, type RedisServer } from '../../../test/support/redis-server.ts';
import { startTcpProxy } from '../../../test/support/tcp-proxy.ts';
import { createRedis, type Redis, type RedisHooks, type RedisOptions, type RedisScript } from './client.ts';

const opened: Redis[] = [];
const servers: RedisServer[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((redis) => redis.close()));
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function serverOf(...options: Parameters<typeof startRedis>): Promise<RedisServer> {
  const server = await startRedis(...options);
  servers.push(server);
  return server;
}

function optionsOf({ host, port, ca }: RedisServer, more: Partial<RedisOptions> = {}): RedisOptions {
  const topology = { kind: 'standalone', host, port } as const;
  return { topology, username: null, password: null, database: 0, tls: ca === null ? null : { ca }, ...more };
}

function clientOf(server: RedisServer, hooks: RedisHooks = {}, more: Partial<RedisOptions> = {}): Redis {
  const redis = createRedis(optionsOf(server, more), hooks);
  opened.push(redis);
  return redis;
}

/** What happens without our asking. */
function seen(check: () => void): Promise<void> {
  return eventually(() => {
    check();
    return Promise.resolve();
  });
}

function script(source: string): RedisScript {
  return { name: 'test', source, sha1: createHash('sha1').update(source).digest('hex') };
}

const LIST = script(`return redis.call('RPUSH', KEYS[1], ARGV[1])`);
const COUNT = script(`return { redis.call('INCR', KEYS[1]), ARGV[1] or false, false, { 'a', 1 } }`);

/** How long a refusal with `UNAVAILABLE` took; anything else fails the test. */
async function refusedAfter(work: Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  const error: unknown = await within(10_000, () => 'an answer', work).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TandemError);
  expect(error).toMatchObject({ code: 'UNAVAILABLE', cause: expect.any(Error) });
  return performance.now() - startedAt;
}

describe('a Redis that works', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  it('runs scripts, and answers plain values', async () => {
    const redis = clientOf(server);
    await redis.start();
    expect([redis.isReady(), redis.kind]).toEqual([true, 'standalone']);
    expect(redis.serverVersion()).toMatch(/^\d+\.\d+\.\d+$/);
    expect(await redis.run(COUNT, ['plain'], ['text'])).toEqual([1, 'text', null, ['a', 1]]);
    expect(await redis.send(['HGETALL', 'nothing'])).toEqual([]);
    expect(await redis.sendToPrimaries(['PING'])).toEqual(['PONG']);
  });

  it('runs a script on a server that was told to forget it, once', async () => {
    const redis = clientOf(server);
    await redis.start();
    await redis.run(COUNT, ['forgotten'], []);
    await redis.send(['SCRIPT', 'FLUSH']);
    expect(await redis.run(COUNT, ['forgotten'], [])).toEqual([2, null, null, ['a', 1]]);
    expect(await redis.send(['SCRIPT', 'EXISTS', COUNT.sha1])).toEqual([1]);
  });

  it('runs scripts in their order on a server that was told to forget them, however its answers come', async () => {
    const proxy = await startTcpProxy(server);
    try {
      const redis = clientOf({ ...server, host: proxy.host, port: proxy.port });
      await redis.start();
      await redis.send(['SCRIPT', 'FLUSH']);
      // Answers come a few bytes at a time: calls go out between the first refusal and the last.
      proxy.set({ kind: 'throttle', bytesPerSecond: 2000 }, 'down');
      const order: string[] = [];
      const calls: Promise<unknown>[] = [];
      const call = () => {
        const value = String(order.length);
        order.push(value);
        calls.push(redis.run(LIST, ['order'], [value]));
      };
      for (let index = 0; index < 10; index += 1) call();
      for (let index = 0; index < 30; index += 1) {
        const before = proxy.passed.down;
        while (proxy.passed.down === before) await new Promise(setImmediate);
        call();
      }
      await Promise.all(calls);
      expect(await redis.send(['LRANGE', 'order', '0', '-1'])).toEqual(order);
    } finally {
      await proxy.close();
    }
  });

  it('leaves the fault of a script what it is', async () => {
    const redis = clientOf(server);
    await redis.start();
    const fault = redis.run(script(`return redis.call('LPUSH', KEYS[1])`), ['fault'], []);
    await expect(fault).rejects.toThrow(/Wrong number of args/);
    await expect(fault).rejects.not.toBeInstanceOf(TandemError);
  });

  it('measures every command', async () => {
    const seconds: number[] = [];
    const redis = clientOf(server, { onCommand: (took) => seconds.push(took) });
    await redis.start();
    await redis.send(['PING']);
    await redis.send(['NO-SUCH-COMMAND']).catch(() => undefined);
    expect(seconds).toHaveLength(2);
    expect(seconds.every((took) => took > 0 && took < 5)).toBe(true);
  });

  it('refuses at once before it was started, and after it was closed', async () => {
    const redis = clientOf(server);
    expect(await refusedAfter(redis.send(['PING']))).toBeLessThan(100);
    await redis.start();
    await redis.close();
    await redis.close();
    expect(await refusedAfter(redis.send(['PING']))).toBeLessThan(100);
  });

  it('hears what is published, as it was sent', async () => {
    const redis = clientOf(server);
    await redis.start();
    const subscriber = redis.createSubscriber();
    const heard: [string, string][] = [];
    await subscriber.subscribe(['a', 'b'], (message, channel) => heard.push([channel, message.toString('hex')]));
    expect(await redis.publish('a', 'é')).toBe(1);
    expect(await redis.publish('b', Buffer.from([0, 255]))).toBe(1);
    expect(await redis.publish('c', 'nobody')).toBe(0);
    await seen(() =>
      expect(heard).toEqual([
        ['a', 'c3a9'],
        ['b', '00ff'],
      ]),
    );
    subscriber.unsubscribe(['a']);
    await eventually(async () => expect(await redis.publish('a', 'x')).toBe(0));
    expect(heard).toHaveLength(2);
    await subscriber.close();
    await eventually(async () => expect(await redis.publish('b', 'x')).toBe(0));
  });

  it('says that a replica is no primary', async () => {
    const replica = await serverOf({ config: [`replicaof 127.0.0.1 ${server.port}`] });
    const redis = clientOf(replica);
    const error: unknown = await redis.start(3000).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', cause: { message: expect.stringContaining('is a replica') } });
  });
});

describe('a frozen Redis', () => {
  it('refuses what was asked within 2 s, also under load, then at once; it heals without a restart', async () => {
    const server = await serverOf();
    const events: string[] = [];
    let reconnects = 0;
    const redis = clientOf(server, { onEvent: (event) => events.push(event), onReconnect: () => (reconnects += 1) });
    await redis.start();
    expect([events, reconnects]).toEqual([[], 0]);
    const recovered = new Promise<void>((resolve) => redis.onRecovered(resolve));
    server.freeze();
    const asked: Promise<number>[] = [];
    const load = setInterval(() => asked.push(refusedAfter(redis.run(COUNT, ['frozen'], []))), 50);
    await new Promise<void>((resolve) => redis.onLost(() => resolve()));
    clearInterval(load);
    expect(Math.max(...(await Promise.all(asked)))).toBeLessThan(2000);
    expect(await refusedAfter(redis.send(['PING']))).toBeLessThan(100);
    expect(redis.isReady()).toBe(false);
    server.thaw();
    await recovered;
    expect(await redis.run(COUNT, ['healed'], [])).toEqual([1, null, null, ['a', 1]]);
    expect([events, reconnects]).toEqual([['redis_lost', 'redis_recovered'], 1]);
  });

  it('is noticed when nobody asks', async () => {
    const server = await serverOf();
    const redis = clientOf(server);
    await redis.start();
    const lost = new Promise<void>((resolve) => redis.onLost(() => resolve()));
    server.freeze();
    await within(2500, () => 'the loss', lost);
    server.thaw();
  });

  it('refuses also when it answers some commands and not others', async () => {
    const server = await serverOf();
    const redis = clientOf(server);
    await redis.start();
    await server.command('CLIENT', 'PAUSE', '4000', 'WRITE');
    expect(await refusedAfter(redis.send(['SET', 'paused', '1']))).toBeLessThan(2000);
  });

  it('is not seen in a process that itself stood still', async () => {
    const server = await serverOf();
    const events: string[] = [];
    const redis = clientOf(server, { onEvent: (event) => events.push(event) });
    await redis.start();
    for (const asked of [redis.send(['PING']), redis.send(['PING'])]) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);
      expect(await asked).toBe('PONG');
    }
    expect(events).toEqual([]);
  }, 20_000);
});

describe('a Redis that goes', () => {
  it('is refused at once while it is away, and used again when it is back, scripts and channels included', async () => {
    const server = await serverOf();
    const redis = clientOf(server);
    const runs: string[] = [];
    redis.onPrimary(({ runId }) => runs.push(runId));
    await redis.start();
    await redis.run(COUNT, ['gone'], []);
    const subscriber = redis.createSubscriber();
    const heard: string[] = [];
    const again = new Promise<readonly string[]>((resolve) => subscriber.onResubscribed(resolve));
    await subscriber.subscribe(['news'], (message) => heard.push(message.toString()));
    const lost = new Promise<void>((resolve) => redis.onLost(() => resolve()));
    await server.kill();
    await lost;
    expect(await refusedAfter(redis.run(COUNT, ['gone'], []))).toBeLessThan(100);
    const recovered = new Promise<void>((resolve) => redis.onRecovered(resolve));
    await server.restart();
    await Promise.all([recovered, again]);
    expect(await again).toEqual(['news']);
    expect(await redis.run(COUNT, ['gone'], [])).toEqual([1, null, null, ['a', 1]]);
    expect(await redis.publish('news', 'back')).toBe(1);
    await seen(() => expect(heard).toEqual(['back']));
    expect(new Set(runs).size).toBe(2);
    expect(runs).toHaveLength(2);
  });

  it('heals a subscriber whose link alone was cut, and tells of it', async () => {
    const server = await serverOf();
    const redis = clientOf(server);
    await redis.start();
    const subscriber = redis.createSubscriber();
    await subscriber.subscribe(['x'], () => undefined);
    const again = new Promise<readonly string[]>((resolve) => subscriber.onResubscribed(resolve));
    await redis.send(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
    expect(await within(5000, () => 'the channel again', again)).toEqual(['x']);
    expect(redis.isReady()).toBe(true);
  });

  it('keeps a channel that was wanted while Redis was away', async () => {
    const server = await serverOf();
    const redis = clientOf(server);
    await redis.start();
    await server.kill();
    const subscriber = redis.createSubscriber();
    expect(await refusedAfter(subscriber.subscribe(['late'], () => undefined))).toBeLessThan(3000);
    expect(subscriber.isReady()).toBe(false);
    await server.restart();
    await eventually(async () => expect(await redis.publish('late', 'x')).toBe(1));
    expect(subscriber.isReady()).toBe(true);
  });

  it('fails to start with the reason, and comes up when it is there', async () => {
    const server = await serverOf();
    await server.kill();
    const redis = clientOf(server);
    const error: unknown = await redis.start(300).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', cause: { message: expect.stringContaining('ECONNREFUSED') } });
    await server.restart();
    await redis.start();
    expect(redis.isReady()).toBe(true);
  });
});

describe('a Redis that cannot serve', () => {
  it('is unavailable when it is full, and reads go on', async () => {
    const server = await serverOf({ maxmemory: '2mb', maxmemoryPolicy: 'noeviction' });
    const redis = clientOf(server);
    await redis.start();
    const fill = async () => {
      for (let index = 0; index < 100; index += 1) await redis.send(['SET', `k${index}`, 'x'.repeat(50_000)]);
    };
    await refusedAfter(fill());
    const write = script(`return redis.call('SET', KEYS[1], ARGV[1])`);
    await refusedAfter(redis.run(write, ['full'], ['x'.repeat(50_000)]));
    expect(await redis.send(['GET', 'full'])).toBeNull();
    expect(redis.isReady()).toBe(true);
  });

  it('is unavailable when it asks for a password that we do not have, or have wrong', async () => {
    const server = await serverOf({ requirepass: 'right' });
    for (const password of [null, 'wrong']) {
      await refusedAfter(clientOf(server, {}, { password }).start(300));
    }
    const redis = clientOf(server, {}, { password: 'right' });
    await redis.start();
    expect(await redis.send(['PING'])).toBe('PONG');
  });

  it('needs no more than commands on keys from its access list', async () => {
    const server = await serverOf({
      aclfile: 'user default off\nuser app on >secret ~t:* &t:* +@write +@read +ping +evalsha +eval',
    });
    const redis = clientOf(server, {}, { username: 'app', password: 'secret' });
    await redis.start();
    expect(redis.serverVersion()).toBeNull();
    expect(await redis.run(COUNT, ['t:a'], [])).toEqual([1, null, null, ['a', 1]]);
    await expect(redis.send(['CONFIG', 'GET', 'save'])).rejects.toThrow('NOPERM');
  });
});

describe('an encrypted Redis', () => {
  it('is reached when its certificate is signed by whom we trust, and not otherwise', async () => {
    const server = await serverOf({ tls: true });
    const redis = clientOf(server);
    await redis.start();
    expect(await redis.send(['PING'])).toBe('PONG');
    const stranger = clientOf(server, {}, { tls: { ca: null } });
    const error: unknown = await stranger.start(3000).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', cause: { message: expect.stringMatching(/self-signed/) } });
  });
});
