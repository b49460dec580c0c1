/**
 * Once before all tests: an initialised and migrated data directory of the embedded Postgres, which tests copy. Making
 * one takes seconds, copying it a fraction. It is kept under node_modules/.cache until PGlite, its settings or the
 * migrations change.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { makeScratch } from './scratch.js';

const root = path.resolve(import.meta.dirname, '../..');
const cache = path.join(root, 'node_modules/.cache/tandem');
const WEEK_MS = 7 * 24 * 3_600_000;

export default async function setup() {
  const directory = path.join(cache, await digest());
  if (!(await exists(directory))) await make(directory);
  await makeScratch();
  // Read by copyDataDirectory: the processes of the tests inherit the environment of this one.
  process.env.TANDEM_TEST_DATA_DIRECTORY = directory;
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
