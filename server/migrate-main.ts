/**
 * `npm run migrate`: brings the database to where this code needs it, without starting the server. With `-- --dry-run` it
 * says what it would do, and does nothing.
 */
import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { loadConfig, type Config } from './config.ts';
import { DataDirectoryInUseError } from './durable/data-directory-lock.ts';
import { DatabaseStartError } from './durable/database-start-error.ts';
import { startEmbeddedPostgres } from './durable/embedded.ts';
import { contactPostgres } from './durable/first-contact.ts';
import { migrate, pendingMigrations } from './durable/migrate.ts';
import { MIGRATIONS_DIRECTORY, readMigrations, type MigrationFile } from './durable/migration-files.ts';
import { MigrationError } from './durable/migration-error.ts';
import type { Connection } from './durable/connection.ts';
import { connectPostgres } from './durable/postgres.ts';
import { startFault } from './start-fault.ts';
import { VERSION } from './version.ts';

const NO_CONNECTION =
  'Over SUPABASE_URL nothing can be migrated: run this with the DATABASE_URL of the project in place of SUPABASE_*, or ' +
  'run `node scripts/supabase-copy.js` and `supabase db push`.';

const UP_TO_DATE = 'The database is up to date.';
/** `npm run migrate --dry-run`, without the `--`, is npm's own option: it runs the command, and tells it in this way. */
const NPM_DRY_RUN = 'npm_config_dry_run';

process.exitCode = await main(process.argv.slice(2));

async function main(parameters: readonly string[]): Promise<number> {
  const unknown = parameters.find((parameter) => parameter !== '--dry-run');
  if (unknown !== undefined) {
    console.error(`Unknown argument ${unknown}: expected none, or --dry-run (npm run migrate -- --dry-run).`);
    return 1;
  }
  const isDry = parameters.length > 0 || process.env[NPM_DRY_RUN] === 'true';
  const loaded = loadConfig(process.env, { envFile: resolve('.env') });
  if (!loaded.ok) {
    for (const fault of loaded.faults) console.error(fault);
    return 78;
  }
  for (const warning of loaded.warnings) console.error(warning);
  try {
    await (isDry ? preview(loaded.config) : apply(loaded.config));
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

async function apply(config: Config): Promise<void> {
  const { applied } = await connected(config, (connection) => migrate(connection, MIGRATIONS_DIRECTORY, VERSION));
  for (const name of applied) console.log(`Applied ${name}`);
  if (applied.length === 0) console.log(UP_TO_DATE);
}

async function preview(config: Config): Promise<void> {
  const pending = await pendingIn(config);
  for (const { version, name, oldestCode } of pending) {
    console.log(`Would apply ${version}_${name} (oldest code: ${oldestCode})`);
  }
  console.log(pending.length === 0 ? UP_TO_DATE : `Nothing was changed. To apply: ${pending.length}.`);
}

async function pendingIn(config: Config): Promise<readonly MigrationFile[]> {
  const isEmbedded = config.database.kind === 'embedded';
  // Its first start would make the database.
  if (isEmbedded && !(await exists(join(config.dataDir, 'postgres')))) return readMigrations(MIGRATIONS_DIRECTORY);
  return connected(config, (connection) => pendingMigrations(connection, MIGRATIONS_DIRECTORY, VERSION));
}

async function connected<T>({ database, dataDir }: Config, work: (connection: Connection) => Promise<T>): Promise<T> {
  if (database.kind === 'supabase') throw new MigrationError(NO_CONNECTION);
  if (database.kind === 'external') {
    await contactPostgres(database, { onWaiting: (error) => console.error(error.message) });
    return work(connectPostgres(database).migrating);
  }
  const postgres = await startEmbeddedPostgres({
    dataDir,
    onEvent: (event, error) => {
      if (event === 'lost') console.error(error?.message ?? 'The embedded Postgres was lost');
    },
  });
  try {
    return await work(postgres.connection);
  } finally {
    await postgres.stop();
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
