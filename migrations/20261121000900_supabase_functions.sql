-- oldest-code: 0.1.0

-- What the server asks of a Supabase project, where it has no connection to Postgres but the Data API: one function for
-- each question and each write, named as the statement of the server that asks the same over a connection, which calls
-- none of these. They run with the rights of their owner, so nobody needs a right to any table, and service_role alone may
-- call them.
--
-- Each gives one value, rows as an array in it: the Data API ends a set of rows after 1000, without a word. Times are Unix
-- milliseconds.

-- Which migrations were applied, by `npm run migrate` or by `supabase db push`: each has a ledger of its own.
create or replace function tandem_schema() returns json
language plpgsql stable
as $$
declare
  ours json := '[]';
  pushed json := '[]';
begin
  if to_regclass('tandem_migrations') is not null then
    execute $ledger$
      select coalesce(json_agg(json_build_object('version', version, 'name', name, 'oldestCode', oldest_code)), '[]')
      from tandem_migrations
    $ledger$ into ours;
  end if;
  -- Others may have pushed migrations too. Ours begin with the line that names the oldest code.
  if to_regclass('supabase_migrations.schema_migrations') is not null then
    execute $ledger$
      select coalesce(json_agg(json_build_object(
        'version', version, 'name', name, 'oldestCode', substring(statements[1] from '^-- oldest-code: (\S+)')
      )), '[]')
      from supabase_migrations.schema_migrations
    $ledger$ into pushed;
  end if;
  return json_build_object('ours', ours, 'pushed', pushed);
end
$$;

create or replace function tandem_identity() returns uuid
language sql stable
as $$
  select id from deployment
$$;

-- The parameter of commit_batch as text: what passes a JSON parser on its way loses the order of keys like "1" and the
-- end of long numbers, and a repeated send is compared with the text that was sent.
--
-- Null when it is stored. Else why it is refused, and then nothing of it is stored: { code, message, constraint }. A
-- value and no error, because what comes between may not pass on a SQLSTATE that it does not know.
create or replace function tandem_commit(batch text) returns json
language plpgsql
as $$
declare
  code text;
  reason text;
  broken text;
begin
  perform commit_batch(batch::json);
  return null;
exception when others then
  -- A cancelled statement is none of these: that is an error as ever. The detail stays here: it is the row, with the body.
  get stacked diagnostics code = returned_sqlstate, reason = message_text, broken = constraint_name;
  return json_build_object('code', code, 'message', reason, 'constraint', nullif(broken, ''));
end
$$;

create or replace function tandem_raise_epoch(of_session uuid, known_epoch integer) returns json
language sql
as $$
  select json_build_array(json_build_object('epoch', raise_epoch(of_session, known_epoch)))
$$;

-- Open sessions, and closed ones whose code would still be found. Their ids alone, in one look: what they hold is then
-- asked for in pages.
create or replace function tandem_session_ids(at_time bigint) returns json
language sql stable
as $$
  select coalesce(json_agg(found.id), '[]') from (
    select id from sessions where closed_at is null
    union all
    select id from sessions
    where closed_at is not null and code is not null and code_expires_at > to_timestamp(at_time / 1000.0)
  ) found
$$;

-- Those that are known, newest first, with their living seats in the order in which they were taken.
create or replace function tandem_sessions(ids uuid[]) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found) order by found.id desc), '[]') from (
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
    from sessions s where s.id = any (ids)
  ) found
$$;

create or replace function tandem_load_session(of_session uuid) returns json
language sql stable
as $$
  select tandem_sessions(array[of_session])
$$;

-- The newest: a code that has expired may belong to another session since.
create or replace function tandem_find_by_code(given_code text, at_time bigint) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found)), '[]') from (
    select id from sessions
    where code = given_code and closed_at is null and code_expires_at > to_timestamp(at_time / 1000.0)
    order by code_expires_at desc limit 1
  ) found
$$;

-- One condition each, without a parameter in it: it is that of a partial index.
create or replace function tandem_list_sessions(below uuid, most integer) returns json
language sql stable
as $$
  select tandem_sessions(array(select id from sessions where id < below order by id desc limit most))
$$;

create or replace function tandem_list_waiting_sessions(below uuid, most integer) returns json
language sql stable
as $$
  select tandem_sessions(array(
    select id from sessions where id < below and closed_at is null and seat_count < 2 order by id desc limit most
  ))
$$;

create or replace function tandem_list_paired_sessions(below uuid, most integer) returns json
language sql stable
as $$
  select tandem_sessions(array(
    select id from sessions where id < below and closed_at is null and seat_count >= 2 order by id desc limit most
  ))
$$;

create or replace function tandem_list_closed_sessions(below uuid, most integer) returns json
language sql stable
as $$
  select tandem_sessions(array(
    select id from sessions where id < below and closed_at is not null order by id desc limit most
  ))
$$;

create or replace function tandem_sessions_of_user(of_user text, below uuid, most integer) returns json
language sql stable
as $$
  select tandem_sessions(array(
    select distinct session_id from participants
    where user_id = of_user and session_id < below
    order by session_id desc limit most
  ))
$$;

create or replace function tandem_session_events(
  of_session uuid, before_at bigint, before_id bigint, most integer
) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found) order by found.at desc, found.id desc), '[]') from (
    select id, (extract(epoch from at) * 1000)::bigint as at, kind, participant_id as "participantId", reason
    from session_events
    where session_id = of_session and (at, id) < (to_timestamp(before_at / 1000.0), before_id)
    order by session_events.at desc, id desc limit most
  ) found
$$;

create or replace function tandem_messages_after(of_session uuid, after_seq bigint, most integer) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found) order by found.seq), '[]') from (
    select id, seq, session_id, participant_id, type, body, (extract(epoch from sent_at) * 1000)::bigint as sent_at
    from messages where session_id = of_session and seq > after_seq order by seq limit most
  ) found
$$;

create or replace function tandem_messages_before(of_session uuid, before_seq bigint, most integer) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found) order by found.seq desc), '[]') from (
    select id, seq, session_id, participant_id, type, body, (extract(epoch from sent_at) * 1000)::bigint as sent_at
    from messages where session_id = of_session and seq < before_seq order by seq desc limit most
  ) found
$$;

-- The newest: an id is a new message again after the retry horizon.
create or replace function tandem_find_send(of_session uuid, of_participant uuid, message_id text) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found)), '[]') from (
    select
      participant_id as "participantId", id, seq, (extract(epoch from sent_at) * 1000)::bigint as "sentAt", type,
      body::text as "bodyJson"
    from messages where session_id = of_session and participant_id = of_participant and id = message_id
    order by seq desc limit 1
  ) found
$$;

create or replace function tandem_recent_sends(of_session uuid, since bigint, most integer) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found) order by found.seq desc), '[]') from (
    select
      participant_id as "participantId", id, seq, (extract(epoch from sent_at) * 1000)::bigint as "sentAt", type,
      body::text as "bodyJson"
    from messages
    where session_id = of_session and participant_id is not null and sent_at >= to_timestamp(since / 1000.0)
    order by seq desc limit most
  ) found
$$;

create or replace function tandem_analytics(from_day text, to_day text) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found) order by found.day), '[]') from (
    select day::text as day, sum(sessions)::bigint as sessions, sum(pairings)::bigint as pairings,
      sum(time_to_pair_ms)::bigint as "timeToPairMs", sum(messages)::bigint as messages,
      json_build_object(
        'closed', sum(closed_closed), 'idle', sum(closed_idle), 'expired', sum(closed_expired),
        'empty', sum(closed_empty)
      ) as closed,
      sum(duration_ms)::bigint as "durationMs"
    from daily_analytics
    where day between from_day::date and to_day::date
    group by daily_analytics.day
  ) found
$$;

create or replace function tandem_expire_rows(
  older_than bigint, keep_newest bigint, moment bigint, at_most integer
) returns json
language sql
as $$
  select json_build_array(json_build_object('expired', expire_rows(older_than, keep_newest, moment, at_most)))
$$;

do $$
declare
  called regprocedure;
  -- The roles of Supabase; no other database has them.
  stranger text;
begin
  for called in
    select p.oid from pg_proc p
    where p.pronamespace = format('%I', current_schema())::regnamespace and p.proname = any (array[
      'tandem_schema', 'tandem_identity', 'tandem_commit', 'tandem_raise_epoch', 'tandem_session_ids', 'tandem_sessions',
      'tandem_load_session', 'tandem_find_by_code', 'tandem_list_sessions', 'tandem_list_waiting_sessions',
      'tandem_list_paired_sessions', 'tandem_list_closed_sessions', 'tandem_sessions_of_user', 'tandem_session_events',
      'tandem_messages_after', 'tandem_messages_before', 'tandem_find_send', 'tandem_recent_sends', 'tandem_analytics',
      'tandem_expire_rows'
    ])
  loop
    -- Whatever the caller's path is: temporary tables are looked up last.
    execute format('alter function %s security definer set search_path = %I, pg_temp', called, current_schema());
    -- The caller gives up after 2 s. The Data API takes this for the whole statement, so it has ended by then.
    execute format('alter function %s set statement_timeout = ''1700ms''', called);
    execute format('revoke all on function %s from public', called);
    for stranger in select quote_ident(rolname) from pg_roles where rolname in ('anon', 'authenticated') loop
      execute format('revoke all on function %s from %s', called, stranger);
    end loop;
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('grant execute on function %s to service_role', called);
    end if;
  end loop;
end
$$;
