import { REDIS_PORT } from './redis-url.ts';
import type { Values } from './variables.ts';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** How Redis is reached. */
export interface RedisConfig {
  readonly topology:
    | ({ readonly kind: 'standalone' } & RedisAddress)
    | { readonly kind: 'sentinel'; readonly name: string; readonly sentinels: readonly RedisAddress[] }
    | { readonly kind: 'cluster'; readonly nodes: readonly RedisAddress[] };
  readonly username: string | null;
  readonly password: string | null;
  /** 0 in a cluster. */
  readonly database: number;
  /** Null: unencrypted. Certificates in PEM; null takes those that Node.js trusts. */
  readonly tls: { readonly ca: string | null } | null;
  /** Before every key and channel. */
  readonly keyPrefix: string;
}

/** Null when no address of Redis is set. The values have no faults, so one address at most is. */
export function toRedis(values: Values): RedisConfig | null {
  const topology = toTopology(values);
  if (topology === null) return null;
  const { REDIS_URL: url } = values;
  const isEncrypted = values.REDIS_TLS ?? url?.isEncrypted ?? false;
  return {
    topology,
    username: values.REDIS_USERNAME ?? url?.username ?? null,
    password: values.REDIS_PASSWORD ?? url?.password ?? null,
    database: values.REDIS_DB ?? url?.database ?? 0,
    tls: isEncrypted ? { ca: values.REDIS_TLS_CA } : null,
    keyPrefix: values.REDIS_KEY_PREFIX,
  };
}

function toTopology(values: Values): RedisConfig['topology'] | null {
  const { REDIS_URL: url, REDIS_HOST: host, REDIS_SENTINELS: sentinels, REDIS_CLUSTER_NODES: nodes } = values;
  if (url !== null) return { kind: 'standalone', host: url.host, port: url.port };
  if (host !== null) return { kind: 'standalone', host, port: values.REDIS_PORT ?? REDIS_PORT };
  if (nodes !== null) return { kind: 'cluster', nodes: nodes.map(toAddress) };
  if (sentinels === null || values.REDIS_SENTINEL_NAME === null) return null;
  return { kind: 'sentinel', name: values.REDIS_SENTINEL_NAME, sentinels: sentinels.map(toAddress) };
}

/** Of `host:port`, where an IPv6 address stands in brackets. */
function toAddress(node: string): RedisAddress {
  const colon = node.lastIndexOf(':');
  return { host: node.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(node.slice(colon + 1)) };
}
