import type { Config } from '../config.ts';

/** Every secret of the configuration, and the parts of those that a service may repeat without the rest. */
export function secretValues(config: Config): string[] {
  const { auth, adminToken, metricsToken, webhookSecret, database, redis, mail, apiKeys, tracing } = config;
  const secrets = [...auth.jwtSecrets, adminToken, metricsToken, webhookSecret, redis?.password];
  secrets.push(mail.url, passwordOf(mail.url));
  // `Bearer` and the key, and the key.
  secrets.push(
    ...Object.values(tracing?.headers ?? {}).flatMap((value) => [value, value.slice(value.indexOf(' ') + 1)]),
  );
  secrets.push(...apiKeys.map(({ sha256 }) => sha256));
  if (database.kind === 'external') secrets.push(database.password);
  if (database.kind === 'supabase') secrets.push(database.serviceRoleKey);
  return secrets.filter((secret) => typeof secret === 'string');
}

function passwordOf(url: string | null): string | null {
  return url === null ? null : decodeURIComponent(new URL(url).password);
}
