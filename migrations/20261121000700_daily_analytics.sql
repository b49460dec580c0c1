-- oldest-code: 0.1.0

-- What happened on each UTC day, added up as it is stored, by triggers, in the transaction that stores it. So a summary
-- reads a row or a few for each day, whatever the tables hold, and outlives what retention deletes.
--
-- Of one day there are several rows, for writers at the same time: none waits for another. See analytics_slot.
create table if not exists daily_analytics (
  day date not null,
  slot integer not null,
  -- By the day on which they were created.
  sessions bigint not null default 0,
  -- By the day on which the second participant arrived, for the first time.
  pairings bigint not null default 0,
  time_to_pair_ms bigint not null default 0,
  -- By the day on which they were sent.
  messages bigint not null default 0,
  -- By the day on which they were closed.
  closed_closed bigint not null default 0,
  closed_idle bigint not null default 0,
  closed_expired bigint not null default 0,
  closed_empty bigint not null default 0,
  duration_ms bigint not null default 0,
  primary key (day, slot)
-- No index has the counters, so a row is rewritten within its page.
) with (fillfactor = 50);

-- A slot that nobody else writes to until this transaction ends. Taken without waiting: so transactions that write to
-- several days can't wait for each other, whatever the order. As many slots as there ever were writers at once.
create or replace function analytics_slot() returns integer
language plpgsql
as $$
declare
  slot integer := 0;
begin
  -- 2051059557: of all advisory locks of two numbers ours, "tandem_analytics" by CRC-32.
  while not pg_try_advisory_xact_lock(2051059557, slot) loop
    slot := slot + 1;
  end loop;
  return slot;
end
$$;

create or replace function utc_day(moment timestamptz) returns date
language sql immutable
as $$ select (moment at time zone 'UTC')::date $$;

-- A clock may be set back: no duration is negative.
create or replace function duration_ms(since timestamptz, until timestamptz) returns bigint
language sql immutable
as $$ select greatest(0, (extract(epoch from until) * 1000)::bigint - (extract(epoch from since) * 1000)::bigint) $$;

create or replace function count_session() returns trigger
language plpgsql
as $$
declare
  slot_of_ours integer := analytics_slot();
begin
  if tg_op = 'INSERT' then
    insert into daily_analytics as stored (day, slot, sessions) values (utc_day(new.created_at), slot_of_ours, 1)
    on conflict (day, slot) do update set sessions = stored.sessions + 1;
  elsif old.closed_at is not null then
    perform count_close(old, -1, slot_of_ours);
  end if;
  if new.closed_at is not null then
    perform count_close(new, 1, slot_of_ours);
  end if;
  return null;
end
$$;

-- `times`: -1 takes it back, of a session whose later view is that it was closed otherwise.
create or replace function count_close(session sessions, times integer, slot_of_ours integer) returns void
language sql
as $$
  insert into daily_analytics as stored (
    day, slot, closed_closed, closed_idle, closed_expired, closed_empty, duration_ms
  )
  select utc_day(session.closed_at), slot_of_ours,
    times * (session.closed_reason = 'closed')::integer,
    times * (session.closed_reason = 'idle')::integer,
    times * (session.closed_reason = 'expired')::integer,
    times * (session.closed_reason = 'empty')::integer,
    times * duration_ms(session.created_at, session.closed_at)
  on conflict (day, slot) do update set
    closed_closed = stored.closed_closed + excluded.closed_closed,
    closed_idle = stored.closed_idle + excluded.closed_idle,
    closed_expired = stored.closed_expired + excluded.closed_expired,
    closed_empty = stored.closed_empty + excluded.closed_empty,
    duration_ms = stored.duration_ms + excluded.duration_ms
$$;

create or replace function count_pairing() returns trigger
language plpgsql
as $$
begin
  if is_second_seat(new) then
    insert into daily_analytics as stored (day, slot, pairings, time_to_pair_ms)
    select utc_day(new.joined_at), analytics_slot(), 1, duration_ms(s.created_at, new.joined_at)
    from sessions s where s.id = new.session_id
    on conflict (day, slot) do update set
      pairings = stored.pairings + 1,
      time_to_pair_ms = stored.time_to_pair_ms + excluded.time_to_pair_ms;
  end if;
  return null;
end
$$;

create or replace function count_messages() returns trigger
language plpgsql
as $$
begin
  insert into daily_analytics as stored (day, slot, messages)
  select utc_day(a.sent_at), analytics_slot(), count(*) from added a group by 1
  on conflict (day, slot) do update set messages = stored.messages + excluded.messages;
  return null;
end
$$;

-- What is stored already, once. Nothing is written between this and the triggers: locked in the order of commit_batch.
do $$ begin
  lock table sessions, participants, messages in share row exclusive mode;
end $$;
insert into daily_analytics (
  day, slot, sessions, pairings, time_to_pair_ms, messages, closed_closed, closed_idle, closed_expired, closed_empty,
  duration_ms
)
select day, 0, sum(sessions), sum(pairings), sum(time_to_pair_ms), sum(messages), sum(closed_closed), sum(closed_idle),
  sum(closed_expired), sum(closed_empty), sum(duration_ms)
from (
  select utc_day(created_at) as day, 1 as sessions, 0 as pairings, 0::bigint as time_to_pair_ms, 0::bigint as messages,
    0 as closed_closed, 0 as closed_idle, 0 as closed_expired, 0 as closed_empty, 0::bigint as duration_ms
  from sessions
  union all
  select utc_day(closed_at), 0, 0, 0, 0, (closed_reason = 'closed')::integer, (closed_reason = 'idle')::integer,
    (closed_reason = 'expired')::integer, (closed_reason = 'empty')::integer, duration_ms(created_at, closed_at)
  from sessions where closed_at is not null
  union all
  select utc_day(p.joined_at), 0, 1, duration_ms(s.created_at, p.joined_at), 0, 0, 0, 0, 0, 0
  from (
    select session_id, joined_at, row_number() over (partition by session_id order by seat_number) as position
    from participants
  ) p join sessions s on s.id = p.session_id
  where p.position = 2
  union all
  select utc_day(sent_at), 0, 0, 0, count(*), 0, 0, 0, 0, 0 from messages group by 1
) counted
where not exists (select from daily_analytics)
group by day;

drop trigger if exists session_created_counted on sessions;
create trigger session_created_counted after insert on sessions
for each row execute function count_session();
drop trigger if exists session_closed_counted on sessions;
create trigger session_closed_counted after update of closed_at, closed_reason on sessions
for each row
when ((old.closed_at, old.closed_reason) is distinct from (new.closed_at, new.closed_reason))
execute function count_session();
drop trigger if exists seat_taken_counted on participants;
create trigger seat_taken_counted after insert on participants
for each row execute function count_pairing();
drop trigger if exists messages_counted on messages;
create trigger messages_counted after insert on messages
referencing new table as added
for each statement execute function count_messages();
