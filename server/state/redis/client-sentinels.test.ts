import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { within } from '../../../test/support/deadline.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { startSentinels, type Sentinels } from '../../../test/support/redis-sentinels.ts';
import { createRedis, type Redis, type RedisOptions } from './client.ts';

let group: Sentinels;
let redis: Redis;
let events: string[];

beforeEach(async () => {
  group = await startSentinels();
  const topology = { kind: 'sentinel', name: group.name, sentinels: group.sentinels } as const;
  const options: RedisOptions = { topology, username: null, password: null, database: 0, tls: null };
  events = [];
  redis = createRedis(options, { onEvent: (event) => events.push(event) });
}, 60_000);

afterEach(async () => {
  await redis.close();
  await group.stop();
});

/** What happens without our asking. */
function seen(check: () => void): Promise<void> {
  return eventually(() => {
    check();
    return Promise.resolve();
  });
}

function recovery(): Promise<void> {
  return within(15_000, () => 'the new primary', new Promise((resolve) => redis.onRecovered(resolve)));
}

describe('a primary that sentinels name', () => {
  it.each(['killed', 'frozen'])(
    'is followed when it is %s; subscribers follow too',
    async (fate) => {
      await redis.start();
      const [first] = group.servers;
      expect(redis.primaries()).toMatchObject([{ port: first?.port }]);
      const subscriber = redis.createSubscriber();
      const heard: string[] = [];
      await subscriber.subscribe(['news'], (message) => heard.push(message.toString()));
      const again = new Promise((resolve) => subscriber.onResubscribed(resolve));
      const replications: string[] = [redis.primaries()[0]?.replicationId ?? ''];
      redis.onPrimary(({ replicationId }) => replications.push(replicationId));
      const recovered = recovery();
      if (fate === 'killed') await first?.kill();
      else first?.freeze();
      await Promise.all([recovered, again]);
      const second = await eventually(() => group.primary());
      expect(second).not.toBe(first);
      expect(redis.primaries()).toMatchObject([{ port: second.port }]);
      expect(await redis.send(['SET', 'a', '1'])).toBe('OK');
      expect(await redis.publish('news', 'x')).toBe(1);
      await seen(() => expect(heard).toEqual(['x']));
      expect(new Set(replications).size).toBe(2);
      expect(events).toEqual(['redis_lost', 'redis_recovered']);
    },
    60_000,
  );

  it('is left when the sentinels choose another while it goes on', async () => {
    await redis.start();
    const recovered = recovery();
    await group.sentinels[0]?.command('SENTINEL', 'FAILOVER', group.name);
    await recovered;
    const second = await eventually(() => group.primary());
    expect(redis.primaries()).toMatchObject([{ port: second.port }]);
    expect(await redis.send(['SET', 'a', '1'])).toBe('OK');
  }, 60_000);

  it('is found while a sentinel is dead and another knows nothing, and not under another name', async () => {
    await group.sentinels[0]?.kill();
    await group.sentinels[1]?.command('SENTINEL', 'REMOVE', group.name);
    await redis.start();
    expect(await redis.send(['PING'])).toBe('PONG');
    const topology = { kind: 'sentinel', name: 'other', sentinels: group.sentinels } as const;
    const other = createRedis({ topology, username: null, password: null, database: 0, tls: null });
    const error: unknown = await other.start(500).catch((reason: unknown) => reason);
    await other.close();
    expect(error).toMatchObject({ code: 'UNAVAILABLE', cause: { message: expect.stringContaining('"other"') } });
  }, 60_000);
});
