import type { RedisOptions } from '../../server/state/redis/client.ts';

/** Of a server of the bench: alone, open, unencrypted. */
export function redisOptions(url: string): RedisOptions {
  const { hostname, port } = new URL(url);
  return {
    topology: { kind: 'standalone', host: hostname, port: Number(port) },
    username: null,
    password: null,
    database: 0,
    tls: null,
  };
}
