import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { startBreakableProxy } from '../../test/support/breakable-proxy.ts';
import { copyDataDirectory } from '../../test/support/data-directory.ts';
import { describeDurableStore } from './durable.conformance.ts';
import { startEmbeddedPostgres } from './embedded.ts';
import { MIGRATIONS_DIRECTORY } from './migration-files.ts';
import { migrate } from './migrate.ts';
import { createPool } from './pool.ts';
import { createSqlStore } from './sql-store.ts';

describeDurableStore('SQL, embedded Postgres', async () => {
  const directory = await copyDataDirectory();
  const postgres = await startEmbeddedPostgres({ dataDir: directory.dir, onEvent: () => {} });
  const proxy = await startBreakableProxy(postgres.connection.host ?? '');
  const pool = createPool({ ...postgres.connection, host: proxy.host }, { max: 4 });
  return {
    store: createSqlStore(pool),
    breakConnections: () => {
      proxy.breakConnections();
      return Promise.resolve();
    },
    close: async () => {
      await pool.end();
      await proxy.close();
      await postgres.stop();
      await directory.remove();
    },
  };
});

const url = process.env['TEST_DATABASE_URL'];
if (url !== undefined) {
  describeDurableStore('SQL, Postgres server', async () => {
    // A schema of its own, and a name by which its connections are known.
    const schema = `tandem_${randomUUID().replaceAll('-', '')}`;
    const connection = { connectionString: url, options: `-c search_path=${schema}`, application_name: schema };
    const admin = new pg.Client({ connectionString: url });
    await admin.connect();
    await admin.query(`create schema ${schema}`);
    await migrate(connection, MIGRATIONS_DIRECTORY, '999.0.0');
    const pool = createPool(connection, { max: 4 });
    return {
      store: createSqlStore(pool),
      breakConnections: async () => {
        await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [
          schema,
        ]);
      },
      close: async () => {
        await pool.end();
        await admin.query(`drop schema ${schema} cascade`);
        await admin.end();
      },
    };
  });
}
