/**
 * An archive of half a year, made by SQL over whole tables, with triggers off. What triggers count is counted afterwards
 * by the migrations themselves: they are safe to apply twice, and count what they find.
 */
import type pg from 'pg';
import { migrationsFrom, undoIndexMigration } from './index-migration.ts';
import { sessionSizes } from './session-sizes.ts';

export const DAYS = 180;
/** Rows of a day in the summary: as many as there were writers at once. */
const SLOTS = 8;
/** The share of seats that are of somebody who signed in. */
const SIGNED_IN = 0.7;

const TABLES = ['sessions', 'participants', 'messages', 'session_events', 'daily_analytics'];

export interface Archive {
  readonly sessions: number;
  readonly messages: number;
}

/**
 * In the order of creation, with ids that begin with the time. The newest one in a hundred is open, half of those with one
 * seat; of twenty one has five seats, one has one, the others have two. `$1`: how many messages each has.
 */
const MADE = `
  create temp table made as
  select n, size, created_at, lasted, until, is_open,
    (lpad(to_hex((extract(epoch from created_at) * 1000)::bigint), 12, '0') || '7' || substr(md5('s' || n), 1, 3)
      || '8' || substr(md5('s' || n), 4, 15))::uuid as id,
    case when is_open and n % 2 = 0 then 1 when n % 20 = 0 then 5 when n % 20 = 1 then 1 else 2 end as seats
  from (
    select n::integer, size, created_at, n > $2 * 0.99 as is_open,
      least(interval '5 minutes' + size * interval '20 seconds', now() - created_at) as lasted,
      least(created_at + interval '5 minutes' + size * interval '20 seconds', now()) as until
    from unnest($1::integer[]) with ordinality as given (size, n),
      date_trunc('milliseconds', now() - interval '1 hour' - ($2 - n) * (interval '${DAYS} days' / $2)) as created_at
  ) sized`;

const STATEMENTS = [
  `insert into sessions (id, epoch, version, created_at, capacity, locked, approval, share_history, metadata, code,
    code_expires_at, ever_paired, closed_reason, closed_at, last_activity_at, last_seq)
  select id, 1, 3, created_at, greatest(2, seats), false, false, n % 3 = 0, '{"room":"bench"}', null, null, seats > 1,
    case when not is_open then (array['closed', 'closed', 'closed', 'idle', 'expired', 'empty'])[1 + n % 6] end,
    case when not is_open then date_trunc('milliseconds', until) end, date_trunc('milliseconds', until), size
  from made order by n`,
  // Few users have many sessions: the number of a user is a share squared.
  `create temp table seats as
  select m.n, m.id as session_id, position, m.created_at + position * interval '3 seconds' as joined_at,
    (lpad(to_hex((extract(epoch from m.created_at) * 1000)::bigint + position * 3000), 12, '0') || '7'
      || substr(md5(n || '.' || position), 1, 3) || '9' || substr(md5(n || '.' || position), 4, 15))::uuid as id,
    case when random() < ${SIGNED_IN} then md5('user ' || floor($1 / 5.0 * power(random(), 2)))::uuid::text end as user_id
  from made m, generate_series(1, m.seats) position`,
  `insert into participants (id, session_id, role, name, user_id, token_hash, joined_at, joined_seq, delivered, read)
  select s.id, s.session_id, case position when 1 then 'host' else 'guest' end, 'Somebody', s.user_id,
    encode(sha256(s.id::text::bytea), 'hex'), s.joined_at, 0, m.size, m.size
  from seats s join made m using (n) order by s.n, position`,
  // As they were archived: those of one session lie among those of all others that were open.
  `insert into messages (session_id, seq, id, participant_id, type, body, sent_at)
  select m.id, seq, substr(md5(m.n || '.' || seq), 1, 21), s.id, 'text',
    to_json(left(repeat(md5(seq || '.' || m.n), 6), 20 + (seq * 37 + m.n) % 160)),
    date_trunc('milliseconds', m.created_at + seq * (m.lasted / (m.size + 1)))
  from made m cross join lateral generate_series(1, m.size) seq
  join seats s on s.n = m.n and s.position = 1 + seq % m.seats
  order by 7`,
  `insert into session_events (session_id, at, kind, participant_id, reason)
  select session_id, at, kind, participant_id, reason from (
    select id as session_id, created_at as at, 'created' as kind, null::uuid as participant_id, null as reason from made
    union all select session_id, joined_at, 'joined', id, null from seats
    union all select session_id, joined_at, 'paired', null, null from seats where position = 2
    union all select id, closed_at, 'closed', null, closed_reason from sessions where closed_at is not null
  ) happened order by at`,
];

/** Rows that other writers would have left: empty, they cost a reader as much. */
const OTHER_SLOTS = `
  insert into daily_analytics (day, slot)
  select counted.day, other.slot
  from (select distinct day from daily_analytics) counted, generate_series(1, ${SLOTS - 1}) as other (slot)`;

/** Into a database that is migrated and empty. */
export async function fillArchive(client: pg.Client, { sessions, messages }: Archive): Promise<void> {
  await client.query(`set work_mem = '256MB'; set maintenance_work_mem = '256MB'; set synchronous_commit = off`);
  await client.query('set session_replication_role = replica; select setseed(0.5)');
  // Made again when the rows are there, which takes less than to keep them up to date.
  await undoIndexMigration(client);
  await client.query(MADE, [sessionSizes(sessions, messages), sessions]);
  await client.query('analyze made');
  for (const statement of STATEMENTS) {
    await client.query(statement.replaceAll('$1', String(sessions)));
    if (statement.startsWith('create temp table seats')) await client.query('analyze seats');
  }
  await client.query('set session_replication_role = origin');
  for (const { sql } of await migrationsFrom('seat_count')) await client.query(sql);
  await client.query(OTHER_SLOTS);
  // What autovacuum comes to do in time.
  for (const table of TABLES) await client.query(`vacuum (analyze) ${table}`);
  // Or it would come while somebody measures.
  await client.query('checkpoint');
}
