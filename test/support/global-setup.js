/**
 * Once before all tests: an initialised and migrated data directory of the embedded Postgres, which tests copy. Making
 * one takes seconds, copying it a fraction. It is kept under node_modules/.cache until PGlite, its settings or the
 * migrations change.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const root = path.resolve(import.meta.dirname, '../..');
const cache = path.join(root, 'node_modules/.cache/tandem');
const WEEK_MS = 7 * 24 * 3_600_000;

export default async function setup() {
  const directory = path.join(cache, await digest());
  if (!(await exists(directory))) await make(directory);
  // Read by copyDataDirectory: the processes of the tests inherit the environment of this one.
  process.env.TANDEM_TEST_DATA_DIRECTORY = directory;
  // Read by sharedStores.
  if (process.env.TEST_STATE === 'redis') process.env.TANDEM_TEST_STORES = await startStores();
}

/** Where Redis and Postgres of this run are: those of `TEST_REDIS_URL` and `TEST_DATABASE_URL`, or else started for it. */
async function startStores() {
  const { TEST_REDIS_URL: redis = '', TEST_DATABASE_URL: database = '' } = process.env;
  if (redis !== '' && database !== '') return JSON.stringify({ redis, database });
  const script = path.join(import.meta.dirname, 'run-stores.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  if (child.exitCode !== null) throw new Error('Redis and Postgres for the tests did not start');
  // It ends when its input does, with this process: nobody waits for it.
  child.unref();
  for (const pipe of [child.stdin, child.stdout]) /** @type {import('node:net').Socket} */ (/** @type {unknown} */ (pipe)).unref();
  return String(line);
}

async function digest() {
  const hash = createHash('sha256');
  const migrations = path.join(root, 'migrations');
  const files = [
    path.join(root, 'node_modules/@electric-sql/pglite/package.json'),
    path.join(root, 'server/durable/embedded-worker.js'),
    ...(await readdir(migrations)).sort().map((name) => path.join(migrations, name)),
  ];
  for (const file of files) hash.update(path.basename(file)).update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

/**
 * Made beside its place and moved there whole, because another test run may be doing the same.
 * @param {string} directory
 */
async function make(directory) {
  await mkdir(cache, { recursive: true });
  const unfinished = await mkdtemp(path.join(cache, 'unfinished-'));
  try {
    const script = path.join(import.meta.dirname, 'make-data-directory.ts');
    await promisify(execFile)(process.execPath, ['--import', 'tsx', script, unfinished], { cwd: root });
    await rename(unfinished, directory);
    await removeOld();
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!(await exists(directory))) throw error;
  }
}

/** Those of other versions of the migrations that nobody made anew for a week. */
async function removeOld() {
  for (const name of await readdir(cache)) {
    const old = path.join(cache, name);
    const { mtimeMs } = await stat(old);
    if (Date.now() - mtimeMs > WEEK_MS) await rm(old, { recursive: true, force: true });
  }
}

/** @param {string} directory */
async function exists(directory) {
  return access(directory).then(
    () => true,
    () => false,
  );
}
