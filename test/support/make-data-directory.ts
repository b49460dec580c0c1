/** Makes an initialised and migrated data directory: `node --import tsx make-data-directory.ts <directory>`. */
import { startEmbeddedPostgres } from '../../server/durable/embedded.ts';
import { migrate } from '../../server/durable/migrate.ts';
import { MIGRATIONS_DIRECTORY } from '../../server/durable/migration-files.ts';

const [, , dataDir] = process.argv;
if (dataDir === undefined) throw new Error('Expected the directory as the argument');

const postgres = await startEmbeddedPostgres({
  dataDir,
  onEvent: (event, error) => {
    if (event === 'lost') throw error ?? new Error('The embedded Postgres was lost');
  },
});
try {
  // Tests stand for code of any version; the ledger keeps what each migration asks for, not who applied it.
  await migrate(postgres.connection, MIGRATIONS_DIRECTORY, '999.0.0');
} finally {
  await postgres.stop();
}
