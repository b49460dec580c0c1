/** The durable store over SQL: embedded Postgres and a real one alike. */
import pg from 'pg';
import { TandemError } from '../../protocol/errors.ts';
import type { AccountStore } from '../auth/ports.ts';
import {
  DivergenceError,
  RefusedCommitError,
  type CommitBatch,
  type DurableStore,
  type MailQueue,
} from '../sessions/ports.ts';
import { commitBatchJson } from './commit-batch-json.ts';
import type { Pool, Statement } from './pool.ts';
import { DIVERGENCE, isTemporary, isUnknownOutcome } from './sql-states.ts';
import { createAccountStore } from './sql-store/account-store.ts';
import { analytics } from './sql-store/analytics.ts';
import { recordEvents } from './sql-store/events.ts';
import { listSessions, sessionEvents, sessionsOfUser } from './sql-store/lists.ts';
import { leftSeats } from './sql-store/left-seats.ts';
import { createMailQueue } from './sql-store/mails.ts';
import { findSend, readMessages, recentSends } from './sql-store/messages.ts';
import { expire } from './sql-store/retention.ts';
import { seatsOfUser } from './sql-store/seats.ts';
import { searchSessions } from './sql-store/session-search.ts';
import {
  closedAmong,
  findByCode,
  findByKey,
  loadSession,
  loadSessions,
  openHeads,
  raiseEpoch,
} from './sql-store/sessions.ts';
import { unavailable } from './unavailable.ts';

type Queries = Pick<Pool, 'query'>;

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
    findByKey: (keyHash) => findByKey(pool, keyHash),
    openHeads: (above, limit) => openHeads(pool, above, limit),
    closedAmong: (sessionIds) => closedAmong(pool, sessionIds),
    readMessages: (sessionId, range) => readMessages(pool, sessionId, range),
    findSend: (sessionId, participantId, id) => findSend(pool, sessionId, participantId, id),
    recentSends: (sessionId, since, limit) => recentSends(pool, sessionId, since, limit),
    listSessions: (status, page, now) => listSessions(pool, status, page, now),
    searchSessions: (search, status, page, now) => searchSessions(pool, search, status, page, now),
    sessionsOfUser: (userId, page, now) => sessionsOfUser(pool, userId, page, now),
    leftSeats: (sessionId) => leftSeats(pool, sessionId),
    seatsOfUser: (sessionId, userId) => seatsOfUser(pool, sessionId, userId),
    recordEvents: (events) => recordEvents(pool, events),
    sessionEvents: (sessionId, page) => sessionEvents(pool, sessionId, page),
    analytics: (fromDay, toDay) => analytics(pool, fromDay, toDay),
    expire: (request) => expire(pool, request),
    ping: () => ping(pool),
  };
}

/** Away, the database is the same to it as to the store of sessions. */
export function createSqlAccounts(connections: Pool): AccountStore {
  return createAccountStore(reachable(connections));
}

export function createSqlMailQueue(connections: Pool): MailQueue {
  return createMailQueue(reachable(connections));
}

async function ping(pool: Queries): Promise<void> {
  await pool.query({ name: 'ping', text: 'select 1' }, []);
}

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
    if (isUnknownOutcome(refusal.code)) throw error;
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
        throw isFaultOfOurs(error) ? error : unavailable(error);
      }
    },
  };
}

/** A statement that the database would refuse again, or an answer that we cannot read. */
function isFaultOfOurs(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return error instanceof RangeError || error instanceof TypeError;
  const { code = '' } = error;
  return !isUnknownOutcome(code) && !isTemporary(code);
}
