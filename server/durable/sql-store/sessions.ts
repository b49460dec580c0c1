import type { StoredHead, StoredSession } from '../../sessions/ports.ts';
import type { Pool } from '../pool.ts';
import { isUuid, storedSession, type SessionRow } from '../stored-rows.ts';

type Queries = Pick<Pool, 'query'>;

/** What a session is read as: its living seats in the order in which they were taken, and users in that of their kicks. */
export const SESSION = `
  select
    s.id, s.epoch, s.capacity, s.locked, s.approval, s.share_history, s.metadata, s.code, s.ever_paired,
    s.closed_reason, s.last_seq,
    (extract(epoch from s.created_at) * 1000)::bigint as created_at,
    (extract(epoch from s.code_expires_at) * 1000)::bigint as code_expires_at,
    (extract(epoch from s.closed_at) * 1000)::bigint as closed_at,
    (extract(epoch from s.last_activity_at) * 1000)::bigint as last_activity_at,
    (
      select json_agg(json_build_object(
        'id', p.id, 'role', p.role, 'name', p.name, 'userId', p.user_id, 'tokenHash', p.token_hash,
        'keyHash', p.key_hash, 'keyAt', (extract(epoch from p.key_at) * 1000)::bigint,
        'joinedAt', (extract(epoch from p.joined_at) * 1000)::bigint, 'joinedSeq', p.joined_seq,
        'delivered', p.delivered, 'read', p.read
      ) order by p.seat_number)
      from participants p where p.session_id = s.id and p.left_at is null
    ) as seats,
    (
      select json_agg(k.user_id order by k.kicked_at, k.user_id)
      from (
        select p.user_id, min(p.left_at) as kicked_at from participants p
        where p.session_id = s.id and p.left_reason = 'kicked' and p.user_id is not null
        group by p.user_id order by kicked_at desc limit 200
      ) k
    ) as kicked_users
  from sessions s`;

/** Two selects, so that each is answered by its own partial index: with years of closed sessions in between. */
const LOAD_SESSIONS = {
  name: 'load_sessions',
  text: `
    ${SESSION} where s.closed_at is null
    union all
    ${SESSION} where s.closed_at is not null and s.code is not null and s.code_expires_at > to_timestamp($1 / 1000.0)`,
};

export async function loadSessions(pool: Queries, now: number): Promise<StoredSession[]> {
  const rows = await pool.query<SessionRow>(LOAD_SESSIONS, [now]);
  return rows.map((row) => storedSession(row, now));
}

const LOAD_SESSION = { name: 'load_session', text: `${SESSION} where s.id = $1` };

export async function loadSession(pool: Queries, sessionId: string, now: number): Promise<StoredSession | null> {
  if (!isUuid(sessionId)) return null;
  const [row] = await pool.query<SessionRow>(LOAD_SESSION, [sessionId]);
  return row === undefined ? null : storedSession(row, now);
}

const RAISE_EPOCH = { name: 'raise_epoch', text: 'select raise_epoch($1, $2) as epoch' };

export async function raiseEpoch(pool: Queries, sessionId: string, knownEpoch: number): Promise<number | null> {
  if (!isUuid(sessionId)) return null;
  const [row] = await pool.query<{ epoch: number | null }>(RAISE_EPOCH, [sessionId, knownEpoch]);
  return row?.epoch ?? null;
}

/** The newest: a code that has expired may belong to another session since. */
const FIND_BY_CODE = {
  name: 'find_by_code',
  text: `
    select id from sessions
    where code = $1 and closed_at is null and code_expires_at > to_timestamp($2 / 1000.0)
    order by code_expires_at desc limit 1`,
};

export async function findByCode(pool: Queries, code: string, now: number): Promise<string | null> {
  const [row] = await pool.query<{ id: string }>(FIND_BY_CODE, [code, now]);
  return row?.id ?? null;
}

const FIND_BY_KEY = {
  name: 'find_by_key',
  text: `
    select s.id from participants p join sessions s on s.id = p.session_id
    where p.key_hash = $1 and p.left_at is null and s.closed_at is null
    order by p.key_at desc limit 1`,
};

export async function findByKey(pool: Queries, keyHash: string): Promise<string | null> {
  const [row] = await pool.query<{ id: string }>(FIND_BY_KEY, [keyHash]);
  return row?.id ?? null;
}

/** Below that of any session. */
const NO_ID = '00000000-0000-0000-0000-000000000000';

/** Two selects, each answered by its own partial index, in one statement: none slips from the one into the other. */
const OPEN_HEADS = {
  name: 'open_heads',
  text: `
    (
      select id, epoch, last_seq as "lastSeq", version from sessions
      where closed_at is null and seat_count < 2 and id > $1 order by id limit $2
    ) union all (
      select id, epoch, last_seq, version from sessions
      where closed_at is null and seat_count >= 2 and id > $1 order by id limit $2
    ) order by id limit $2`,
};

export function openHeads(pool: Queries, above: string | null, limit: number): Promise<StoredHead[]> {
  return pool.query<StoredHead & { id: string }>(OPEN_HEADS, [above ?? NO_ID, limit]);
}

const CLOSED_AMONG = {
  name: 'closed_among',
  text: 'select id, epoch from sessions where id = any ($1::uuid[]) and closed_at is not null',
};

export function closedAmong(pool: Queries, sessionIds: readonly string[]): Promise<{ id: string; epoch: number }[]> {
  return pool.query(CLOSED_AMONG, [sessionIds.filter(isUuid)]);
}
