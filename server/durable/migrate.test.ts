import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { runScript } from '../../test/support/child-script.ts';
import { copyDataDirectory, type DataDirectory } from '../../test/support/data-directory.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded.ts';
import { MigrationError } from './migration-error.ts';
import { MIGRATIONS_DIRECTORY } from './migration-files.ts';
import { migrate } from './migrate.ts';

describe('migrate', () => {
  let data: DataDirectory;
  let postgres: EmbeddedPostgres;
  let client: pg.Client;
  /** Migrations of a test. */
  let directory: string;

  beforeAll(async () => {
    data = await copyDataDirectory();
    await start();
  });
  afterAll(async () => {
    await stop();
    await data.remove();
  });
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tandem-migrations-'));
  });
  afterEach(async () => {
    await client.query('drop schema public cascade; create schema public');
    await rm(directory, { recursive: true });
  });

  async function start(): Promise<void> {
    postgres = await startEmbeddedPostgres({ dataDir: data.dir, onEvent: () => {} });
    client = new pg.Client(postgres.connection);
    await client.connect();
    await client.query('drop schema public cascade; create schema public');
  }

  async function stop(): Promise<void> {
    await client.end();
    await postgres.stop();
  }

  /** A migration that makes a table of its name. */
  async function add(version: number, name: string, sql = `create table ${name} (n int);`, oldestCode = '0.1.0') {
    await writeFile(fileOf(version, name), `-- oldest-code: ${oldestCode}\n${sql}\n`);
  }

  function fileOf(version: number, name: string): string {
    return join(directory, `${20_000_000_000_000 + version}_${name}.sql`);
  }

  function run(codeVersion = '0.1.0') {
    return migrate(postgres.connection, directory, codeVersion);
  }

  async function tables(): Promise<string[]> {
    const { rows } = await client.query<{ name: string }>(
      "select table_name as name from information_schema.tables where table_schema = 'public' order by 1",
    );
    return rows.map(({ name }) => name);
  }

  it('applies what is missing, in order, once', async () => {
    await add(1, 'one');
    await add(3, 'three', 'alter table two add m int;');
    await add(2, 'two');
    expect(await run()).toEqual({ applied: ['20000000000001_one', '20000000000002_two', '20000000000003_three'] });
    expect(await tables()).toEqual(['one', 'tandem_migrations', 'two']);
    expect(await run()).toEqual({ applied: [] });
    await add(4, 'four');
    expect(await run()).toEqual({ applied: ['20000000000004_four'] });
    const { rows } = await client.query('select version, name, oldest_code from tandem_migrations order by version');
    expect(rows[3]).toEqual({ version: '20000000000004', name: 'four', oldest_code: '0.1.0' });
  });

  it('runs once when two start at the same time', async () => {
    await add(1, 'one', 'create table one (n int); insert into one values (1);');
    await add(2, 'two', 'insert into one values (2);');
    const runs = await Promise.all([run(), run(), run()]);
    expect(runs.flatMap(({ applied }) => applied).sort()).toEqual(['20000000000001_one', '20000000000002_two']);
    expect((await client.query('select n from one order by n')).rows).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('rolls a step back that fails, and keeps those before it', async () => {
    await add(1, 'one');
    await add(2, 'two', 'create table two (n int); select no_such_function();');
    await expect(run()).rejects.toThrow(/20000000000002_two failed, and was rolled back: .*no_such_function/);
    expect(await tables()).toEqual(['one', 'tandem_migrations']);
    await add(2, 'two');
    expect(await run()).toEqual({ applied: ['20000000000002_two'] });
  });

  it('refuses code that is older than the database allows, naming both', async () => {
    await add(1, 'one');
    await add(2, 'two', 'create table two (n int);', '0.3.0');
    await run('0.10.0');
    await rm(fileOf(2, 'two'));
    await expect(run('0.2.9')).rejects.toThrow(/needs version 0\.3\.0 .* this is version 0\.2\.9/);
    expect(await run('0.3.0')).toEqual({ applied: [] });
  });

  it('lets code run that does not know the newest migration, when that one allows it', async () => {
    await add(1, 'one');
    await add(2, 'two', 'create table two (n int);', '0.1.0');
    await run('0.2.0');
    await rm(fileOf(2, 'two'));
    expect(await run('0.1.0')).toEqual({ applied: [] });
  });

  it('refuses a file that was changed after it was applied; line ends alone are no change', async () => {
    await add(1, 'one');
    await run();
    const text = await readFile(fileOf(1, 'one'), 'utf8');
    await writeFile(fileOf(1, 'one'), text.replaceAll('\n', '\r\n'));
    expect(await run()).toEqual({ applied: [] });
    await writeFile(fileOf(1, 'one'), `${text}-- a remark\n`);
    await expect(run()).rejects.toThrow(/20000000000001_one was changed after it was applied/);
  });

  it('refuses a new file that comes before one that was applied', async () => {
    await add(2, 'two');
    await run();
    await add(1, 'one');
    await expect(run()).rejects.toThrow(/20000000000001_one was never applied/);
    expect(await tables()).not.toContain('one');
  });

  it.each([
    ['CREATE', 'grant usage on schema public to weak'],
    ['USAGE', 'select 1'],
  ])('tells a role without %s what it lacks, and changes nothing', async (_privilege, grant) => {
    await add(1, 'one');
    // The session of the embedded Postgres is one, so a role that is set here holds for the migration too.
    await client.query(`create role weak; ${grant}; set role weak`);
    try {
      const refusal: unknown = await run().catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(MigrationError);
      expect(String(refusal)).toMatch(
        /may not apply the migration 20000000000001_one: .* Nothing was changed\. Grant .*CREATE/,
      );
    } finally {
      await client.query('reset role; drop owned by weak; drop role weak');
    }
    expect(await tables()).toEqual([]);
    expect(await run()).toEqual({ applied: ['20000000000001_one'] });
  });

  it('tells that the database is read-only', async () => {
    await add(1, 'one');
    await client.query('set default_transaction_read_only = on');
    try {
      await expect(run()).rejects.toThrow(/read-only .*20000000000001_one/);
    } finally {
      await client.query('reset default_transaction_read_only');
    }
  });

  it.each([
    ['a name without a version', 'sessions.sql', '-- oldest-code: 0.1.0\n', /must be named/],
    ['a name with other characters', '20261121000000_A-b.sql', '-- oldest-code: 0.1.0\n', /must be named/],
    ['no oldest code', '20261121000000_a.sql', 'select 1;\n', /must begin with/],
    ['an oldest code that is no version', '20261121000000_a.sql', '-- oldest-code: now\n', /must begin with/],
  ])('refuses a file with %s', async (_name, file, text, message) => {
    await writeFile(join(directory, file), text);
    await expect(run()).rejects.toThrow(message);
    expect(await tables()).toEqual([]);
  });

  it('refuses two files of one version', async () => {
    await add(1, 'one');
    await add(1, 'other');
    await expect(run()).rejects.toThrow(/Two migrations have the version 20000000000001: one and other/);
  });

  it("takes this project's own migrations twice: each is safe to apply to its own result", async () => {
    for (const name of await readdir(MIGRATIONS_DIRECTORY)) {
      await copyFile(join(MIGRATIONS_DIRECTORY, name), join(directory, name));
    }
    const { applied } = await run('999.0.0');
    expect(applied.length).toBeGreaterThan(0);
    await client.query('drop table tandem_migrations');
    expect(await run('999.0.0')).toEqual({ applied });
  });

  it('ends clean when it is killed midway, and goes on where it was', async () => {
    // Slow steps that write: most of the time of the run is spent within one.
    for (let step = 1; step <= 4; step += 1) {
      const rows = `insert into step${step} select g from generate_series(1, 60000) g;`;
      await add(step, `step${step}`, `create table step${step} (n int primary key); ${rows}`);
    }
    await stop();
    const lastSteps: number[] = [];
    for (let kill = 0; kill < 3; kill += 1) {
      const child = runScript('test/support/migrate-process.ts', data.dir, directory);
      expect(await child.nextLine()).toBe('migrating');
      // Some way into it, another each time: no test can be told of the middle of a step.
      await new Promise((resolve) => setTimeout(resolve, 40 + 110 * kill));
      await child.kill();
      postgres = await startEmbeddedPostgres({ dataDir: data.dir, onEvent: () => {} });
      client = new pg.Client(postgres.connection);
      await client.connect();
      lastSteps.push(await wholeSteps());
      await stop();
    }
    postgres = await startEmbeddedPostgres({ dataDir: data.dir, onEvent: () => {} });
    client = new pg.Client(postgres.connection);
    await client.connect();
    await run();
    expect(await wholeSteps()).toBe(4);
    expect(lastSteps).toEqual([...lastSteps].sort());
  }, 60_000);

  /** How many steps are there; each whole and in the ledger, or neither. */
  async function wholeSteps(): Promise<number> {
    const steps = (await tables()).filter((name) => name.startsWith('step'));
    if (steps.length === 0) return 0;
    const { rows: ledger } = await client.query<{ name: string }>(
      'select name from tandem_migrations order by version',
    );
    expect(ledger.map(({ name }) => name)).toEqual(steps);
    for (const step of steps) {
      expect((await client.query(`select count(*)::int as count from ${step}`)).rows).toEqual([{ count: 60_000 }]);
    }
    return steps.length;
  }
});
