/** The first connection to an external Postgres: waits for one that is starting, and looks whether it will do. */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { DatabaseStartError } from './database-start-error.ts';
import { connectPostgres, STATEMENT_MS, type ExternalPostgres } from './postgres.ts';
import { mayPass, placeOf, startReason } from './start-reasons.ts';

/** Long enough for a database that is started together with this server, or fails over meanwhile. */
export const PATIENCE_MS = 30_000;
const CONNECT_MS = 5_000;
const PAUSE_MS = 250;
/** gen_random_uuid without an extension. */
const OLDEST_VERSION = 13;

export interface ContactOptions {
  /** Once, when the first attempt has failed and others follow. */
  readonly onWaiting?: (error: Error) => void;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
  readonly patienceMs?: number;
}

/** Rejects with `DatabaseStartError` when it can't be worked with. */
export async function contactPostgres(
  postgres: ExternalPostgres,
  { onWaiting, signal, patienceMs = PATIENCE_MS }: ContactOptions = {},
): Promise<{ attempts: number }> {
  const end = performance.now() + patienceMs;
  for (let attempts = 1; ; attempts += 1) {
    try {
      await look(postgres);
      return { attempts };
    } catch (error) {
      const reason = startReason(error, postgres) ?? error;
      if (!mayPass(error) || performance.now() > end) throw reason;
      if (attempts === 1) onWaiting?.(reason instanceof Error ? reason : new Error(String(reason)));
    }
    await delay(PAUSE_MS, undefined, { ...(signal === undefined ? {} : { signal }) });
  }
}

interface Look {
  readonly version: number;
  readonly isStandby: boolean;
  readonly isReadOnly: boolean;
  readonly encoding: string;
  readonly statementMs: number;
}

async function look(postgres: ExternalPostgres): Promise<void> {
  const client = new pg.Client({
    ...connectPostgres(postgres).connection,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: CONNECT_MS,
  });
  // What breaks the connection also rejects the query that waits.
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<Look>(`
      select
        current_setting('server_version_num')::int / 10000 as version,
        pg_is_in_recovery() as "isStandby",
        current_setting('transaction_read_only')::boolean as "isReadOnly",
        current_setting('server_encoding') as encoding,
        (select setting::int from pg_settings where name = 'statement_timeout') as "statementMs"`);
    for (const seen of rows) judge(seen, postgres);
  } finally {
    await client.end().catch(() => {});
  }
}

function judge({ version, isStandby, isReadOnly, encoding, statementMs }: Look, postgres: ExternalPostgres): void {
  const { user, database } = postgres;
  const refuse = (reason: string) =>
    new DatabaseStartError(`DATABASE_URL: the database at ${placeOf(postgres)} ${reason}`);
  if (version < OLDEST_VERSION) throw refuse(`is Postgres ${version}; ${OLDEST_VERSION} or later is needed.`);
  if (isStandby) throw refuse('is a standby, which is read-only; connect to the primary.');
  if (isReadOnly) throw refuse(`is read-only for the role "${user}"; take default_transaction_read_only away.`);
  if (encoding !== 'UTF8') {
    throw refuse(`keeps "${database}" in ${encoding}; create one with encoding 'UTF8' template template0.`);
  }
  // A pooler kept it from the server: a statement might then be carried out after its caller has given up.
  if (statementMs === 0 || statementMs > STATEMENT_MS) {
    const found = statementMs === 0 ? 'none' : `${statementMs} ms`;
    throw refuse(
      `lets statements run for longer than we wait (statement_timeout: ${found}), as behind a pooler; ` +
        `alter role "${user}" set statement_timeout = '${STATEMENT_MS}ms'.`,
    );
  }
}
