import type { Config } from '../config.ts';

/** Fields whose values let somebody in: only whether they are set is told. */
const SECRET = /secret|token(?!Ttl)|password|keys?$|^url$|serviceRoleKey|sslCa|tlsCa/i;
const NOT_SECRET: ReadonlySet<string> = new Set(['publicUrl', 'keyPrefix']);

/** The configuration for operators' eyes: addresses stay, whatever lets somebody in does not. */
export function reportConfig(config: Config): Record<string, unknown> {
  return masked(config) as Record<string, unknown>;
}

function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, isSecret(name) ? stateOf(inner) : masked(inner)]),
  );
}

function isSecret(name: string): boolean {
  return SECRET.test(name) && !NOT_SECRET.has(name);
}

function stateOf(value: unknown): string {
  const isUnset = value === null || value === '' || (Array.isArray(value) && value.length === 0);
  return isUnset ? 'not set' : 'set, not shown';
}
