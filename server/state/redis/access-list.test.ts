import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startRedis, type RedisServer } from '../../../test/support/redis-server.ts';
import { Cache } from '../../cache/cache.ts';
import { describeSessionState } from '../state.conformance.ts';
import { createRedis, type Redis } from './client.ts';
import { measureDurability, measureEviction } from './durability.ts';
import { inspectRedis } from './inspection.ts';
import { Keys } from './keys.ts';
import { RedisCache } from './redis-cache.ts';
import { RedisHarness } from './redis-harness.conformance.ts';
import { messageOf, paired, redisAt, RedisStage } from './redis-stage.conformance.ts';

const FILE = path.join(import.meta.dirname, '../../../deploy/redis/tandem.acl');
const SCRIPTS = path.join(import.meta.dirname, 'scripts');
/** What the client sends by itself, and what it sends for the modules of this directory. */
const SENT = ['ping', 'info', 'select', 'asking', 'cluster|slots', 'evalsha', 'eval', 'script|load'];
SENT.push(
  'config|get',
  'dbsize',
  'publish',
  'spublish',
  'subscribe',
  'unsubscribe',
  'ssubscribe',
  'sunsubscribe',
  'set',
);

const PASSWORD = 'a password of this test';
let server: RedisServer;
let options: ReturnType<typeof redisAt>;
let redis: Redis;

beforeAll(async () => {
  const aclfile = readFileSync(FILE, 'utf8').replace('REPLACE_WITH_A_RANDOM_PASSWORD', PASSWORD.replaceAll(' ', '-'));
  server = await startRedis({ aclfile });
  options = { ...redisAt(server.url), username: 'tandem', password: PASSWORD.replaceAll(' ', '-') };
  redis = await RedisHarness.connect(options);
});

afterAll(async () => {
  await redis.close();
  await server.stop();
});

describe('the access list', () => {
  it('allows the commands that are used, and no others', () => {
    const allowed = [...readFileSync(FILE, 'utf8').matchAll(/ \+([a-z|]+)/g)].map(([, name = '']) => name);
    const used = readdirSync(SCRIPTS).flatMap((name) => {
      const source = readFileSync(path.join(SCRIPTS, name), 'utf8');
      return [...source.matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(([, command = '']) => command.toLowerCase());
    });
    expect(used.length).toBeGreaterThan(80);
    expect(allowed.toSorted()).toEqual([...new Set([...used, ...SENT])].toSorted());
  });

  it.each([
    [['FLUSHALL']],
    [['FLUSHDB']],
    [['KEYS', '*']],
    [['SCAN', '0']],
    [['CONFIG', 'SET', 'appendonly', 'no']],
    [['CONFIG', 'REWRITE']],
    [['ACL', 'LIST']],
    [['SHUTDOWN']],
    [['MONITOR']],
    [['CLIENT', 'KILL', 'TYPE', 'normal']],
    [['SCRIPT', 'FLUSH']],
    [['REPLICAOF', 'NO', 'ONE']],
    [['GET', 'another:key']],
    [['SET', 'tandemonium', '1']],
    [['PUBLISH', 'another:channel', '1']],
    [['EVAL', "return redis.call('FLUSHALL')", '0']],
    [['EVAL', "return redis.call('GET', 'another:key')", '0']],
    [['EVAL', "return redis.call('PUBLISH', 'another:channel', '1')", '0']],
  ])('refuses %s', async (command) => {
    await expect(redis.send(command)).rejects.toThrow(/NOPERM|user executing the script can't|ACL failure/i);
  });

  it('lets nobody in without the password', async () => {
    for (const wrong of [
      { username: null, password: null },
      { username: 'tandem', password: 'another' },
    ]) {
      const stranger = createRedis({ ...options, ...wrong });
      await expect(stranger.start(500)).rejects.toThrow();
      await stranger.close();
    }
  });

  it('lets what is promised be measured', async () => {
    expect(await measureDurability(redis)).toBe('redis_memory');
    expect((await measureEviction(redis)).isSafe).toBe(true);
    for (const figure of Object.values(await inspectRedis(redis))) expect(figure).not.toBeNull();
  });

  it('lets what is read again be kept', async () => {
    const cache = new Cache({ store: new RedisCache({ redis, keys: new Keys('tandem:test-access') }) });
    const ask = (value: string) => {
      const load = () => Promise.resolve(value);
      return cache.getOrSet({ kind: 'code', subject: 'subject', key: 'key', parse: String, load });
    };
    expect([await ask('kept'), await ask('another')]).toEqual(['kept', 'kept']);
    await cache.invalidate('code', 'subject');
    expect(await ask('new')).toBe('new');
  });

  it('lets a message pass between instances', async () => {
    const stage = await RedisStage.open(options);
    const [one, other] = [await stage.instance('one'), await stage.instance('other')];
    const room = await paired(stage, one, other);
    const sent = await one.state.append(messageOf(room.sessionId, room.host, 'message-id', 'hello'));
    expect(sent.kind).toBe('appended');
    await one.state.probe();
    // The probe of the other comes after what was published before it.
    await other.state.probe();
    expect(other.heard.map(({ message: { body } }) => body)).toEqual(['hello']);
    await stage.close();
  });
});

describeSessionState('RedisState under the access list', (given) => RedisHarness.open(redis, given), []);
