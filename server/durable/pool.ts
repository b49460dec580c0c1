/** The connections to Postgres, embedded or not: numbers as numbers, a deadline on everything, nothing unhandled. */
import pg from 'pg';
import type { Connection } from './connection.ts';

/** Of a statement that somebody waits for. */
const STATEMENT_MS = 2_000;
/** Of a new connection. Together with the statement less than the deadline of an ack. */
const CONNECT_MS = 1_500;
const IDLE_MS = 60_000;
/** A connection on which nothing passes is looked after before a firewall forgets it. */
const KEEP_ALIVE_MS = 10_000;

const INT8 = 20;

export interface PoolOptions {
  readonly max: number;
  readonly min?: number;
  /** Called after each statement: its name, seconds from the call to its end, whether it succeeded. */
  readonly onQuery?: (name: string, seconds: number, ok: boolean) => void;
  /** An idle connection broke. The pool replaces it by itself. */
  readonly onIdleError?: (error: Error) => void;
  /** Of each new connection before its first use; one that it rejects is closed, and who waits for it hears of that. */
  readonly onConnect?: (client: pg.ClientBase) => Promise<void>;
  /** Without, statements are parsed each time: behind a pooler by transaction, nothing prepared is found again. */
  readonly prepares?: boolean;
}

export interface Statement {
  /** Prepared under this name, once per connection. */
  readonly name: string;
  readonly text: string;
}

export interface Pool {
  query<R extends pg.QueryResultRow>(statement: Statement, values: readonly unknown[]): Promise<R[]>;
  /** Waits for what runs; may be called twice. */
  end(): Promise<void>;
}

export function createPool(
  connection: Connection,
  { max, min = 0, onQuery, onIdleError, onConnect, prepares = true }: PoolOptions,
): Pool {
  const pool = new pg.Pool({
    ...connection,
    max,
    min,
    idleTimeoutMillis: IDLE_MS,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: STATEMENT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    onConnect: onConnect as ((client: pg.ClientBase) => void) | undefined, // the declaration forgot that it is awaited
    types: TYPES,
  });
  pool.on('error', (error) => onIdleError?.(error));
  // A connection that breaks while it is handed out says so twice: to the query, and to whoever listens here.
  pool.on('connect', (client) => client.on('error', () => {}));
  let ending: Promise<void> | null = null;
  return {
    query: async <R extends pg.QueryResultRow>({ name, text }: Statement, values: readonly unknown[]) => {
      const start = performance.now();
      let ok = false;
      try {
        const result = await pool.query<R>({ ...(prepares ? { name } : {}), text, values: [...values] });
        ok = true;
        return result.rows;
      } finally {
        onQuery?.(name, (performance.now() - start) / 1000, ok);
      }
    },
    end: () => (ending ??= pool.end()),
  };
}

type ParserOf = (oid: number) => (text: string) => unknown;

/** Of this pool alone: pg's own setting is global. The casts: pg's declaration knows the built-in types only. */
const TYPES: pg.CustomTypesConfig = {
  getTypeParser: ((oid) =>
    oid === INT8 ? parseInt8 : (pg.types.getTypeParser as ParserOf)(oid)) as ParserOf as typeof pg.types.getTypeParser,
};

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(`Expected a number up to ${Number.MAX_SAFE_INTEGER}, received ${text} from the database`);
  }
  return value;
}
