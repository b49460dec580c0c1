import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { Environment } from './environment.ts';

const CREATE = path.join(import.meta.dirname, 'create-database.js');
const known = new Map<string, Environment>();

/**
 * With `TEST_STATE=redis` every server of a test runs over Redis and Postgres, unless the test itself says where it runs:
 * what makes the environment of a server with this data directory. One that is started again on the same directory finds
 * again what it had.
 */
export function sharedStores(dataDir: string, own: Environment): Environment {
  const stores = process.env['TANDEM_TEST_STORES'];
  if (stores === undefined || Object.keys(own).some((name) => /^(REDIS|DATABASE|SUPABASE)_/.test(name))) return {};
  let environment = known.get(dataDir);
  if (environment === undefined) {
    const { redis, database } = JSON.parse(stores) as { redis: string; database: string }; // Said by run-stores.ts.
    const name = `tandem_test_${randomBytes(8).toString('hex')}`;
    execFileSync(process.execPath, [CREATE, database, name]);
    const url = new URL(database);
    url.pathname = `/${name}`;
    environment = { REDIS_URL: redis, REDIS_KEY_PREFIX: name, DATABASE_URL: url.href, DATABASE_SSL: 'false' };
    known.set(dataDir, environment);
  }
  return environment;
}
