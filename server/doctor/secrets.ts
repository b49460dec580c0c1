import type { Config } from '../config.ts';

/** Shorter ones are in too many words to be replaced everywhere, and no check shows them. */
const SHORTEST = 4;

/**
 * Replaces every secret of the configuration by `***`, wherever it stands in a text. No check means to show one; what a
 * library or a server says of a failure is not ours to know.
 */
export function createMask(config: Config): (text: string) => string {
  const secrets = secretsOf(config)
    .flatMap((secret) => [secret, encodeURIComponent(secret)])
    .filter(({ length }) => length >= SHORTEST)
    // The whole before a part of it.
    .sort((one, other) => other.length - one.length);
  return (text) => secrets.reduce((masked, secret) => masked.replaceAll(secret, '***'), text);
}

function secretsOf(config: Config): string[] {
  const { auth, adminToken, metricsToken, webhookSecret, database, redis, mail, apiKeys, tracing } = config;
  const secrets = [...auth.jwtSecrets, adminToken, metricsToken, webhookSecret, redis?.password];
  secrets.push(mail.url, passwordOf(mail.url), ...Object.values(tracing?.headers ?? {}));
  secrets.push(...apiKeys.map(({ sha256 }) => sha256));
  if (database.kind === 'external') secrets.push(database.password);
  if (database.kind === 'supabase') secrets.push(database.serviceRoleKey);
  return secrets.filter((secret) => typeof secret === 'string');
}

function passwordOf(url: string | null): string | null {
  return url === null ? null : decodeURIComponent(new URL(url).password);
}
