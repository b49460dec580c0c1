/** What an external Postgres says of itself, for an operator who asks. Nothing is written. */
import pg from 'pg';
import { connectPostgres, type ExternalPostgres } from './postgres.ts';

const CONNECT_MS = 4_000;

export interface PostgresExamination {
  /** Such as `15.14`. */
  readonly version: string;
  readonly major: number;
  readonly isEncrypted: boolean;
  /** Connections that roles like ours can have at once; null where a pooler lends them. */
  readonly connections: { readonly most: number; readonly used: number } | null;
  /** Addresses, other than ours, from which a program with our application name is connected now. */
  readonly others: readonly string[];
  /** By how much its clock is ahead, from the middle of the wait for the answer. */
  readonly clockOffsetMs: number;
  /** Of the deployment; null before the first migration. */
  readonly identity: string | null;
}

interface Row {
  readonly version: string;
  readonly major: number;
  readonly isEncrypted: boolean;
  readonly most: number;
  readonly used: number;
  readonly others: readonly string[];
  readonly nowMs: number;
}

/** The session that looks is ours, and no other of this address counts either: they may be of the instance here. */
const EXAMINE = `
  select
    split_part(current_setting('server_version'), ' ', 1) as version,
    current_setting('server_version_num')::int / 10000 as major,
    coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as "isEncrypted",
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as most,
    (select count(*)::int from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()) as used,
    (select coalesce(array_agg(distinct host(client_addr)), '{}') from pg_stat_activity
      where datname = current_database()
        and application_name = current_setting('application_name')
        and client_addr is distinct from (select client_addr from pg_stat_activity where pid = pg_backend_pid())
    ) as others,
    (extract(epoch from clock_timestamp()) * 1000)::float8 as "nowMs"`;

/** Rejects with what the driver throws. */
export async function examinePostgres(postgres: ExternalPostgres): Promise<PostgresExamination> {
  const client = new pg.Client({
    ...connectPostgres(postgres).connection,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: CONNECT_MS,
  });
  // What breaks the connection also rejects the query that waits.
  client.on('error', () => {});
  await client.connect();
  try {
    const askedAt = Date.now();
    const { rows } = await client.query<Row>(EXAMINE);
    const middle = (askedAt + Date.now()) / 2;
    const [row] = rows;
    if (row === undefined) throw new Error('Postgres answered without a row');
    const { version, major, isEncrypted, most, used, others } = row;
    return {
      ...{ version, major, isEncrypted, others },
      connections: postgres.isPooled ? null : { most, used },
      clockOffsetMs: row.nowMs - middle,
      identity: await identityOf(client),
    };
  } finally {
    await client.end();
  }
}

async function identityOf(client: pg.Client): Promise<string | null> {
  const { rows: found } = await client.query<{ table: string | null }>(
    "select to_regclass('deployment')::text as table",
  );
  if (found[0]?.table === null) return null;
  const { rows } = await client.query<{ id: string }>('select id from deployment');
  return rows[0]?.id ?? null;
}
