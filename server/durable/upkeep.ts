/** What autovacuum does elsewhere: the embedded database has none. */
import pg from 'pg';
import type { Connection } from './connection.ts';

/** Those from which rows go, or that are written again and again. */
const TABLES = [
  'messages',
  'session_events',
  'participants',
  'sessions',
  'daily_analytics',
  'mail_queue',
  'refresh_tokens',
  'logins',
  'revocations',
  'users',
];

/**
 * Gives the room of removed rows free, and gathers what the planner goes by. One table after the other: the database
 * computes in one thread, and in between others get their turn.
 */
export async function keepUp(connection: Connection): Promise<void> {
  const client = new pg.Client(connection);
  // What breaks the connection also rejects the statement that waits.
  client.on('error', () => {});
  await client.connect();
  try {
    // Without truncation, which would wait for whoever reads the table.
    for (const table of TABLES) await client.query(`vacuum (analyze, truncate false) ${table}`);
  } finally {
    await client.end();
  }
}
