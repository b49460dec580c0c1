import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { externalPostgres } from '../../test/support/external-postgres.ts';
import { startPostgres, type PostgresServer } from '../../test/support/postgres-server.ts';
import { creation, messagesOnly, newMessage, newSeat, newSession } from '../../test/support/stored-session.ts';
import { MIGRATIONS_DIRECTORY } from './migration-files.ts';
import { migrate } from './migrate.ts';
import { createPool, type Pool } from './pool.ts';
import { connectPostgres } from './postgres.ts';
import { createSqlStore } from './sql-store.ts';

/** As a Supabase project has them, with what it grants on whatever comes into the schema. */
const SUPABASE = `
  create role anon nologin;
  create role authenticated nologin;
  create role service_role nologin bypassrls;
  grant usage on schema public to anon, authenticated, service_role;
  alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
  alter default privileges in schema public grant all on functions to anon, authenticated, service_role`;

describe('row level security', () => {
  let postgres: PostgresServer;
  let client: pg.Client;
  let pool: Pool;
  let tables: string[];

  beforeAll(async () => {
    postgres = await startPostgres();
    const { migrating } = connectPostgres(externalPostgres(await postgres.createDatabase()));
    client = new pg.Client(migrating);
    await client.connect();
    await client.query(SUPABASE);
    await migrate(migrating, MIGRATIONS_DIRECTORY, '999.0.0');
    pool = createPool(migrating, { max: 2 });
    const host = newSeat('host');
    const session = newSession({ seats: [host] });
    await createSqlStore(pool).commit({
      ...creation(session),
      messages: messagesOnly(newMessage(session, host, 1)).messages,
    });
    const { rows } = await client.query<{ name: string }>(
      "select table_name as name from information_schema.tables where table_schema = 'public' order by 1",
    );
    tables = rows.map(({ name }) => name);
  }, 60_000);
  afterAll(async () => {
    await client.end();
    await pool.end();
    await postgres.stop();
  });

  async function as<T>(role: string, run: () => Promise<T>): Promise<T> {
    await client.query(`set role ${role}`);
    try {
      return await run();
    } finally {
      await client.query('reset role');
    }
  }

  it('is on for every table, each with a policy', async () => {
    const { rows } = await client.query<{ name: string; on: boolean; policies: number }>(`
      select c.relname as name, c.relrowsecurity as on,
        (select count(*)::int from pg_policy p where p.polrelid = c.oid) as policies
      from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by 1`);
    expect(rows).toEqual(tables.map((name) => ({ name, on: true, policies: 1 })));
    expect(tables.length).toBeGreaterThanOrEqual(12);
  });

  it('leaves no function to whoever comes, nor to the path of whoever calls', async () => {
    const { rows } = await client.query<{ name: string; open: boolean; path: string | null }>(`
      select p.proname as name, has_function_privilege('anon', p.oid, 'execute')
          or has_function_privilege('authenticated', p.oid, 'execute') as open,
        (select s from unnest(p.proconfig) s where s like 'search_path=%') as path
      from pg_proc p where p.pronamespace = 'public'::regnamespace order by 1`);
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.filter(({ open, path }) => open || path !== 'search_path=public, pg_temp')).toEqual([]);
  });

  it.each(['anon', 'authenticated'])('keeps %s from everything', async (role) => {
    await as(role, async () => {
      for (const table of tables) {
        await expect(client.query(`select * from ${table}`)).rejects.toThrow(/permission denied/);
      }
      await expect(client.query("select commit_batch('{}')")).rejects.toThrow(/permission denied/);
    });
  });

  it.each(['anon', 'authenticated'])(
    'shows %s nothing and takes nothing, also when all is granted again',
    async (role) => {
      await client.query(`begin; grant all on all tables in schema public to ${role}`);
      await client.query(`grant execute on all functions in schema public to ${role}`);
      try {
        await as(role, async () => {
          for (const table of tables) {
            expect([table, (await client.query(`select * from ${table}`)).rows]).toEqual([table, []]);
            expect([table, (await client.query(`delete from ${table}`)).rowCount]).toEqual([table, 0]);
          }
          await client.query('savepoint before');
          const token = JSON.stringify([{ kind: 'token', subject: randomUUID(), expires_at: 1 }]);
          await expect(client.query('select revoke_tokens($1)', [token])).rejects.toThrow(/row-level security/);
          await client.query('rollback to savepoint before');
        });
      } finally {
        await client.query('rollback');
      }
    },
  );

  it('gives service_role all that a server does', async () => {
    const session = newSession();
    await as('service_role', async () => {
      expect((await client.query('select * from sessions')).rows).toHaveLength(1);
      const asked: [string, unknown[]][] = [];
      const store = createSqlStore({
        query: async (statement, values) => {
          asked.push([statement.text, [...values]]);
          return (await client.query(statement.text, [...values])).rows as never[];
        },
        end: () => Promise.resolve(),
      });
      await store.commit(creation(session));
      expect((await store.listSessions(null, { cursor: null, limit: 10 }, 0)).items).toHaveLength(2);
      expect(await store.expire({ olderThan: 0, keepNewest: 1, now: 0, atMost: 1 })).not.toBeNull();
      expect(asked).toHaveLength(3);
    });
  });

  it('lets a role go on that could write before, on a Postgres that knows no Supabase', async () => {
    const other = await startPostgres();
    const { migrating } = connectPostgres(externalPostgres(await other.createDatabase()));
    const owner = new pg.Client(migrating);
    await owner.connect();
    try {
      for (const name of (await readdir(MIGRATIONS_DIRECTORY)).sort()) {
        // What an earlier version had, when the operator granted it.
        if (name.startsWith('20261121000300')) {
          await owner.query('create role server login; grant usage on schema public to server');
          await owner.query('grant select, insert, update, delete on all tables in schema public to server');
        }
        await owner.query(await readFile(join(MIGRATIONS_DIRECTORY, name), 'utf8'));
      }
      await owner.query('set role server');
      const session = newSession();
      const store = createSqlStore({
        query: async (statement, values) => (await owner.query(statement.text, [...values])).rows as never[],
        end: () => Promise.resolve(),
      });
      await store.commit(creation(session));
      expect((await store.sessionEvents(session.id, { cursor: null, limit: 10 })).items).toHaveLength(2);
      expect(await store.expire({ olderThan: 0, keepNewest: 1, now: 0, atMost: 1 })).not.toBeNull();
      await owner.query('reset role');
      const { rows } = await owner.query(
        "select has_function_privilege('public', 'commit_batch(json)', 'execute') as open",
      );
      expect(rows).toEqual([{ open: false }]);
    } finally {
      await owner.end();
      await other.stop();
    }
  }, 60_000);
});
