/**
 * Brings the database to where this code needs it: plain SQL files, forward only, in the order of their versions, each
 * in one transaction together with its row in the ledger. So whatever ends a run midway leaves whole steps behind.
 *
 * Of several runs at once one does each step; the others wait for it. The lock is taken within the transaction of the
 * step, so that it goes with the connection, and holds through a pooler that lends connections by transaction.
 */
import pg from 'pg';
import { isOlder, isVersion } from './code-version.ts';
import type { Connection } from './connection.ts';
import { MigrationError } from './migration-error.ts';
import { readMigrations, type MigrationFile } from './migration-files.ts';

/** How long one run waits for another. */
const LOCK_WAIT_MS = 60_000;
const CONNECT_MS = 10_000;
/** Of all locks in this database ours: the first 6 bytes of SHA-256('tandem_migrations'). */
const LOCK_KEY = '58689011480358';

/** Rejects with `MigrationError` when the database and this code don't fit, or the role may not. */
export function migrate(
  connection: Connection,
  directory: string,
  codeVersion: string,
): Promise<{ applied: string[] }> {
  return compare(connection, directory, codeVersion, async (client, files, pending) => {
    const applied: string[] = [];
    for (const file of pending) {
      if (await apply(client, files, file, codeVersion)) applied.push(`${file.version}_${file.name}`);
    }
    return { applied };
  });
}

/** What `migrate` would apply now, in its order. Writes nothing, and rejects where the two contradict, as that does. */
export function pendingMigrations(
  connection: Connection,
  directory: string,
  codeVersion: string,
): Promise<readonly MigrationFile[]> {
  return compare(connection, directory, codeVersion, (_client, _files, pending) => Promise.resolve(pending));
}

async function compare<T>(
  connection: Connection,
  directory: string,
  codeVersion: string,
  goOn: (client: pg.Client, files: readonly MigrationFile[], pending: readonly MigrationFile[]) => Promise<T>,
): Promise<T> {
  if (!isVersion(codeVersion)) throw new MigrationError(`The version of the code is ${codeVersion}, and must be 1.2.3`);
  const files = await readMigrations(directory);
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: CONNECT_MS });
  // What breaks the connection also rejects the query that waits.
  client.on('error', () => {});
  await client.connect();
  try {
    // One query, when there is nothing to do: each start of a server passes here.
    return await goOn(client, files, findPending(files, await readLedger(client), codeVersion));
  } finally {
    await client.end();
  }
}

interface LedgerRow {
  readonly version: string;
  readonly name: string;
  readonly checksum: string;
  readonly oldest_code: string;
}

async function readLedger(client: pg.Client): Promise<LedgerRow[]> {
  try {
    const { rows } = await client.query<LedgerRow>(
      'select version, name, checksum, oldest_code from tandem_migrations order by version',
    );
    return rows;
  } catch (error) {
    if (hasCode(error, UNDEFINED_TABLE)) return [];
    if (!hasCode(error, ...NO_PRIVILEGE)) throw error;
    throw new MigrationError(`The role of the database may not read the ledger of migrations: ${error.message}`, {
      cause: error,
    });
  }
}

/** What this code has and the database lacks; throws where the two contradict. */
function findPending(
  files: readonly MigrationFile[],
  ledger: readonly LedgerRow[],
  codeVersion: string,
): MigrationFile[] {
  const applied = new Map(ledger.map((row) => [row.version, row]));
  for (const row of ledger) {
    if (!isOlder(codeVersion, row.oldest_code)) continue;
    throw new MigrationError(
      `The database was migrated by ${row.version}_${row.name}, which needs version ${row.oldest_code} of the code or ` +
        `a later one; this is version ${codeVersion}. Start a later version.`,
    );
  }
  const newest = ledger.at(-1);
  return files.filter((file) => {
    const row = applied.get(file.version);
    const label = `${file.version}_${file.name}`;
    if (row === undefined) {
      if (newest === undefined || file.version > newest.version) return true;
      throw new MigrationError(
        `The migration ${label} was never applied, and the database is already at ${newest.version}_${newest.name}. ` +
          'A new migration must come after all others: give it a later version.',
      );
    }
    if (row.checksum === file.checksum) return false;
    throw new MigrationError(
      `The migration ${label} was changed after it was applied. Restore the file, and write a new migration instead.`,
    );
  });
}

/** False when another run was faster. */
async function apply(
  client: pg.Client,
  files: readonly MigrationFile[],
  file: MigrationFile,
  codeVersion: string,
): Promise<boolean> {
  try {
    await client.query('begin');
    // The role may have deadlines of its own, for statements that somebody waits for.
    await client.query(`set local statement_timeout = 0; set local lock_timeout = ${LOCK_WAIT_MS}`);
    await client.query(`select pg_advisory_xact_lock(${LOCK_KEY})`);
    await client.query('set local lock_timeout = 0');
    await client.query(`
      create table if not exists tandem_migrations (
        version text primary key,
        name text not null,
        checksum text not null,
        oldest_code text not null,
        applied_at timestamptz not null default now()
      )`);
    // Again, under the lock: what another run did meanwhile may also contradict this code.
    const isPending = findPending(files, await readLedger(client), codeVersion).includes(file);
    if (isPending) {
      await client.query(file.sql);
      await client.query(
        'insert into tandem_migrations (version, name, checksum, oldest_code) values ($1, $2, $3, $4)',
        [file.version, file.name, file.checksum, file.oldestCode],
      );
    }
    await client.query('commit');
    return isPending;
  } catch (error) {
    // The connection may be what failed; then the database rolls back by itself.
    await client.query('rollback').catch(() => {});
    throw explain(error, file);
  }
}

const UNDEFINED_TABLE = '42P01';
/** The role may not create in the schema, or not even see one. */
const NO_PRIVILEGE = ['42501', '3F000'];
const READ_ONLY = '25006';
const LOCK_NOT_AVAILABLE = '55P03';

function explain(error: unknown, file: MigrationFile): unknown {
  const label = `${file.version}_${file.name}`;
  if (hasCode(error, ...NO_PRIVILEGE)) {
    return new MigrationError(
      `The role of the database may not apply the migration ${label}: ${error.message}. Nothing was changed. Grant it ` +
        'USAGE and CREATE on the schema, or run the migrations as the owner (npm run migrate).',
      { cause: error },
    );
  }
  if (hasCode(error, READ_ONLY)) {
    return new MigrationError(
      `The database is read-only (a standby?), and lacks the migration ${label}. Connect to the primary.`,
      { cause: error },
    );
  }
  if (hasCode(error, LOCK_NOT_AVAILABLE)) {
    return new MigrationError(`Another run of the migrations did not end within ${LOCK_WAIT_MS / 1000} s`, {
      cause: error,
    });
  }
  if (error instanceof pg.DatabaseError) {
    return new MigrationError(`The migration ${label} failed, and was rolled back: ${error.message}`, { cause: error });
  }
  return error;
}

function hasCode(error: unknown, ...codes: string[]): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && error.code !== undefined && codes.includes(error.code);
}
