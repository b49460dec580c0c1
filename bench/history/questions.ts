import type pg from 'pg';
import { writeCursor } from '../../server/durable/list-cursor.ts';
import type { DurableStore } from '../../server/sessions/ports.ts';
import type { Random } from '../../test/support/random.ts';

const PAGE = 50;
const LIST = 20;
const SUMMARY_DAYS = 90;
const DAY_MS = 86_400_000;
/** So many of each are chosen from. */
const CHOICE = 5000;
/** A session in which one pages far. */
const LONG = 1000;
const STATUSES = [null, 'waiting', 'paired', 'closed'] as const;

/** One call of the store, with arguments of its own each time. */
export type Question = (store: DurableStore, random: Random) => Promise<{ readonly length: number }>;

/** What the arguments are drawn from. */
export interface Choice {
  readonly sessions: readonly SessionChoice[];
  readonly longSessions: readonly SessionChoice[];
  readonly users: readonly string[];
  /** Ids of sessions: places in a list. */
  readonly places: readonly string[];
}

interface SessionChoice {
  readonly id: string;
  readonly lastSeq: number;
}

export async function readChoice(client: pg.Client): Promise<Choice> {
  const sessions = await rows<SessionChoice>(
    client,
    `select id, last_seq::int as "lastSeq" from sessions where last_seq > 0 order by md5(id::text) limit ${CHOICE}`,
  );
  const longest = await rows<SessionChoice>(
    client,
    `select id, last_seq::int as "lastSeq" from sessions order by last_seq desc limit ${LIST}`,
  );
  const users = await rows<{ id: string }>(
    client,
    `select user_id as id from participants where user_id is not null group by 1 order by md5(user_id) limit ${CHOICE}`,
  );
  const longSessions = longest.filter(({ lastSeq }) => lastSeq >= LONG);
  return {
    sessions,
    // An archive so small that it has none pages through what it has.
    longSessions: longSessions.length > 0 ? longSessions : longest,
    users: users.map(({ id }) => id),
    places: sessions.map(({ id }) => id),
  };
}

/** A page of any session, of one in two cases from somewhere in a long one. */
export function historyPage({ sessions, longSessions }: Choice): Question {
  return (store, random) => {
    const { id, lastSeq } = random.pick(random.next() < 0.5 ? sessions : longSessions);
    const seq = random.below(lastSeq + 1);
    return store.readMessages(
      id,
      random.next() < 0.5 ? { afterSeq: seq, limit: PAGE } : { beforeSeq: seq + 1, limit: PAGE },
    );
  };
}

export function sessionsOfUser({ users }: Choice): Question {
  return async (store, random) =>
    (await store.sessionsOfUser(random.pick(users), { cursor: null, limit: LIST }, Date.now())).items;
}

export function sessionList({ places }: Choice): Question {
  return async (store, random) => {
    const status = random.pick(STATUSES);
    const cursor = random.next() < 0.5 ? null : writeCursor(`sessions ${status ?? 'all'}`, random.pick(places));
    return (await store.listSessions(status, { cursor, limit: LIST }, Date.now())).items;
  };
}

/** A window of 90 days that ends on one of the last 90. */
export function analyticsSummary(): Question {
  return (store, random) => {
    const lastDay = Date.now() - random.below(SUMMARY_DAYS) * DAY_MS;
    return store.analytics(dayOf(lastDay - (SUMMARY_DAYS - 1) * DAY_MS), dayOf(lastDay));
  };
}

/** What the summary of 90 days would be without the rows that triggers add up: counted from the tables. */
export const COUNTED_SUMMARY = `
  select day, sum(sessions), sum(pairings), sum(ms), sum(messages), sum(closed), sum(lasted) from (
    select utc_day(created_at) as day, count(*) as sessions, 0 as pairings, 0 as ms, 0 as messages, 0 as closed, 0 as lasted
    from sessions where created_at >= $1 and created_at < $2 group by 1
    union all
    select utc_day(closed_at), 0, 0, 0, 0, count(*), sum(duration_ms(created_at, closed_at))
    from sessions where closed_at >= $1 and closed_at < $2 group by 1, closed_reason
    union all
    select utc_day(at), 0, count(*), 0, 0, 0, 0
    from session_events where kind = 'paired' and at >= $1 and at < $2 group by 1
    union all
    select utc_day(sent_at), 0, 0, 0, count(*), 0, 0 from messages where sent_at >= $1 and sent_at < $2 group by 1
  ) counted group by day order by day`;

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

async function rows<R extends pg.QueryResultRow>(client: pg.Client, text: string): Promise<R[]> {
  return (await client.query<R>(text)).rows;
}
