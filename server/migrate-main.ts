/** `npm run migrate`: brings the database to where this code needs it, without starting the server. */
import { resolve } from 'node:path';
import { loadConfig } from './config.ts';
import { DataDirectoryInUseError } from './durable/data-directory-lock.ts';
import { DatabaseStartError } from './durable/database-start-error.ts';
import { startEmbeddedPostgres } from './durable/embedded.ts';
import { contactPostgres } from './durable/first-contact.ts';
import { migrate } from './durable/migrate.ts';
import { MIGRATIONS_DIRECTORY } from './durable/migration-files.ts';
import { MigrationError } from './durable/migration-error.ts';
import { connectPostgres, type ExternalPostgres } from './durable/postgres.ts';
import { startFault } from './start-fault.ts';
import { VERSION } from './version.ts';

const NO_CONNECTION =
  'Over SUPABASE_URL nothing can be migrated: run this with the DATABASE_URL of the project in place of SUPABASE_*, or ' +
  'run `node scripts/supabase-copy.js` and `supabase db push`.';

process.exitCode = await main();

async function main(): Promise<number> {
  const loaded = loadConfig(process.env, { envFile: resolve('.env') });
  if (!loaded.ok) {
    for (const fault of loaded.faults) console.error(fault);
    return 78;
  }
  for (const warning of loaded.warnings) console.error(warning);
  try {
    const { database, dataDir } = loaded.config;
    if (database.kind === 'supabase') throw new MigrationError(NO_CONNECTION);
    const applied = await (database.kind === 'embedded' ? migrateEmbedded(dataDir) : migrateExternal(database));
    for (const name of applied) console.log(`Applied ${name}`);
    if (applied.length === 0) console.log('The database is up to date.');
    return 0;
  } catch (error) {
    // These say all there is to say; of others the stack is needed.
    const isExpected = [MigrationError, DatabaseStartError, DataDirectoryInUseError].some(
      (kind) => error instanceof kind,
    );
    console.error(isExpected && error instanceof Error ? error.message : (startFault(error, loaded.config) ?? error));
    return 1;
  }
}

async function migrateEmbedded(dataDir: string): Promise<string[]> {
  const postgres = await startEmbeddedPostgres({
    dataDir,
    onEvent: (event, error) => {
      if (event === 'lost') console.error(error?.message ?? 'The embedded Postgres was lost');
    },
  });
  try {
    return (await migrate(postgres.connection, MIGRATIONS_DIRECTORY, VERSION)).applied;
  } finally {
    await postgres.stop();
  }
}

async function migrateExternal(database: ExternalPostgres): Promise<string[]> {
  await contactPostgres(database, { onWaiting: (error) => console.error(error.message) });
  return (await migrate(connectPostgres(database).migrating, MIGRATIONS_DIRECTORY, VERSION)).applied;
}
