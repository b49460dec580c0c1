import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Environment } from './environment.ts';
import { guardDirectory } from './process-guard.ts';

interface Stores {
  readonly redis: string;
  /** Of a role that may make databases. */
  readonly database: string;
}

const RUN = path.join(import.meta.dirname, 'run-stores.ts');
const CREATE = path.join(import.meta.dirname, 'create-database.js');
const known = new Map<string, Environment>();
const stores = process.env['TEST_STATE'] === 'redis' ? await findStores() : null;

/**
 * With `TEST_STATE=redis` every server of a test runs over Redis and Postgres, unless the test itself says where it runs:
 * what makes the environment of a server with this data directory. One that is started again on the same directory finds
 * again what it had.
 */
export function sharedStores(dataDir: string, own: Environment): Environment {
  if (stores === null || Object.keys(own).some((name) => /^(REDIS|DATABASE|SUPABASE)_/.test(name))) return {};
  let environment = known.get(dataDir);
  if (environment === undefined) {
    const name = `tandem_test_${randomBytes(8).toString('hex')}`;
    execFileSync(process.execPath, [CREATE, stores.database, name]);
    const url = new URL(stores.database);
    url.pathname = `/${name}`;
    environment = { REDIS_URL: stores.redis, REDIS_KEY_PREFIX: name, DATABASE_URL: url.href, DATABASE_SSL: 'false' };
    known.set(dataDir, environment);
  }
  return environment;
}

/** Those of `TEST_REDIS_URL` and `TEST_DATABASE_URL`, or else started, once for all test files of this process. */
async function findStores(): Promise<Stores> {
  const { TEST_REDIS_URL: redis = '', TEST_DATABASE_URL: database = '' } = process.env;
  if (redis !== '' && database !== '') return { redis, database };
  // Each test file has a memory of its own.
  const directory = path.join(tmpdir(), `tandem-test-stores-${process.pid}`);
  const file = path.join(directory, 'stores.json');
  let said = await readFile(file, 'utf8').catch(() => null);
  if (said === null) {
    said = await start();
    await mkdir(directory, { recursive: true });
    guardDirectory(directory);
    await writeFile(file, said);
  }
  return JSON.parse(said) as Stores; // Said by run-stores.ts.
}

async function start(): Promise<string> {
  const child = spawn(process.execPath, ['--import', 'tsx', RUN], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(() => null);
  const said = await Promise.race([once(child.stdout, 'data'), ended]);
  if (said === null) throw new Error('Redis and Postgres for the tests did not start');
  // It ends when its input does, with this process: nobody waits for it.
  child.unref();
  for (const pipe of [child.stdin, child.stdout]) (pipe as unknown as { unref?: () => void }).unref?.();
  return String(said[0]);
}
