import pg from 'pg';
import type { Connection } from '../../server/durable/connection.ts';
import { migrate } from '../../server/durable/migrate.ts';
import { MIGRATIONS_DIRECTORY } from '../../server/durable/migration-files.ts';
import { createPool } from '../../server/durable/pool.ts';
import { connectPostgres } from '../../server/durable/postgres.ts';
import { createSqlStore } from '../../server/durable/sql-store.ts';
import type { DurableStore } from '../../server/sessions/ports.ts';
import { externalPostgres } from '../../test/support/external-postgres.ts';
import { startPostgres } from '../../test/support/postgres-server.ts';

/** What Postgres has by default, where the servers of the tests are smaller and take less care. */
const AS_INSTALLED = { shared_buffers: '128MB', fsync: 'on', full_page_writes: 'on' };
/** Newer than every migration asks for. */
const CODE_VERSION = '999.0.0';
/** From so many executions on, a connection may keep one plan for all values. */
const PLANNED_ANEW = 5;

/** A Postgres of its own, migrated, with the store that the server has on it. */
export interface BenchDatabase {
  readonly url: string;
  /** Of the owner; without deadlines. */
  readonly client: pg.Client;
  /** On fresh connections, which know no plan. */
  openStore(): Promise<MeasuredStore>;
  close(): Promise<void>;
}

export interface MeasuredStore {
  readonly store: DurableStore;
  /** The plan of each statement that was asked since the last time, as a connection has it that asks again and again. */
  explainAsked(): Promise<ReadonlyMap<string, readonly string[]>>;
  close(): Promise<void>;
}

export async function openBenchDatabase(): Promise<BenchDatabase> {
  const server = await startPostgres({ settings: AS_INSTALLED });
  try {
    const url = await server.createDatabase();
    const { connection, migrating } = connectPostgres(externalPostgres(url));
    await migrate(migrating, MIGRATIONS_DIRECTORY, CODE_VERSION);
    const client = new pg.Client(migrating);
    await client.connect();
    const close = async () => {
      await client.end();
      await server.stop();
    };
    return { url, client, openStore: () => Promise.resolve(openStore(connection, client)), close };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function openStore(connection: Connection, client: pg.Client): MeasuredStore {
  const pool = createPool(connection, { max: 1 });
  const asked = new Map<string, { text: string; values: readonly unknown[] }>();
  const store = createSqlStore({
    query: (statement, values) => {
      asked.set(statement.name, { text: statement.text, values });
      return pool.query(statement, values);
    },
    end: () => pool.end(),
  });
  const explainAsked = async () => {
    const plans = new Map<string, readonly string[]>();
    for (const [name, { text, values }] of asked) plans.set(name, await explain(client, text, values));
    asked.clear();
    return plans;
  };
  return { store, explainAsked, close: () => pool.end() };
}

async function explain(client: pg.Client, text: string, values: readonly unknown[]): Promise<string[]> {
  const execution = `execute asked(${values.map((value) => pg.escapeLiteral(String(value))).join(', ')})`;
  await client.query(`prepare asked as ${text}`);
  try {
    for (let count = 0; count < PLANNED_ANEW; count += 1) await client.query(execution);
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain (analyze, buffers) ${execution}`);
    return rows.map((row) => row['QUERY PLAN']);
  } finally {
    await client.query('deallocate asked');
  }
}
