import { loadConfig, type Config } from '../../server/config.ts';

type External = Extract<Config['database'], { kind: 'external' }>;

/** What the server reads of a URL of the tests, as it is started with it. */
export function externalPostgres(url: string, env: Readonly<Record<string, string>> = {}): External {
  const loaded = loadConfig({ DATABASE_URL: url, DATABASE_SSL: 'false', ...env });
  if (!loaded.ok) throw new Error(loaded.faults.join('\n'));
  const { database } = loaded.config;
  if (database.kind !== 'external') throw new Error('It was given a URL');
  return database;
}
