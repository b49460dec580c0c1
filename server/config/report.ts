import type { Config } from '../config.ts';

/**
 * Text that may be shown, by where it stands in the configuration; entries of lists and of tables by names count as `*`.
 * Whatever is not named here is told to be set and no more: a secret that is added later is hidden without anybody having
 * thought of it. Numbers and switches let nobody in.
 */
const SHOWN: ReadonlySet<string> = new Set([
  'nodeEnv',
  'host',
  'publicUrl',
  'trustProxy.kind',
  'trustProxy.networks.*',
  'corsOrigins',
  'corsOrigins.*',
  'socketTransports.*',
  'dataDir',
  'durability',
  'rateLimitFailPolicy',
  'limits.*.name',
  'limits.*.scope',
  'auth.issuer',
  'auth.audience',
  'database.kind',
  'database.host',
  'database.user',
  'database.database',
  'database.applicationName',
  'database.tls',
  'redis.topology.kind',
  'redis.topology.host',
  'redis.topology.name',
  'redis.topology.nodes.*.host',
  'redis.topology.sentinels.*.host',
  'redis.username',
  'redis.keyPrefix',
  'apiKeys.*.name',
  'tracing.serviceName',
  'log.level',
  'log.dir',
  'log.format',
]);

/** URLs, of which only the way is shown: before a host there may be a password, and after a path a key. */
const WAYS: ReadonlySet<string> = new Set(['auth.jwksUrl', 'auth.supabaseUrl', 'database.url', 'tracing.endpoint']);

/** Tables whose names are data. */
const TABLES: ReadonlySet<string> = new Set(['limits']);

/** The configuration for operators' eyes: addresses stay, whatever lets somebody in does not. */
export function reportConfig(config: Config): Record<string, unknown> {
  return masked(config, '') as Record<string, unknown>;
}

function masked(value: unknown, path: string): unknown {
  if (typeof value === 'string') return textOf(value, path);
  if (Array.isArray(value)) return value.map((entry) => masked(entry, `${path}.*`));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]) => [name, masked(inner, pathTo(path, name))]);
  return Object.fromEntries(entries);
}

function pathTo(path: string, name: string): string {
  if (TABLES.has(path)) return `${path}.*`;
  return path === '' ? name : `${path}.${name}`;
}

function textOf(text: string, path: string): string {
  if (SHOWN.has(path)) return text;
  if (WAYS.has(path) && URL.canParse(text)) {
    const { origin, pathname } = new URL(text);
    return origin + pathname;
  }
  return text === '' ? 'not set' : 'set, not shown';
}
