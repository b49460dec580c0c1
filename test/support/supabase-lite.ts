/**
 * A Supabase project for tests: `@supabase/lite` over its PGlite, a process of its own on a free port, with our
 * migrations applied as `supabase db push` does. It is no dependency: npm fetches it once, and it is kept with a
 * migrated database under node_modules/.cache until its version or the migrations change.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { access, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify, stripVTControlCharacters } from 'node:util';
import { MIGRATIONS_DIRECTORY } from '../../server/durable/migration-files.ts';
import { within } from './deadline.ts';
import { guardDirectory, guardProcess } from './process-guard.ts';

const VERSION = '0.10.0';
const INSTALL_MS = 120_000;
const START_MS = 30_000;
const WEEK_MS = 7 * 24 * 3_600_000;
const CACHE = path.resolve(import.meta.dirname, '../../node_modules/.cache/tandem-supabase-lite');
/** It tells its makers which commands are run, unless it is told not to. */
const ENVIRONMENT = { ...process.env, LITE_TELEMETRY: '0', DO_NOT_TRACK: '1', NO_COLOR: '1', CI: '' };
const run = promisify(execFile);

export interface SupabaseLite {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly secretKey: string;
  readonly publishableKey: string;
  /** Ends the process and removes its database. May be called twice. */
  stop(): Promise<void>;
}

/** Rejects, and never skips, when it can't be had: npm says why. */
export async function startSupabaseLite({ migrations = MIGRATIONS_DIRECTORY } = {}): Promise<SupabaseLite> {
  const program = await installed();
  const template = await migrated(program, migrations);
  const directory = await mkdtemp(path.join(tmpdir(), 'tandem-supabase-'));
  guardDirectory(directory);
  await cp(template, directory, { recursive: true });
  const port = await freePort();
  await writeFile(path.join(directory, 'supabase/config.toml'), configOf(port));
  const child = spawn(process.execPath, [program, 'start', '--no-admin'], { cwd: directory, env: ENVIRONMENT });
  guardProcess(child);
  try {
    await within(START_MS, () => 'the start of Supabase lite', ready(child));
    await firstAnswer(port);
  } catch (error) {
    await end(child, directory);
    throw error;
  }
  return {
    url: `http://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    secretKey: SECRET_KEY,
    publishableKey: PUBLISHABLE_KEY,
    stop: () => end(child, directory),
  };
}

const SECRET_KEY = 'sb_secret_ZWVJPoUBhFxf_GfWcXewFQ_MB2Xg0aT';
const PUBLISHABLE_KEY = 'sb_publishable_W6n9gi3BFH44fxyjzX9SHz_J74vetnT';

function configOf(port: number): string {
  return `
[api]
port = ${port}
[db]
driver = "pglite"
url = "supabase/.temp/data"
[auth]
enabled = true
jwt_secret = "of these tests, which sign nothing with it 7f3a9c"
publishable_key = "${PUBLISHABLE_KEY}"
secret_key = "${SECRET_KEY}"
`;
}

/** As every project has them from its beginning; those made before May 2026 gave them all that came later. */
const ROLES = `
create role anon nologin;
create role authenticated nologin;
create role service_role nologin bypassrls;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
`;
const ROLES_FILE = '20200101000000_roles.sql';

async function installed(): Promise<string> {
  const directory = await kept(`lite-${VERSION}`, async (unfinished) => {
    const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const where = ['--prefix', unfinished, `@supabase/lite@${VERSION}`];
    await run('npm', ['install', ...options, ...where], { timeout: INSTALL_MS, shell: process.platform === 'win32' });
  });
  return path.join(directory, 'node_modules/@supabase/lite/dist/cli/index.js');
}

/** A directory of a project, its database made and migrated: that takes ten times as long as a start. */
async function migrated(program: string, migrations: string): Promise<string> {
  const names = (await readdir(migrations)).filter((name) => name.endsWith('.sql')).sort();
  const hash = createHash('sha256').update(VERSION).update(ROLES);
  for (const name of names) hash.update(name).update(await readFile(path.join(migrations, name)));
  return kept(`project-${hash.digest('hex').slice(0, 16)}`, async (unfinished) => {
    const target = path.join(unfinished, 'supabase/migrations');
    await mkdir(target, { recursive: true });
    for (const name of names) await cp(path.join(migrations, name), path.join(target, name));
    await writeFile(path.join(target, ROLES_FILE), ROLES);
    await writeFile(path.join(unfinished, 'supabase/config.toml'), configOf(0));
    const command = [program, 'migration', 'up'];
    const { stdout, stderr } = await run(process.execPath, command, { cwd: unfinished, env: ENVIRONMENT });
    // Where CI is set it colours its words, terminal or not.
    const said = stripVTControlCharacters(stdout);
    const applied = names.filter((name) => said.includes(`Applied ${name}`));
    if (applied.length !== names.length) throw new Error(`Not all migrations were applied: ${stdout}\n${stderr}`);
  });
}

/** Makes a directory of the cache beside its place and moves it there whole: another test may be doing the same. */
async function kept(name: string, make: (unfinished: string) => Promise<void>): Promise<string> {
  const directory = path.join(CACHE, name);
  if (await exists(directory)) return directory;
  await mkdir(CACHE, { recursive: true });
  const unfinished = await mkdtemp(path.join(CACHE, 'unfinished-'));
  try {
    await make(unfinished);
    await rename(unfinished, directory);
    await removeOld();
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (await exists(directory)) return directory;
    throw new Error(`Supabase lite ${VERSION} can't be had, and these tests need it (${name})`, { cause: error });
  }
  return directory;
}

/** Databases of other versions of the migrations, from a week ago. */
async function removeOld(): Promise<void> {
  for (const name of await readdir(CACHE)) {
    if (name.startsWith('lite-')) continue;
    const old = path.join(CACHE, name);
    const { mtimeMs } = await stat(old);
    if (Date.now() - mtimeMs > WEEK_MS) await rm(old, { recursive: true, force: true });
  }
}

function exists(directory: string): Promise<boolean> {
  return access(directory).then(
    () => true,
    () => false,
  );
}

async function ready(child: ChildProcess): Promise<void> {
  const said: string[] = [];
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('It was started with pipes');
  stderr.on('data', (text: Buffer) => said.push(text.toString()));
  for await (const line of createInterface({ input: stdout })) {
    said.push(line);
    if (!line.startsWith('Ready in')) continue;
    // What it says later is nobody's, and must not fill the pipe.
    stdout.resume();
    return;
  }
  throw new Error(`Supabase lite ended before it was ready: ${said.join('\n')}`);
}

/** It looks at its whole schema when it is asked for the first time, which takes longer than a server waits. */
async function firstAnswer(port: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/rest/v1/rpc/tandem_identity`, {
    method: 'POST',
    headers: { apikey: SECRET_KEY, 'content-type': 'application/json' },
    body: '{}',
    signal: AbortSignal.timeout(START_MS),
  });
  // A schema of a test may be without it.
  if (!response.ok && response.status !== 404) throw new Error(`Supabase lite answers ${await response.text()}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function end(child: ChildProcess, directory: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  await rm(directory, { recursive: true, force: true });
}
