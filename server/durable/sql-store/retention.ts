import type { Expired, ExpireRequest } from '../../sessions/ports.ts';
import type { Pool } from '../pool.ts';

const EXPIRE = { name: 'expire_rows', text: 'select expire_rows($1, $2, $3, $4) as expired' };

export async function expire(
  pool: Pick<Pool, 'query'>,
  { olderThan, keepNewest, now, atMost }: ExpireRequest,
): Promise<Expired | null> {
  const [row] = await pool.query<{ expired: Expired | null }>(EXPIRE, [olderThan, keepNewest, now, atMost]);
  return row?.expired ?? null;
}
