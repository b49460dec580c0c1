/** The durable store, migrated and ready: the embedded Postgres, the one that `DATABASE_URL` names, or a Supabase project. */
import type pg from 'pg';
import type { AccountStore } from '../auth/ports.ts';
import type { DurableStore, MailQueue } from '../sessions/ports.ts';
import { VERSION } from '../version.ts';
import type { Connection } from './connection.ts';
import { databaseIdentity } from './database-identity.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres, type EmbeddedPostgresOptions } from './embedded.ts';
import { contactPostgres } from './first-contact.ts';
import { MIGRATIONS_DIRECTORY } from './migration-files.ts';
import { migrate } from './migrate.ts';
import { createPool, type PoolOptions } from './pool.ts';
import { connectPostgres, type ExternalPostgres } from './postgres.ts';
import { createSqlAccounts, createSqlMailQueue, createSqlStore } from './sql-store.ts';
import type { SupabaseProject } from './supabase-client.ts';
import { keepUp } from './upkeep.ts';

/** What is read of the configuration. */
export interface DurableConfig {
  readonly dataDir: string;
  readonly database:
    | { readonly kind: 'embedded' }
    | ({ readonly kind: 'external'; readonly poolMin: number; readonly poolMax: number } & ExternalPostgres)
    | ({ readonly kind: 'supabase'; readonly poolMin: number; readonly poolMax: number } & SupabaseProject);
}

export interface DurableHooks {
  /** `lost` when the database is gone, or is waited for at the start; `recovered` when it answers again. */
  readonly onEvent: EmbeddedPostgresOptions['onEvent'];
  readonly onQuery?: NonNullable<PoolOptions['onQuery']>;
  readonly onIdleError?: NonNullable<PoolOptions['onIdleError']>;
  /** Starts the embedded database, or hands over one whose start was kicked off before. */
  readonly startEmbedded?: (onEvent: EmbeddedPostgresOptions['onEvent']) => Promise<EmbeddedPostgres>;
  /** Ends the waiting for an external database that does not answer. */
  readonly signal?: AbortSignal;
}

export interface OpenDurable {
  readonly store: DurableStore;
  readonly accounts: AccountStore;
  readonly mailQueue: MailQueue;
  readonly kind: 'embedded' | 'postgres' | 'supabase';
  /** Resolves when the database answers. */
  ping(): Promise<void>;
  /** Which database this is. */
  identity(): Promise<string>;
  /** What a database does by itself elsewhere: to be called every minute. */
  readonly keepUp?: () => Promise<unknown>;
  /** Waits for what runs; may be called twice. */
  close(): Promise<void>;
}

/** Connections that read. Behind the embedded database there is a single session, which takes turns between them all. */
const EMBEDDED_READERS = 2;

/**
 * Rejects with `DataDirectoryInUseError`, `DatabaseStartError` or `MigrationError`, whose messages say all there is to
 * say; what was opened is closed then.
 */
export function openDurable(config: DurableConfig, hooks: DurableHooks): Promise<OpenDurable> {
  const { database, dataDir } = config;
  switch (database.kind) {
    case 'embedded':
      return openEmbedded(dataDir, hooks);
    case 'external':
      return openExternal(database, hooks);
    case 'supabase':
      return openProject(database, hooks);
  }
}

async function openEmbedded(dataDir: string, hooks: DurableHooks): Promise<OpenDurable> {
  const { onEvent, startEmbedded } = hooks;
  const postgres = await (startEmbedded?.(onEvent) ?? startEmbeddedPostgres({ dataDir, onEvent }));
  const { connection } = postgres;
  const sizes = { readers: { max: EMBEDDED_READERS, min: EMBEDDED_READERS }, writer: { max: 1, min: 1 } };
  const reached = { connection, migrating: connection, ...sizes, stop: () => postgres.stop() };
  return { ...(await open('embedded', reached, hooks)), keepUp: () => keepUp(connection) };
}

async function openExternal(
  database: ExternalPostgres & { readonly poolMin: number; readonly poolMax: number },
  hooks: DurableHooks,
): Promise<OpenDurable> {
  const { attempts } = await contactPostgres(database, {
    onWaiting: (error) => hooks.onEvent('lost', error),
    ...(hooks.signal === undefined ? {} : { signal: hooks.signal }),
  });
  if (attempts > 1) hooks.onEvent('recovered');
  const { connection, migrating, prepares } = connectPostgres(database);
  const stop = () => Promise.resolve();
  const options = { prepares, onConnect: refuseStandby };
  return open('postgres', { connection, migrating, ...poolSizes(database), options, stop }, hooks);
}

async function openProject(
  database: SupabaseProject & { readonly poolMin: number; readonly poolMax: number },
  hooks: DurableHooks,
): Promise<OpenDurable> {
  const { readers, writer } = poolSizes(database);
  // Loaded when it is needed: every other server starts without it.
  const { openSupabase } = await import('./open-supabase.ts');
  const opened = await openSupabase(database, { ...hooks, readers: readers.max, writer: writer?.max ?? null });
  return { ...opened, kind: 'supabase', ping: () => opened.store.ping() };
}

interface Size {
  readonly max: number;
  readonly min: number;
}

/** What everybody waits for must not queue behind what one client reads: half of the connections write. */
function poolSizes({ poolMax, poolMin }: { readonly poolMin: number; readonly poolMax: number }): {
  readers: Size;
  writer: Size | null;
} {
  if (poolMax === 1) return { readers: { max: 1, min: poolMin }, writer: null };
  const [max, min] = [Math.floor(poolMax / 2), Math.floor(poolMin / 2)];
  return { readers: { max: poolMax - max, min: poolMin - min }, writer: { max, min } };
}

interface Reached {
  readonly connection: Connection;
  readonly migrating: Connection;
  readonly readers: Size;
  /** Null: one pool for both. */
  readonly writer: Size | null;
  readonly options?: Pick<PoolOptions, 'prepares' | 'onConnect'>;
  readonly stop: () => Promise<void>;
}

async function open(kind: OpenDurable['kind'], reached: Reached, hooks: DurableHooks): Promise<OpenDurable> {
  const { connection, migrating, options, stop } = reached;
  const observers = {
    ...(hooks.onQuery === undefined ? {} : { onQuery: hooks.onQuery }),
    ...(hooks.onIdleError === undefined ? {} : { onIdleError: hooks.onIdleError }),
  };
  const readers = createPool(connection, { ...reached.readers, ...options, ...observers });
  const writer =
    reached.writer === null ? readers : createPool(connection, { ...reached.writer, ...options, ...observers });
  let closing: Promise<void> | null = null;
  const close = () => (closing ??= Promise.all([readers.end(), writer.end()]).then(stop));
  try {
    await migrate(migrating, MIGRATIONS_DIRECTORY, VERSION);
  } catch (error) {
    await close();
    throw error;
  }
  const store = createSqlStore(readers, writer);
  return {
    store,
    accounts: createSqlAccounts(readers),
    mailQueue: createSqlMailQueue(readers),
    kind,
    ping: () => store.ping(),
    identity: () => databaseIdentity(readers),
    close,
  };
}

const STANDBY_CHECK = { text: 'select pg_is_in_recovery() as "isStandby"', query_timeout: 1_000 };

/** After a failover the old address may lead to a standby: what is read there is old, and what is written refused. */
async function refuseStandby(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ isStandby: boolean }>(STANDBY_CHECK);
  if (rows[0]?.isStandby !== false) throw new Error('The database is a standby now, which is read-only');
}
