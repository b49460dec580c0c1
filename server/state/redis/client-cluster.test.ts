import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TandemError } from '../../../protocol/errors.ts';
import { within } from '../../../test/support/deadline.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { startCluster, type RedisClusterServers } from '../../../test/support/redis-cluster.ts';
import type { RedisServer } from '../../../test/support/redis-server.ts';
import { createRedis, type Redis, type RedisOptions, type RedisScript } from './client.ts';
import { slotOf } from './client-slots.ts';

const COUNT = scriptOf(`local count = redis.call('INCR', KEYS[1]) redis.call('INCR', KEYS[2]) return count`);
const SET = scriptOf(`return redis.call('SET', KEYS[1], ARGV[1])`);
const PARTITIONS = Array.from({ length: 64 }, (_, index) => `tandem:{p${String(index).padStart(2, '0')}}`);

function scriptOf(source: string): RedisScript {
  return { name: 'test', source, sha1: createHash('sha1').update(source).digest('hex') };
}

let cluster: RedisClusterServers;
let redis: Redis;
let events: string[];

beforeAll(async () => {
  cluster = await startCluster();
}, 60_000);

afterAll(() => cluster.stop());

beforeEach(() => {
  const options: RedisOptions = {
    topology: { kind: 'cluster', nodes: cluster.nodes.slice(0, 2) },
    ...{ username: null, password: null, database: 0, tls: null },
  };
  events = [];
  redis = createRedis(options, { onEvent: (event) => events.push(event) });
});

afterEach(() => redis.close());

const count = (partition: string, name: string) =>
  redis.run(COUNT, [`${partition}:${name}`, `${partition}:${name}:2`], []);

/** What happens without our asking. */
function seen(check: () => void): Promise<void> {
  return eventually(() => {
    check();
    return Promise.resolve();
  });
}

/** Moves a slot with all that it holds; `during` runs while it is on its way. */
async function moveSlot(from: RedisServer, to: RedisServer, slot: number, during: () => Promise<void>): Promise<void> {
  const [source, target] = [String(await from.command('CLUSTER', 'MYID')), String(await to.command('CLUSTER', 'MYID'))];
  await to.command('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', source);
  await from.command('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', target);
  await during();
  const keys = (await from.command('CLUSTER', 'GETKEYSINSLOT', String(slot), '1000')) as string[]; // by the protocol
  for (const key of keys) await from.command('MIGRATE', to.host, String(to.port), key, '0', '5000');
  for (const node of [to, from]) await node.command('CLUSTER', 'SETSLOT', String(slot), 'NODE', target);
}

describe('a Redis Cluster', () => {
  it('runs each script where its keys live, on nodes that never saw it', async () => {
    await redis.start();
    for (const { host, port } of redis.primaries()) expect([host, port > 0]).toEqual(['127.0.0.1', true]);
    expect(redis.primaries()).toHaveLength(3);
    const counts = await Promise.all(PARTITIONS.map((partition) => count(partition, 'everywhere')));
    expect(counts).toEqual(PARTITIONS.map(() => 1));
    await redis.sendToPrimaries(['SCRIPT', 'FLUSH']);
    expect(await count('tandem:{p07}', 'everywhere')).toBe(2);
    await expect(redis.run(COUNT, ['a', 'b'], [])).rejects.toThrow(/CROSSSLOT/);
  });

  it('hears channels in every slot, and publishes to their slots', async () => {
    await redis.start();
    const subscriber = redis.createSubscriber();
    const heard = new Map<string, string>();
    const channels = PARTITIONS.map((partition) => `${partition}:c`);
    await subscriber.subscribe(channels, (message, channel) => heard.set(channel, message.toString()));
    expect(await Promise.all(channels.map((channel) => redis.publish(channel, `to ${channel}`)))).toEqual(
      channels.map(() => 1),
    );
    const all = new Map(channels.map((channel) => [channel, `to ${channel}`]));
    await seen(() => expect(heard).toEqual(all));
    subscriber.unsubscribe(channels.slice(1));
    await eventually(async () => {
      const reached = await Promise.all(channels.map((channel) => redis.publish(channel, 'x')));
      expect(reached).toEqual(channels.map((_, index) => Number(index === 0)));
    });
  });

  it('follows a slot that moves under load, with its channels; each script runs once', async () => {
    await redis.start();
    const partition = 'tandem:{p11}';
    const from = await cluster.ownerOf(partition);
    const owners = await Promise.all(PARTITIONS.map((each) => cluster.ownerOf(each)));
    const to = owners.find((owner) => owner !== from);
    if (to === undefined) throw new Error('One node owns every slot');
    const subscriber = redis.createSubscriber();
    await subscriber.subscribe([`${partition}:c`], () => undefined);
    const again = new Promise((resolve) => subscriber.onResubscribed(resolve));
    const results: number[] = [];
    const moving = new AbortController();
    const load = (async () => {
      while (!moving.signal.aborted) {
        try {
          results.push(Number(await count(partition, 'moving')));
        } catch (error) {
          // One of its two keys is on its way.
          expect(error).toMatchObject({ code: 'UNAVAILABLE', cause: { message: expect.stringMatching(/^TRYAGAIN/) } });
        }
      }
    })();
    await moveSlot(from, to, slotOf(partition), async () => {
      // New keys are made at the target: ASK, and a script that it does not know.
      expect(await redis.run(SET, [`${partition}:new`], ['1'])).toBe('OK');
      expect(await redis.send(['GET', `${partition}:new`], `${partition}:new`)).toBe('1');
    });
    await eventually(async () => expect(await redis.publish(`${partition}:c`, 'x')).toBe(1));
    moving.abort();
    await load;
    await again;
    expect(results.length).toBeGreaterThan(10);
    expect(results).toEqual(results.map((_, index) => index + 1));
    expect(await cluster.ownerOf(partition)).toBe(to);
    expect(events).toEqual([]);
  }, 30_000);

  it.each(['killed', 'frozen'])(
    'goes on within 6 s when the owner of a slot is %s',
    async (fate) => {
      await redis.start();
      const partition = 'tandem:{p23}';
      const owner = await eventually(() => cluster.ownerOf(partition));
      const subscriber = redis.createSubscriber();
      await subscriber.subscribe([`${partition}:c`], () => undefined);
      const before = Number(await count(partition, fate));
      const recovered = within(
        15_000,
        () => 'the new owner',
        new Promise<void>((resolve) => redis.onRecovered(resolve)),
      );
      const startedAt = performance.now();
      if (fate === 'killed') await owner.kill();
      else owner.freeze();
      const answers: number[] = [];
      const after = await eventually(async () => {
        const askedAt = performance.now();
        try {
          return Number(await count(partition, fate));
        } catch (error) {
          expect(error).toBeInstanceOf(TandemError);
          throw error;
        } finally {
          answers.push(performance.now() - askedAt);
        }
      });
      const tookMs = performance.now() - startedAt;
      expect(tookMs).toBeLessThan(6000);
      expect(Math.max(...answers)).toBeLessThan(2000);
      expect(after).toBeGreaterThanOrEqual(before);
      await recovered;
      await eventually(async () => expect(await redis.publish(`${partition}:c`, 'x')).toBe(1));
      expect(events).toEqual(['redis_lost', 'redis_recovered']);
      // As it was, for the next test.
      if (fate === 'killed') await owner.restart();
      else owner.thaw();
      await eventually(async () => {
        expect(await owner.command('INFO', 'replication')).toMatch(/role:slave[\s\S]*master_link_status:up/);
        await cluster.ownerOf(partition);
      });
    },
    60_000,
  );

  it('is not ready while slots have no owner, and says so', async () => {
    await redis.start();
    const owner = await eventually(() => cluster.ownerOf('tandem:{p31}'));
    const slot = String(slotOf('tandem:{p31}'));
    const lost = new Promise<Error>((resolve) => redis.onLost(resolve));
    for (const node of cluster.nodes) await node.command('CLUSTER', 'DELSLOTS', slot);
    const refused: unknown = await count('tandem:{p31}', 'nowhere').catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'UNAVAILABLE' });
    await within(10_000, () => 'the loss', lost);
    await owner.command('CLUSTER', 'ADDSLOTS', slot);
    await eventually(async () => expect(await count('tandem:{p31}', 'nowhere')).toBe(1));
    await seen(() => expect(redis.isReady()).toBe(true));
  }, 30_000);
});
