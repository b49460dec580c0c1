/** The durable store in a Supabase project: over its Data API, where functions of the database hold the SQL. */
import type { AccountStore } from '../auth/ports.ts';
import {
  DivergenceError,
  RefusedCommitError,
  type CommitBatch,
  type DurableStore,
  type MailQueue,
  type StoredSession,
} from '../sessions/ports.ts';
import { commitBatchJson } from './commit-batch-json.ts';
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
import { closedAmong, findByCode, findByKey, loadSession, openHeads, raiseEpoch } from './sql-store/sessions.ts';
import { storedSession, type SessionRow } from './stored-rows.ts';
import { SupabaseCallError, type SupabaseCalls } from './supabase-client.ts';
import { supabaseQueries } from './supabase-queries.ts';
import { unavailable } from './unavailable.ts';

type Calls = Pick<SupabaseCalls, 'call'>;

/**
 * Every method rejects with `UNAVAILABLE` within 2 s when the project does not answer, or answers that it cannot work
 * now; nothing is tried twice. `writer` is for commits alone: what everybody waits for must not queue behind what one
 * client reads.
 */
export function createSupabaseStore(connections: Calls, writer: Calls = connections): DurableStore {
  const calls = reachable(connections);
  const writing = reachable(writer);
  const queries = supabaseQueries(calls);
  return {
    commit: (batch) => commit(writing, batch),
    loadSessions: (now) => loadSessions(calls, now),
    loadSession: (sessionId, now) => loadSession(queries, sessionId, now),
    raiseEpoch: (sessionId, knownEpoch) => raiseEpoch(queries, sessionId, knownEpoch),
    findByCode: (code, now) => findByCode(queries, code, now),
    findByKey: (keyHash) => findByKey(queries, keyHash),
    openHeads: (above, limit) => openHeads(queries, above, limit),
    closedAmong: (sessionIds) => closedAmong(queries, sessionIds),
    readMessages: (sessionId, range) => readMessages(queries, sessionId, range),
    findSend: (sessionId, participantId, id) => findSend(queries, sessionId, participantId, id),
    recentSends: (sessionId, since, limit) => recentSends(queries, sessionId, since, limit),
    listSessions: (status, page, now) => listSessions(queries, status, page, now),
    searchSessions: (search, status, page, now) => searchSessions(queries, search, status, page, now),
    sessionsOfUser: (userId, page, now) => sessionsOfUser(queries, userId, page, now),
    leftSeats: (sessionId) => leftSeats(queries, sessionId),
    seatsOfUser: (sessionId, userId) => seatsOfUser(queries, sessionId, userId),
    recordEvents: (events) => recordEvents(queries, events),
    sessionEvents: (sessionId, page) => sessionEvents(queries, sessionId, page),
    analytics: (fromDay, toDay) => analytics(queries, fromDay, toDay),
    expire: (request) => expire(queries, request),
    ping: () => ping(calls),
  };
}

/** Away, the project is the same to it as to the store of sessions. */
export function createSupabaseAccounts(calls: Calls): AccountStore {
  return createAccountStore(supabaseQueries(reachable(calls)));
}

export function createSupabaseMailQueue(calls: Calls): MailQueue {
  return createMailQueue(supabaseQueries(reachable(calls)));
}

/** Which database this is: see `databaseIdentity`, of which this is the other half. */
export async function supabaseIdentity(calls: Calls): Promise<string> {
  const id = await ask<string | null>(calls, 'identity');
  if (id === null) throw new Error('The table deployment has lost its row: insert into deployment default values.');
  return id;
}

/** The casts of all answers are here: the functions are ours, and the schema was checked at start. */
async function ask<T>(calls: Calls, name: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<T> {
  return (await calls.call(name, parameters)) as T;
}

async function ping(calls: Calls): Promise<void> {
  await calls.call('identity');
}

interface CommitRefusal {
  readonly code: string;
  readonly message: string;
  readonly constraint: string | null;
}

async function commit(calls: Calls, given: CommitBatch): Promise<void> {
  const batch = commitBatchJson(given);
  // A batch of nothing is a probe of the way that batches go.
  if (batch === null) return ping(calls);
  const refusal = await ask<CommitRefusal | null>(calls, 'commit', { batch });
  if (refusal === null) return;
  const { code, message, constraint } = refusal;
  if (code === DIVERGENCE) throw new DivergenceError(message);
  const reason = `The database refused a batch: ${message} (${code}${constraint === null ? '' : `, constraint ${constraint}`})`;
  if (isUnknownOutcome(code)) throw unavailable(new Error(reason));
  throw new RefusedCommitError(reason);
}

/** The calls, with one error for every way in which a project can be away. */
function reachable(calls: Calls): Calls {
  return {
    call: async (name, parameters) => {
      try {
        return await calls.call(name, parameters);
      } catch (error) {
        throw isFaultOfOurs(error) ? error : unavailable(error);
      }
    },
  };
}

/** A statement that the database would refuse again. Whatever a gateway says by itself may pass, or be put right. */
function isFaultOfOurs(error: unknown): boolean {
  if (!(error instanceof SupabaseCallError)) return true;
  const isOfTheDatabase = /^[0-9A-Z]{5}$/.test(error.code);
  return isOfTheDatabase && !isUnknownOutcome(error.code) && !isTemporary(error.code);
}

/** Of one answer, which has to be there within the deadline of a call. */
const SESSIONS_OF_PAGE = 500;
const PAGES_AT_ONCE = 4;

/** A connection would give them all at once; here an answer has a deadline, however many they are. */
async function loadSessions(calls: Calls, now: number): Promise<StoredSession[]> {
  const ids = await ask<string[]>(calls, 'session_ids', { at_time: now });
  const pages = chunks(ids, SESSIONS_OF_PAGE);
  const sessions: StoredSession[] = [];
  for (const group of chunks(pages, PAGES_AT_ONCE)) {
    const rows = await Promise.all(group.map((page) => ask<SessionRow[]>(calls, 'sessions', { ids: page })));
    sessions.push(...rows.flat().map((row) => storedSession(row, now)));
  }
  return sessions;
}

function chunks<T>(items: readonly T[], length: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / length) }, (_, index) =>
    items.slice(index * length, (index + 1) * length),
  );
}
