import type { DueMail, MailCounts, MailQueue, MailResult, NewMail } from '../../sessions/ports.ts';
import type { Pool } from '../pool.ts';

type Queries = Pick<Pool, 'query'>;

export function createMailQueue(queries: Queries): MailQueue {
  return {
    enqueue: (mail) => enqueue(queries, mail),
    take: (now, leaseMs, atMost) => take(queries, now, leaseMs, atMost),
    settle: (results, now) => settle(queries, results, now),
    counts: () => counts(queries),
  };
}

const ENQUEUE = {
  name: 'enqueue_mail',
  text: `
    insert into mail_queue (id, session_id, sender, recipient, content, due_at, created_at)
    values ($1, $2, $3, $4, $5, to_timestamp($6 / 1000.0), to_timestamp($7 / 1000.0))
    on conflict (id) do nothing`,
};

async function enqueue(queries: Queries, mail: NewMail): Promise<void> {
  const { id, sessionId, sender, recipient, content, dueAt, now } = mail;
  await queries.query(ENQUEUE, [id, sessionId, sender, recipient, JSON.stringify(content), dueAt, now]);
}

const TAKE = {
  name: 'take_mails',
  text: `
    select id, session_id as "sessionId", sender, recipient, content, attempts,
      (extract(epoch from created_at) * 1000)::bigint as "createdAt"
    from take_mails($1, $2, $3)`,
};

async function take(queries: Queries, now: number, leaseMs: number, atMost: number): Promise<DueMail[]> {
  return await queries.query<DueMail>(TAKE, [now, leaseMs, atMost]);
}

const SETTLE = { name: 'settle_mails', text: 'select settle_mails($1::json, $2)' };

async function settle(queries: Queries, results: readonly MailResult[], now: number): Promise<void> {
  if (results.length > 0) await queries.query(SETTLE, [JSON.stringify(results.map(settledRow)), now]);
}

function settledRow(result: MailResult): unknown {
  const { id, attempts, kind: status } = result;
  switch (result.kind) {
    case 'sent':
      return { id, attempts, status };
    case 'waiting':
      return { id, attempts, status, due_at: result.dueAt, error: result.error };
    case 'dead':
    case 'withdrawn':
      return { id, attempts, status, error: result.error };
  }
}

/** Each by a partial index: those that were sent are the most. */
const COUNTS = {
  name: 'count_mails',
  text: `
    select (select count(*) from mail_queue where status = 'waiting') as waiting,
      (select count(*) from mail_queue where status = 'dead') as dead`,
};

async function counts(queries: Queries): Promise<MailCounts> {
  const [row] = await queries.query<{ waiting: number; dead: number }>(COUNTS, []);
  return { waiting: row?.waiting ?? 0, dead: row?.dead ?? 0 };
}
