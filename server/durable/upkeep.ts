/** What autovacuum does elsewhere: the embedded database has none. */
import pg from 'pg';
import type { Connection } from './connection.ts';
import { unavailable } from './unavailable.ts';

/**
 * Tables of which so much has changed that autovacuum would come: 50 rows and a tenth of them for what the planner goes
 * by, 50 and a fifth for the room of rows that are gone (its defaults). Without it a server that began empty would go on
 * as planned for empty tables: its prepared statements read them from end to end until the next day.
 */
const DUE = `
  select * from (
    select relname as name, n_mod_since_analyze > 50 + 0.1 * n_live_tup as "isChanged",
      n_dead_tup > 50 + 0.2 * n_live_tup as "isFull"
    from pg_stat_user_tables where schemaname = current_schema()
  ) tables
  where "isChanged" or "isFull" order by name`;

interface Due {
  readonly name: string;
  readonly isChanged: boolean;
  readonly isFull: boolean;
}

/**
 * Gives the room of removed rows free, and gathers what the planner goes by, where either is due. Returns the tables that
 * were. One after the other: the database computes in one thread, and in between others get their turn. Throws
 * `UNAVAILABLE`.
 */
export async function keepUp(connection: Connection): Promise<string[]> {
  const client = new pg.Client(connection);
  // What breaks the connection also rejects the statement that waits.
  client.on('error', () => {});
  try {
    await client.connect();
    // Counts are written down once a second at most, and there is but one session to do it.
    await client.query('select pg_stat_force_next_flush()');
    const { rows } = await client.query<Due>(DUE);
    for (const { name, isFull } of rows) {
      // Without truncation, which would wait for whoever reads the table. What only grows is sampled: that takes no longer
      // for a large table.
      // By these words the worker knows what may take long, and is no hang: see embedded-worker.js.
      const command = isFull ? 'vacuum (analyze, truncate false)' : 'analyze';
      await client.query(`${command} ${pg.escapeIdentifier(name)}`);
    }
    return rows.map(({ name }) => name);
  } catch (error) {
    // A database that is away says so elsewhere, once.
    throw error instanceof pg.DatabaseError ? error : unavailable(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
