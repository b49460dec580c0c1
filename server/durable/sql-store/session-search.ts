import type { SessionStatus } from '../../../protocol/session.ts';
import type { Page, PageRequest, StoredSession } from '../../sessions/ports.ts';
import type { Pool } from '../pool.ts';
import type { SessionRow } from '../stored-rows.ts';
import { placeOf, sessionPage } from './lists.ts';
import { SESSION } from './sessions.ts';

const SEARCH = {
  name: 'search_sessions',
  text: `
    ${SESSION} join search_sessions($1, $2, $3, $4, $5, $6, $7) as found (id) on found.id = s.id order by s.id desc`,
};

/** Above whatever a name goes on with. */
const LAST_CHARACTER = '\u{10FFFF}';
const ID_LENGTH = 32;

export async function searchSessions(
  pool: Pick<Pool, 'query'>,
  search: string,
  status: SessionStatus | null,
  { cursor, limit }: PageRequest,
  now: number,
): Promise<Page<StoredSession>> {
  const list = `sessions ${status ?? 'all'} found by ${search}`;
  const ids = idsFrom(search);
  const rows = await pool.query<SessionRow>(SEARCH, [
    ...[ids?.low ?? null, ids?.high ?? null],
    ...[search, `${search}${LAST_CHARACTER}`],
    ...[status, placeOf(list, cursor), limit + 1],
  ]);
  return sessionPage(list, rows, limit, now);
}

/** The lowest and the highest id that begin so, written with hyphens or without; null when none does. */
function idsFrom(search: string): { low: string; high: string } | null {
  const typed = search.toLowerCase();
  const digits = typed.replaceAll('-', '');
  if (!/^[0-9a-f]{1,32}$/.test(digits)) return null;
  const [low, high] = [idOf(digits.padEnd(ID_LENGTH, '0')), idOf(digits.padEnd(ID_LENGTH, 'f'))];
  return typed === digits || low.startsWith(typed) ? { low, high } : null;
}

function idOf(digits: string): string {
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
