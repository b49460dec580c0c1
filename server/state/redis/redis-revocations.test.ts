import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Revocation } from '../../auth/ports.ts';
import { describeRevocationFeed } from '../conformance/revocations.conformance.ts';
import { slotOf } from './client-slots.ts';
import { createRedis, type Redis } from './client.ts';
import { Keys } from './keys.ts';
import { MINUTE, RedisStage } from './redis-stage.conformance.ts';
import { RedisRevocations, type RedisRevocationsOptions } from './redis-revocations.ts';

function feedOn(stage: RedisStage, own: Partial<RedisRevocationsOptions> = {}): RedisRevocations {
  const { redis, keys, clock } = stage;
  return new RedisRevocations({ redis, subscriber: redis.createSubscriber(), keys, clock, ...own });
}

describeRevocationFeed('RedisRevocations', async () => {
  const stage = await RedisStage.open();
  const feed = feedOn(stage);
  await feed.start();
  return { feed, now: () => stage.now, close: () => stage.close() };
});

describe('revocations in Redis', () => {
  let stage: RedisStage;
  let feed: RedisRevocations;

  beforeEach(async () => {
    stage = await RedisStage.open();
    feed = feedOn(stage);
  });

  afterEach(() => stage.close());

  function login(subject: string, lifeMs = 30 * MINUTE): Revocation {
    return { kind: 'login', subject, notBefore: null, expiresAt: stage.now + lifeMs };
  }

  async function subjects(since: number | null): Promise<string[]> {
    return (await feed.changes(since)).revocations.map(({ subject }) => subject).sort();
  }

  it('reach every instance as they are published, however many they are', async () => {
    const other = feedOn(stage);
    await other.start();
    const many = Array.from({ length: 1203 }, (_, number) => login(String(number)));
    const heard: Revocation[] = [];
    const all = new Promise<void>((resolve) => {
      other.onPublished((revocations) => {
        heard.push(...revocations);
        if (heard.length >= many.length) resolve();
      });
    });
    expect(await feed.publish(many)).toBe(true);
    await all;
    expect(heard).toEqual(many);
    expect((await feed.changes(null)).revocations).toHaveLength(many.length);
  });

  it('are kept until they expire; a reader sees what came since, that moment included', async () => {
    await feed.publish([login('short', MINUTE), login('early')]);
    stage.now += 30_000;
    const { asOf } = await feed.changes(null);
    await feed.publish([login('same moment')]);
    stage.now += 40_000;
    await feed.publish([login('late')]);
    expect(await subjects(asOf)).toEqual(['late', 'same moment']);
    expect(await subjects(null)).toEqual(['early', 'late', 'same moment']);
  });

  it('are seen by who has read before, also when the clock of Redis is set back', async () => {
    await feed.publish([login('first')]);
    stage.now += MINUTE;
    await feed.publish([login('second')]);
    const { asOf } = await feed.changes(null);
    stage.now -= 30_000;
    await feed.publish([login('third')]);
    expect(await subjects(asOf)).toContain('third');
  });

  it('say when something of them was lost: emptied, full, or another primary', async () => {
    const small = feedOn(stage, { mostKept: 3 });
    await small.publish([login('1'), login('2'), login('3')]);
    const { epoch } = await small.changes(null);
    await small.publish([login('4')]);
    const full = await small.changes(null);
    expect(full.revocations.map(({ subject }) => subject)).toEqual(['4']);
    await stage.command('DEL', ...(await stage.names()));
    const emptied = await small.changes(null);
    expect(emptied.revocations).toEqual([]);
    const primaries = () => stage.redis.primaries().map((primary) => ({ ...primary, replicationId: 'other' }));
    const elsewhere = feedOn(stage, { redis: { ...stage.redis, primaries } });
    const promoted = await elsewhere.changes(null);
    expect(new Set([epoch, full.epoch, emptied.epoch, promoted.epoch]).size).toBe(4);
    expect((await small.changes(null)).epoch).toBe(emptied.epoch);
  });

  it('leave nothing in Redis for ever, and lie in one slot', async () => {
    await feed.publish([login('1')]);
    const names = await stage.names();
    expect(names).toHaveLength(3);
    for (const name of names) expect(Number(await stage.command('PTTL', name))).toBeGreaterThan(MINUTE);
    const { published, ends, list, channel } = new Keys('tandem').revocations;
    expect(new Set([published, ends, list, channel].map(slotOf)).size).toBe(1);
    // Longer than a day, as those of users are.
    await feed.publish([{ kind: 'user', subject: 'u', notBefore: 1, expiresAt: stage.now + 30 * 1440 * MINUTE }]);
    for (const name of names) expect(Number(await stage.command('PTTL', name))).toBeGreaterThan(29 * 1440 * MINUTE);
  });

  it('take no harm from what others write there', async () => {
    const strange = ['', '{', 'null', '{"kind":"login"}', '["login"]', '["login",1,null,2]', '["user","u",null,2]'];
    strange.push('["role","u",null,2]', '[[]]', '["login","x",null,"soon"]');
    await feed.start();
    const heard = new Promise<readonly Revocation[]>((resolve) => feed.onPublished(resolve));
    const { published, channel } = stage.keys.revocations;
    for (const text of strange) {
      await stage.command('ZADD', published, '1', text);
      await stage.redis.publish(channel, text);
    }
    // In the order of their publication: the first that says something.
    await feed.publish([login('good')]);
    expect((await heard).map(({ subject }) => subject)).toEqual(['good']);
    expect(await subjects(null)).toEqual(['good']);
  });

  it('are refused as unavailable when Redis is gone', async () => {
    const gone: Redis = createRedis({
      topology: { kind: 'standalone', host: '127.0.0.1', port: 1 },
      ...{ username: null, password: null, database: 0, tls: null },
    });
    const cut = feedOn(stage, { redis: gone });
    await expect(cut.publish([login('1')])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(cut.changes(null)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await gone.close();
  });
});
