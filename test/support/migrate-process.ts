/** Applies the migrations of a directory to the database of a data directory, and says each thing that it begins. */
import { startEmbeddedPostgres } from '../../server/durable/embedded.ts';
import { migrate } from '../../server/durable/migrate.ts';

const [, , dataDir = '', migrations = ''] = process.argv;
const postgres = await startEmbeddedPostgres({
  dataDir,
  onEvent: (_event, error) => {
    throw error ?? new Error('The embedded Postgres was lost');
  },
});
console.log('migrating');
await migrate(postgres.connection, migrations, '0.1.0');
console.log('migrated');
await postgres.stop();
