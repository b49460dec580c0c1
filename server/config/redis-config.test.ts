import { rootCertificates } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { loadConfig, type RedisConfig } from '../config.ts';

function faultsOf(env: Record<string, string>): readonly string[] {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.faults;
}

function redisOf(env: Record<string, string>): RedisConfig | null {
  const loaded = loadConfig(env);
  if (!loaded.ok) throw new Error(loaded.faults.join('\n'));
  return loaded.config.redis;
}

const CA = rootCertificates[0] ?? '';
const plain = { username: null, password: null, database: 0, tls: null, keyPrefix: 'tandem' };

describe('the configuration of Redis', () => {
  it('warns of tokens that count at one instance alone', () => {
    const REDIS_URL = 'redis://redis';
    const about = [expect.stringMatching(/^JWT_SECRET: each instance/)];
    expect(loadConfig({ REDIS_URL })).toMatchObject({ ok: true, warnings: about });
    expect(loadConfig({ REDIS_URL, JWT_SECRET: 'x'.repeat(32) })).toMatchObject({ ok: true, warnings: [] });
    expect(loadConfig({})).toMatchObject({ ok: true, warnings: [] });
  });

  it('is none without an address', () => {
    expect(redisOf({})).toBeNull();
    expect(redisOf({ REDIS_KEY_PREFIX: 'other' })).toBeNull();
    // What Kubernetes sets for a service named redis, besides REDIS_PORT.
    expect(redisOf({ REDIS_SERVICE_HOST: '10.0.0.1', REDIS_PORT_6379_TCP: 'tcp://10.0.0.1:6379' })).toBeNull();
  });

  it('is one server by URL or by parts, alike', () => {
    const whole = { topology: { kind: 'standalone', host: 'h', port: 7000 }, keyPrefix: 'eu' };
    const expected = { ...whole, username: 'u', password: 'p', database: 3, tls: { ca: CA } };
    expect(redisOf({ REDIS_URL: 'rediss://u:p@h:7000/3', REDIS_TLS_CA: CA, REDIS_KEY_PREFIX: 'eu' })).toEqual(expected);
    const parts = { REDIS_HOST: 'h', REDIS_PORT: '7000', REDIS_USERNAME: 'u', REDIS_PASSWORD: 'p', REDIS_DB: '3' };
    expect(redisOf({ ...parts, REDIS_TLS: 'true', REDIS_TLS_CA: CA, REDIS_KEY_PREFIX: 'eu' })).toEqual(expected);
    const bare = { ...plain, topology: { kind: 'standalone', host: '::1', port: 6379 } };
    expect(redisOf({ REDIS_HOST: '::1' })).toEqual(bare);
    expect(redisOf({ REDIS_URL: 'redis://[::1]' })).toEqual(bare);
  });

  it('takes from variables what the URL leaves out', () => {
    const env = { REDIS_URL: 'redis://h', REDIS_USERNAME: 'u', REDIS_PASSWORD: 'p', REDIS_DB: '1' };
    expect(redisOf(env)).toMatchObject({ username: 'u', password: 'p', database: 1 });
    expect(redisOf({ REDIS_URL: 'redis://:p@h', REDIS_USERNAME: 'u' })).toMatchObject({ username: 'u', password: 'p' });
    expect(redisOf({ REDIS_URL: 'rediss://h', REDIS_TLS: 'true' })).toMatchObject({ tls: { ca: null } });
  });

  it('is a cluster, or sentinels and a name', () => {
    const nodes = [
      { host: 'a', port: 1 },
      { host: '::1', port: 2 },
    ];
    expect(redisOf({ REDIS_CLUSTER_NODES: 'a:1,[::1]:2' })).toEqual({ ...plain, topology: { kind: 'cluster', nodes } });
    const sentinel = { kind: 'sentinel', name: 'main', sentinels: nodes };
    const env = { REDIS_SENTINELS: 'a:1,[::1]:2', REDIS_SENTINEL_NAME: 'main', REDIS_DB: '2' };
    expect(redisOf(env)).toEqual({ ...plain, database: 2, topology: sentinel });
  });

  it('is frozen', () => {
    const redis = redisOf({ REDIS_CLUSTER_NODES: 'a:1' });
    expect([redis, redis?.topology].every(Object.isFrozen)).toBe(true);
  });

  it('tells at once of each two ways that cannot be together', () => {
    const env = {
      REDIS_URL: 'redis://h',
      REDIS_CLUSTER_NODES: 'a:1',
      REDIS_SENTINELS: 'b:2',
      REDIS_SENTINEL_NAME: 'm',
    };
    expect(faultsOf(env)).toEqual([
      expect.stringMatching(/^REDIS_CLUSTER_NODES: .*REDIS_SENTINELS.*not both/),
      expect.stringMatching(/^REDIS_URL: .*REDIS_CLUSTER_NODES and REDIS_SENTINELS/),
    ]);
  });

  const url = { REDIS_URL: 'redis://h' };
  it.each<[Record<string, string>, RegExp]>([
    [{ ...url, REDIS_HOST: 'h' }, /^REDIS_URL: .*REDIS_HOST/],
    [{ ...url, REDIS_CLUSTER_NODES: 'a:1' }, /^REDIS_URL: .*REDIS_CLUSTER_NODES/],
    [{ REDIS_HOST: 'h', REDIS_SENTINELS: 'b:2', REDIS_SENTINEL_NAME: 'm' }, /^REDIS_HOST: .*REDIS_SENTINELS/],
    [
      { REDIS_CLUSTER_NODES: 'a:1', REDIS_SENTINELS: 'b:2', REDIS_SENTINEL_NAME: 'm' },
      /^REDIS_CLUSTER_NODES: .*REDIS_SENTINELS.*not both/,
    ],
    [{ REDIS_SENTINELS: 'b:2' }, /^REDIS_SENTINEL_NAME: received nothing/],
    [{ REDIS_SENTINEL_NAME: 'm' }, /^REDIS_SENTINELS: received nothing/],
    [{ REDIS_PORT: '6379' }, /^REDIS_PORT: .*REDIS_HOST/],
    [{ ...url, REDIS_PORT: '6379' }, /^REDIS_PORT: .*REDIS_HOST/],
    [{ REDIS_PASSWORD: 'planted' }, /^REDIS_PASSWORD: .*REDIS_URL/],
    [{ REDIS_TLS_CA: CA }, /^REDIS_TLS_CA: .*REDIS_URL/],
    [{ ...url, REDIS_USERNAME: 'u' }, /^REDIS_USERNAME: .*REDIS_PASSWORD/],
    [{ REDIS_URL: 'redis://u:planted@h', REDIS_PASSWORD: 'planted' }, /^REDIS_PASSWORD: .*REDIS_URL/],
    [{ REDIS_URL: 'redis://h/1', REDIS_DB: '1' }, /^REDIS_DB: .*REDIS_URL/],
    [{ ...url, REDIS_TLS: 'true' }, /^REDIS_TLS: .*redis:\/\/.*rediss:\/\//],
    [{ REDIS_URL: 'rediss://h', REDIS_TLS: 'false' }, /^REDIS_TLS: .*rediss:\/\//],
    [{ ...url, REDIS_TLS_CA: CA }, /^REDIS_TLS_CA: .*REDIS_TLS=true/],
    [{ REDIS_CLUSTER_NODES: 'a:1', REDIS_DB: '2' }, /^REDIS_DB: .*0 in a cluster/],
  ])('refuses what cannot be meant: %j', (env, expected) => {
    const faults = faultsOf(env);
    expect(faults).toEqual([expect.stringMatching(expected)]);
    expect(faults.join()).not.toContain('planted');
  });
});
