import type { SessionStatus } from '../../../protocol/session.ts';
import type { Page, PageRequest, StoredSession, TimelineEntry } from '../../sessions/ports.ts';
import { readCursor, writeCursor } from '../list-cursor.ts';
import type { Pool, Statement } from '../pool.ts';
import { isUuid, storedSession, type SessionRow } from '../stored-rows.ts';
import { SESSION } from './sessions.ts';

type Queries = Pick<Pool, 'query'>;

/** Sessions are listed by id: a UUID v7 begins with the time. Before the first comes what no session has. */
const ABOVE_ALL = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
const SESSION_PLACE = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** One statement each: its condition is that of a partial index, and no parameter may come into it. */
const LISTS = {
  all: listStatement('list_sessions', 'true'),
  waiting: listStatement('list_waiting_sessions', 's.closed_at is null and s.seat_count < 2'),
  paired: listStatement('list_paired_sessions', 's.closed_at is null and s.seat_count >= 2'),
  closed: listStatement('list_closed_sessions', 's.closed_at is not null'),
};

function listStatement(name: string, condition: string): Statement {
  return { name, text: `${SESSION} where s.id < $1 and ${condition} order by s.id desc limit $2` };
}

export async function listSessions(
  pool: Queries,
  status: SessionStatus | null,
  { cursor, limit }: PageRequest,
  now: number,
): Promise<Page<StoredSession>> {
  const list = `sessions ${status ?? 'all'}`;
  const rows = await pool.query<SessionRow>(LISTS[status ?? 'all'], [placeOf(list, cursor), limit + 1]);
  return sessionPage(list, rows, limit, now);
}

/** A user may have had several seats of a session: it is listed once. */
const OF_USER = {
  name: 'sessions_of_user',
  text: `
    with joined as (
      select distinct p.session_id from participants p
      where p.user_id = $1 and p.session_id < $2
      order by p.session_id desc limit $3
    )
    ${SESSION} join joined on joined.session_id = s.id order by s.id desc`,
};

export async function sessionsOfUser(
  pool: Queries,
  userId: string,
  { cursor, limit }: PageRequest,
  now: number,
): Promise<Page<StoredSession>> {
  const list = `sessions of ${userId}`;
  const rows = await pool.query<SessionRow>(OF_USER, [userId, placeOf(list, cursor), limit + 1]);
  return sessionPage(list, rows, limit, now);
}

export function placeOf(list: string, cursor: string | null): string {
  return cursor === null ? ABOVE_ALL : (readCursor(list, cursor, SESSION_PLACE)[1] ?? ABOVE_ALL);
}

export function sessionPage(
  list: string,
  rows: readonly SessionRow[],
  limit: number,
  now: number,
): Page<StoredSession> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return {
    items: items.map((row) => storedSession(row, now)),
    nextCursor: rows.length > limit && last !== undefined ? writeCursor(list, last.id) : null,
  };
}

const EVENTS = {
  name: 'session_events',
  text: `
    select id, (extract(epoch from at) * 1000)::bigint as at, kind, participant_id as "participantId", reason, count
    from session_events
    where session_id = $1 and (session_events.at, id) < (to_timestamp($2 / 1000.0), $3)
    order by session_events.at desc, id desc limit $4`,
};
/** Later than everything, to JavaScript and to Postgres. */
const AFTER_ALL = { at: 8_640_000_000_000_000, id: Number.MAX_SAFE_INTEGER };
const EVENT_PLACE = /^(\d{1,15}) (\d{1,15})$/;

/** Of one millisecond in the order in which they were stored. */
export async function sessionEvents(
  pool: Queries,
  sessionId: string,
  { cursor, limit }: PageRequest,
): Promise<Page<TimelineEntry>> {
  const list = `events of ${sessionId}`;
  const [, at = AFTER_ALL.at, id = AFTER_ALL.id] = cursor === null ? [] : readCursor(list, cursor, EVENT_PLACE);
  if (!isUuid(sessionId)) return { items: [], nextCursor: null };
  const rows = await pool.query<TimelineEntry & { id: number }>(EVENTS, [sessionId, at, id, limit + 1]);
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return {
    items: items.map(({ at, kind, participantId, reason, count }) => ({ at, kind, participantId, reason, count })),
    nextCursor: rows.length > limit && last !== undefined ? writeCursor(list, `${last.at} ${last.id}`) : null,
  };
}
