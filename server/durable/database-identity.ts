import type { Pool } from './pool.ts';

const DEPLOYMENT = { name: 'database_identity', text: 'select id from deployment' };

/**
 * Which database this is: a UUID that was made with its tables, and goes where its data goes (a standby, a backup). What
 * is kept outside the database belongs to one of them.
 */
export async function databaseIdentity(pool: Pick<Pool, 'query'>): Promise<string> {
  const [row] = await pool.query<{ id: string }>(DEPLOYMENT, []);
  if (row === undefined) {
    throw new Error('The table deployment has lost its row: insert into deployment default values, on the primary.');
  }
  return row.id;
}
