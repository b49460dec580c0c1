/** A migrated database of either kind, with its store and a client that looks into it. */
import pg from 'pg';
import type { Connection } from '../../server/durable/connection.ts';
import { startEmbeddedPostgres } from '../../server/durable/embedded.ts';
import { MIGRATIONS_DIRECTORY } from '../../server/durable/migration-files.ts';
import { migrate } from '../../server/durable/migrate.ts';
import { createPool } from '../../server/durable/pool.ts';
import { connectPostgres } from '../../server/durable/postgres.ts';
import { createSqlStore } from '../../server/durable/sql-store.ts';
import type { DurableStore } from '../../server/sessions/ports.ts';
import { copyDataDirectory } from './data-directory.ts';
import { externalPostgres } from './external-postgres.ts';
import { openTestDatabases } from './test-databases.ts';

export const SQL_DATABASES = ['embedded Postgres', 'Postgres server'] as const;

export interface SqlDatabase {
  readonly store: DurableStore;
  /** Of the owner; without deadlines. */
  readonly client: pg.Client;
  readonly connection: Connection;
  /** What the store asked last: its text and its values. */
  lastStatement(): { text: string; values: readonly unknown[] };
  close(): Promise<void>;
}

export async function openSqlDatabase(kind: (typeof SQL_DATABASES)[number]): Promise<SqlDatabase> {
  const { connection, stop } = kind === 'embedded Postgres' ? await openEmbedded() : await openServer();
  const pool = createPool(connection, { max: 8 });
  const client = new pg.Client(connection);
  await client.connect();
  let last: { text: string; values: readonly unknown[] } = { text: '', values: [] };
  const store = createSqlStore({
    query: (statement, values) => {
      last = { text: statement.text, values };
      return pool.query(statement, values);
    },
    end: () => pool.end(),
  });
  return {
    store,
    client,
    connection,
    lastStatement: () => last,
    close: async () => {
      await client.end();
      await pool.end();
      await stop();
    },
  };
}

interface Opened {
  readonly connection: Connection;
  readonly stop: () => Promise<void>;
}

async function openEmbedded(): Promise<Opened> {
  const directory = await copyDataDirectory();
  const postgres = await startEmbeddedPostgres({ dataDir: directory.dir, onEvent: () => {} });
  const stop = async () => {
    await postgres.stop();
    await directory.remove();
  };
  return { connection: postgres.connection, stop };
}

async function openServer(): Promise<Opened> {
  const databases = await openTestDatabases();
  const { migrating } = connectPostgres(externalPostgres(await databases.createDatabase()));
  await migrate(migrating, MIGRATIONS_DIRECTORY, '999.0.0');
  return { connection: migrating, stop: () => databases.stop() };
}
