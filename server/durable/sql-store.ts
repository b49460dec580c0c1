/** The durable store over SQL: embedded Postgres and a real one alike. */
import pg from 'pg';
import { TandemError } from '../../protocol/errors.ts';
import type { JsonObject, JsonValue, Message, Role } from '../../protocol/session.ts';
import {
  DivergenceError,
  RefusedCommitError,
  type CommitBatch,
  type DurableStore,
  type LogRange,
  type StoredSend,
  type StoredSession,
} from '../sessions/ports.ts';
import type { SessionDocument } from '../sessions/session.ts';
import { commitBatchJson } from './commit-batch-json.ts';
import type { Pool, Statement } from './pool.ts';

type Queries = Pick<Pool, 'query'>;

/** When to repeat: a connection that broke is replaced at once, and a new one has 1.5 s. */
const RETRY_AFTER_MS = 1000;

/**
 * Every method rejects with `UNAVAILABLE` when the database does not answer, or answers that it cannot work now.
 * `writer` is for commits alone: what everybody waits for must not queue behind what one client reads.
 */
export function createSqlStore(connections: Pool, writer: Pool = connections): DurableStore {
  const pool = reachable(connections);
  const writing = reachable(writer);
  return {
    commit: (batch) => commit(writing, batch),
    loadSessions: (now) => loadSessions(pool, now),
    loadSession: (sessionId, now) => loadSession(pool, sessionId, now),
    raiseEpoch: (sessionId, knownEpoch) => raiseEpoch(pool, sessionId, knownEpoch),
    findByCode: (code, now) => findByCode(pool, code, now),
    readMessages: (sessionId, range) => readMessages(pool, sessionId, range),
    findSend: (sessionId, participantId, id) => findSend(pool, sessionId, participantId, id),
    recentSends: (sessionId, since, limit) => recentSends(pool, sessionId, since, limit),
    ping: () => ping(pool),
  };
}

async function ping(pool: Queries): Promise<void> {
  await pool.query({ name: 'ping', text: 'select 1' }, []);
}

/** Raised by commit_batch itself. */
const DIVERGENCE = 'TD001';
/** The connection or the server went away, or the statement was cancelled: whether it was stored is unknown. */
const UNKNOWN_OUTCOME = /^(08|57P|57014|58|XX)/;
/** The statement was not run, or rolled back, for want of something that may be there again: room, or its turn. */
const TEMPORARY = /^(53|40|55P03)/;

async function commit(pool: Queries, batch: CommitBatch): Promise<void> {
  const json = commitBatchJson(batch);
  // A batch of nothing is a probe of the way that batches go.
  if (json === null) return ping(pool);
  try {
    await pool.query({ name: 'commit_batch', text: 'select commit_batch($1::json)' }, [json]);
  } catch (error) {
    const refusal = error instanceof TandemError ? error.cause : error;
    if (!(refusal instanceof pg.DatabaseError) || refusal.code === undefined) throw error;
    if (refusal.code === DIVERGENCE) throw new DivergenceError(refusal.message);
    if (UNKNOWN_OUTCOME.test(refusal.code)) throw error;
    // Without the error as its cause: the detail of a failed constraint is the row, with the body of the message.
    const constraint = refusal.constraint === undefined ? '' : `, constraint ${refusal.constraint}`;
    throw new RefusedCommitError(`The database refused a batch: ${refusal.message} (${refusal.code}${constraint})`);
  }
}

/** The pool, with one error for every way in which a database can be away: pg has a plain one for each. */
function reachable(pool: Pool): Queries {
  return {
    query: async <R extends pg.QueryResultRow>(statement: Statement, values: readonly unknown[]) => {
      try {
        return await pool.query<R>(statement, values);
      } catch (error) {
        if (isFaultOfOurs(error)) throw error;
        const message = 'The database did not answer in time: repeat, a write with the same id or key.';
        throw new TandemError('UNAVAILABLE', message, { cause: error, retryAfterMs: RETRY_AFTER_MS });
      }
    },
  };
}

/** A statement that the database would refuse again, or an answer that we cannot read. */
function isFaultOfOurs(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return error instanceof RangeError || error instanceof TypeError;
  const { code = '' } = error;
  return !UNKNOWN_OUTCOME.test(code) && !TEMPORARY.test(code);
}

/** What a session is read as; its living seats in the order in which they were taken. */
const SESSION = `
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
    ) as seats
  from sessions s`;

interface SessionRow {
  id: string;
  epoch: number;
  capacity: number;
  locked: boolean;
  approval: boolean;
  share_history: boolean;
  metadata: JsonObject;
  code: string | null;
  ever_paired: boolean;
  closed_reason: 'closed' | 'idle' | 'expired' | 'empty' | null;
  last_seq: number;
  created_at: number;
  code_expires_at: number | null;
  closed_at: number | null;
  last_activity_at: number;
  seats: SeatRow[] | null;
}

interface SeatRow {
  id: string;
  role: Role;
  name: string | null;
  userId: string | null;
  tokenHash: string;
  keyHash: string | null;
  keyAt: number | null;
  joinedAt: number;
  joinedSeq: number;
  delivered: number;
  read: number;
}

/** Two selects, so that each is answered by its own partial index: with years of closed sessions in between. */
const LOAD_SESSIONS = {
  name: 'load_sessions',
  text: `
    ${SESSION} where s.closed_at is null
    union all
    ${SESSION} where s.closed_at is not null and s.code is not null and s.code_expires_at > to_timestamp($1 / 1000.0)`,
};

async function loadSessions(pool: Queries, now: number): Promise<StoredSession[]> {
  const rows = await pool.query<SessionRow>(LOAD_SESSIONS, [now]);
  return rows.map((row) => storedSession(row, now));
}

const LOAD_SESSION = { name: 'load_session', text: `${SESSION} where s.id = $1` };

async function loadSession(pool: Queries, sessionId: string, now: number): Promise<StoredSession | null> {
  if (!isUuid(sessionId)) return null;
  const [row] = await pool.query<SessionRow>(LOAD_SESSION, [sessionId]);
  return row === undefined ? null : storedSession(row, now);
}

const RAISE_EPOCH = { name: 'raise_epoch', text: 'select raise_epoch($1, $2) as epoch' };

async function raiseEpoch(pool: Queries, sessionId: string, knownEpoch: number): Promise<number | null> {
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

async function findByCode(pool: Queries, code: string, now: number): Promise<string | null> {
  const [row] = await pool.query<{ id: string }>(FIND_BY_CODE, [code, now]);
  return row?.id ?? null;
}

function storedSession(row: SessionRow, now: number): StoredSession {
  const seats = row.seats ?? [];
  return {
    document: {
      id: row.id,
      epoch: row.epoch,
      createdAt: row.created_at,
      capacity: row.capacity,
      locked: row.locked,
      approval: row.approval,
      shareHistory: row.share_history,
      metadata: row.metadata,
      code:
        row.code === null || row.code_expires_at === null ? null : { value: row.code, expiresAt: row.code_expires_at },
      everPaired: row.ever_paired,
      seats: seats.map((seat) => storedSeat(seat, now)),
      closed:
        row.closed_reason === null || row.closed_at === null ? null : { reason: row.closed_reason, at: row.closed_at },
    },
    lastSeq: row.last_seq,
    lastActivityAt: row.last_activity_at,
    receipts: new Map(seats.map(({ id, delivered, read }) => [id, { delivered, read }])),
  };
}

/** Nobody is connected to a seat that was just read, and its grace begins now. */
function storedSeat(row: SeatRow, now: number): SessionDocument['seats'][number] {
  const { id, role, name, userId, tokenHash, keyHash, keyAt, joinedAt, joinedSeq } = row;
  return {
    id,
    role,
    name,
    userId,
    tokenHash,
    key: keyHash === null || keyAt === null ? null : { hash: keyHash, at: keyAt },
    joinedAt,
    joinedSeq,
    presence: 'away',
    awaySince: now,
    generation: 0,
    instance: null,
  };
}

const MESSAGE = `
  select id, seq, session_id, participant_id, type, body, (extract(epoch from sent_at) * 1000)::bigint as sent_at
  from messages where session_id = $1`;
const MESSAGES_AFTER = { name: 'messages_after', text: `${MESSAGE} and seq > $2 order by seq limit $3` };
const MESSAGES_BEFORE = { name: 'messages_before', text: `${MESSAGE} and seq < $2 order by seq desc limit $3` };

interface MessageRow {
  id: string;
  seq: number;
  session_id: string;
  participant_id: string | null;
  type: string;
  body: JsonValue;
  sent_at: number;
}

async function readMessages(pool: Queries, sessionId: string, range: LogRange): Promise<Message[]> {
  if (!isUuid(sessionId)) return [];
  const rows =
    'afterSeq' in range
      ? await pool.query<MessageRow>(MESSAGES_AFTER, [sessionId, range.afterSeq, range.limit])
      : (await pool.query<MessageRow>(MESSAGES_BEFORE, [sessionId, range.beforeSeq, range.limit])).reverse();
  return rows.map((row) => ({
    id: row.id,
    seq: row.seq,
    sessionId: row.session_id,
    from: row.participant_id ?? 'server',
    type: row.type,
    body: row.body,
    sentAt: new Date(row.sent_at).toISOString(),
  }));
}

/** The body as the text that was stored: a parsed one would have lost the order of keys like "1" and long numbers. */
const SEND = `
  select participant_id as "participantId", id, seq, (extract(epoch from sent_at) * 1000)::bigint as "sentAt", type,
    body::text as "bodyJson"
  from messages where session_id = $1`;
/** The newest: an id is a new message again after the retry horizon. */
const FIND_SEND = { name: 'find_send', text: `${SEND} and participant_id = $2 and id = $3 order by seq desc limit 1` };

async function findSend(
  pool: Queries,
  sessionId: string,
  participantId: string,
  id: string,
): Promise<StoredSend | null> {
  if (!isUuid(sessionId) || !isUuid(participantId)) return null;
  const [row] = await pool.query<StoredSend>(FIND_SEND, [sessionId, participantId, id]);
  return row ?? null;
}

const RECENT_SENDS = {
  name: 'recent_sends',
  text: `${SEND} and participant_id is not null and sent_at >= to_timestamp($2 / 1000.0) order by seq desc limit $3`,
};

async function recentSends(pool: Queries, sessionId: string, since: number, limit: number): Promise<StoredSend[]> {
  return isUuid(sessionId) ? await pool.query<StoredSend>(RECENT_SENDS, [sessionId, since, limit]) : [];
}

/** What is no UUID names nothing here; asking Postgres would be an error. */
function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}
