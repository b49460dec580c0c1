import { describeDurableStore } from './durable.conformance.ts';
import { copyDataDirectory } from '../../test/support/data-directory.ts';
import { startEmbeddedPostgres } from './embedded.ts';
import { createPool } from './pool.ts';
import { createSqlStore } from './sql-store.ts';

describeDurableStore('embedded Postgres', async () => {
  const directory = await copyDataDirectory();
  const postgres = await startEmbeddedPostgres({ dataDir: directory.dir, onEvent: () => {} });
  const pool = createPool(postgres.connection, { max: 4 });
  return {
    store: createSqlStore(pool),
    close: async () => {
      await pool.end();
      await postgres.stop();
      await directory.remove();
    },
  };
});
