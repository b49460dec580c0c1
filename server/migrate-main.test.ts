import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { administer } from '../test/support/fresh-database.ts';
import { startPostgres, type PostgresServer } from '../test/support/postgres-server.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const MIGRATIONS = path.join(ROOT, 'migrations');

let postgres: PostgresServer;

beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(() => postgres.stop());

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(env: Readonly<Record<string, string>>, ...parameters: string[]): Promise<Run> {
  // In a directory without a file .env.
  const command = ['--import', path.join(ROOT, 'node_modules/tsx/dist/esm/index.mjs')];
  const child = execFile(process.execPath, [...command, path.join(ROOT, 'server/migrate-main.ts'), ...parameters], {
    cwd: tmpdir(),
    env: { ...process.env, DATABASE_SSL: 'false', ...env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (text: string) => (stdout += text));
  child.stderr?.on('data', (text: string) => (stderr += text));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

const namesOf = async () =>
  (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql')).map((name) => name.slice(0, -'.sql'.length));

it('--dry-run names what is missing, changes nothing, and refuses what a run refuses', async () => {
  const env = { DATABASE_URL: await postgres.createDatabase() };
  const dry = await run(env, '--dry-run');
  expect(dry).toMatchObject({ code: 0, stderr: '' });
  const lines = (await namesOf()).sort().map((name) => `Would apply ${name} (oldest code: 0.1.0)`);
  expect(dry.stdout.trim().split('\n').slice(0, -1)).toEqual(lines);
  expect(dry.stdout).toMatch(new RegExp(`Nothing was changed\\. To apply: ${lines.length}\\.\n$`));

  // Had the dry run left anything behind, not all would be applied now. As npm passes the option without its "--".
  expect((await run({ ...env, npm_config_dry_run: 'true' })).stdout).toBe(dry.stdout);
  const real = await run(env);
  expect(real.code).toBe(0);
  expect(real.stdout.match(/^Applied /gm)).toHaveLength(lines.length);
  expect(await run(env, '--dry-run')).toEqual({ code: 0, stdout: 'The database is up to date.\n', stderr: '' });

  await administer(env.DATABASE_URL, "update tandem_migrations set oldest_code = '999.0.0' where name = 'indexes'");
  const refused = await Promise.all([run(env, '--dry-run'), run(env)]);
  expect(refused[0]).toEqual(refused[1]);
  expect(refused[0]).toMatchObject({ code: 1, stdout: '' });
  expect(refused[0].stderr).toMatch(/_indexes, which needs version 999\.0\.0 of the code/);
});

it('--dry-run makes no database where there is none yet', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'tandem-dry-run-'));
  try {
    const { code, stdout } = await run({ DATA_DIR: path.join(directory, 'data') }, '--dry-run');
    expect(code).toBe(0);
    expect(stdout.match(/^Would apply /gm)).toHaveLength((await namesOf()).length);
    expect(await readdir(directory)).toEqual([]);
  } finally {
    await rm(directory, { recursive: true });
  }
});

it('an argument that is not known is no run, and a fault of the configuration stays one', async () => {
  const env = { DATABASE_URL: postgres.url };
  const [unknown, faulty] = await Promise.all([run(env, '--dryrun'), run({ ...env, PORT: 'abc' }, '--dry-run')]);
  expect(unknown).toMatchObject({ code: 1, stdout: '' });
  expect(unknown.stderr).toMatch(/^Unknown argument --dryrun: expected none, or --dry-run/);
  expect(faulty).toMatchObject({ code: 78, stdout: '' });
});
