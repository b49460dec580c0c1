import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { runScript } from '../../test/support/child-script.ts';
import { eventually } from '../../test/support/eventually.ts';
import { externalPostgres } from '../../test/support/external-postgres.ts';
import { startPostgres, type PostgresServer } from '../../test/support/postgres-server.ts';
import { MigrationError } from './migration-error.ts';
import { MIGRATIONS_DIRECTORY } from './migration-files.ts';
import { migrate, pendingMigrations } from './migrate.ts';
import { connectPostgres } from './postgres.ts';

/** Of the tests: a step that comes there waits for it. */
const GATE = 42;

describe('migrate, on a Postgres server', () => {
  let postgres: PostgresServer;
  let url: string;
  let directory: string;
  let client: pg.Client;

  beforeAll(async () => {
    postgres = await startPostgres();
  }, 60_000);
  afterAll(() => postgres.stop());
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tandem-migrations-'));
    url = await postgres.createDatabase();
    client = await connect();
  });
  afterEach(async () => {
    await client.end();
    await rm(directory, { recursive: true });
  });

  async function connect(to = url): Promise<pg.Client> {
    const connection = new pg.Client(connectPostgres(externalPostgres(to)).migrating);
    connection.on('error', () => {});
    await connection.connect();
    return connection;
  }

  async function add(step: number, sql: string): Promise<void> {
    const file = join(directory, `${20_000_000_000_000 + step}_step${step}.sql`);
    await writeFile(file, `-- oldest-code: 0.1.0\n${sql}\n`);
  }

  function run(to = url, migrations = directory) {
    return migrate(connectPostgres(externalPostgres(to)).migrating, migrations, '0.1.0');
  }

  async function tables(): Promise<string[]> {
    const { rows } = await client.query<{ name: string }>(
      "select table_name as name from information_schema.tables where table_schema = 'public' order by 1",
    );
    return rows.map(({ name }) => name);
  }

  /** Resolves when a step has come to the gate, which the test holds. */
  function atTheGate(): Promise<void> {
    return eventually(async () => {
      const { rowCount } = await client.query(
        "select 1 from pg_locks where locktype = 'advisory' and objid = $1 and not granted",
        [GATE],
      );
      expect(rowCount).toBe(1);
    });
  }

  it('does each step once when two processes start at the same time', async () => {
    await add(1, 'create table one (n int); insert into one values (1);');
    await add(2, `insert into one values (2); select pg_advisory_xact_lock(${GATE});`);
    await add(3, 'insert into one values (3);');
    await client.query('select pg_advisory_lock($1)', [GATE]);
    const runs = [1, 2].map(() => runScript('test/support/migrate-postgres-process.ts', url, directory));
    const applied = runs.map((child) => child.nextLine());
    await atTheGate();
    // The other one waits for the lock of the migrations, or is still on its way there.
    await client.query('select pg_advisory_unlock($1)', [GATE]);
    const names = (await Promise.all(applied)).flatMap((line) => JSON.parse(line) as string[]);
    expect(names.sort()).toEqual(['20000000000001_step1', '20000000000002_step2', '20000000000003_step3']);
    expect((await client.query('select n from one order by n')).rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect(await Promise.all(runs.map((child) => child.exit))).toEqual([0, 0]);
  });

  it.each(['the process', 'the server'] as const)(
    'is whole again after %s was killed within a step',
    async (victim) => {
      await add(1, 'create table one (n int);');
      await add(2, `create table two (n int); select pg_advisory_xact_lock(${GATE}); create table rest (n int);`);
      await client.query('select pg_advisory_lock($1)', [GATE]);
      const child = runScript('test/support/migrate-postgres-process.ts', url, directory);
      await atTheGate();
      if (victim === 'the process') {
        await child.kill();
        await client.query('select pg_advisory_unlock($1)', [GATE]);
      } else {
        await postgres.kill();
        expect(await child.exit).toBe(1);
        await postgres.restart();
        client = await connect();
      }
      expect(await run()).toEqual({ applied: ['20000000000002_step2'] });
      expect(await tables()).toEqual(['one', 'rest', 'tandem_migrations', 'two']);
    },
  );

  it('gives its own steps all the time that they need, whatever the role has for deadlines', async () => {
    await client.query(
      `do $$ begin execute format('alter database %I set statement_timeout = 50', current_database()); end $$`,
    );
    await add(1, 'select pg_sleep(0.2); create table one (n int);');
    expect(await run()).toEqual({ applied: ['20000000000001_step1'] });
  });

  it("takes this project's own migrations twice", async () => {
    const { applied } = await run(url, MIGRATIONS_DIRECTORY);
    expect(applied.length).toBeGreaterThan(1);
    const { rows } = await client.query('select id from deployment');
    expect(rows).toHaveLength(1);
    await client.query('drop table tandem_migrations');
    expect(await run(url, MIGRATIONS_DIRECTORY)).toEqual({ applied });
    expect((await client.query('select id from deployment')).rows).toEqual(rows);
  });

  it('says what a run would apply, or would refuse, and writes nothing', async () => {
    const { migrating } = connectPostgres(externalPostgres(url));
    const look = async (codeVersion = '0.1.0') =>
      (await pendingMigrations(migrating, directory, codeVersion)).map(({ name, oldestCode }) => [name, oldestCode]);
    await add(1, 'create table one (n int);');
    await add(2, 'create table two (n int);');
    expect(await look()).toEqual([
      ['step1', '0.1.0'],
      ['step2', '0.1.0'],
    ]);
    expect(await tables()).toEqual([]);
    await run();
    expect(await look()).toEqual([]);
    await add(3, 'create table three (n int);');
    expect(await look()).toEqual([['step3', '0.1.0']]);
    await expect(look('0.0.9')).rejects.toThrow(/needs version 0\.1\.0 .* this is version 0\.0\.9/);
    await add(2, 'create table other (n int);');
    await expect(look()).rejects.toThrow(/20000000000002_step2 was changed after it was applied/);
    expect(await tables()).toEqual(['one', 'tandem_migrations', 'two']);
  });

  it('tells a role without CREATE what it lacks, and leaves no half schema', async () => {
    await client.query("create role weak login password 'weak'");
    try {
      const weak = new URL(url);
      [weak.username, weak.password] = ['weak', 'weak'];
      const refusal: unknown = await run(weak.href, MIGRATIONS_DIRECTORY).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(MigrationError);
      expect(String(refusal)).toMatch(
        /permission denied for schema public\. Nothing was changed\. Grant it USAGE and CREATE/,
      );
      expect(await tables()).toEqual([]);
    } finally {
      await client.query('drop role weak');
    }
  });

  it('tells of a standby, and runs there when nothing is missing', async () => {
    await add(1, 'create table one (n int);');
    await run();
    const standby = await postgres.startStandby();
    try {
      const there = new URL(url);
      there.port = String(standby.port);
      expect(await run(there.href)).toEqual({ applied: [] });
      await add(2, 'create table two (n int);');
      await expect(run(there.href)).rejects.toThrow(/read-only .*lacks the migration 20000000000002_step2/);
      expect(await tables()).toEqual(['one', 'tandem_migrations']);
    } finally {
      await standby.stop();
    }
  });
});
