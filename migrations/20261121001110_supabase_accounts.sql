-- oldest-code: 0.1.0

-- What the server asks of a Supabase project about accounts, mails and the seats of a user: one function for each question
-- and each write, as 20261121000900 has them for sessions. What is JSON comes as text, as it was written.

create or replace function tandem_register_user(account text, login text) returns json
language sql
as $$
  select json_build_array(json_build_object('made', register_user(account::json, login::json)))
$$;

create or replace function tandem_find_by_email(given_key text) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found)), '[]') from (
    select id, email, name, password_hash as "passwordHash", (extract(epoch from created_at) * 1000)::bigint as "createdAt"
    from users where email_key = given_key
  ) found
$$;

create or replace function tandem_find_user(of_user uuid) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found)), '[]') from (
    select id, email, name, password_hash as "passwordHash", (extract(epoch from created_at) * 1000)::bigint as "createdAt"
    from users where id = of_user
  ) found
$$;

create or replace function tandem_count_users() returns json
language sql stable
as $$
  select json_build_array(json_build_object('users', (select count(*) from users)))
$$;

-- Empty when there is no such user.
create or replace function tandem_begin_login(login text, of_user uuid, known_hash text) returns json
language plpgsql
as $$
begin
  perform 1 from users where id = of_user and password_hash = known_hash for share;
  if not found then
    return '[]';
  end if;
  perform begin_login(login::json);
  return json_build_array(json_build_object('id', of_user));
end
$$;

create or replace function tandem_refresh_login(used text) returns json
language sql
as $$
  select json_agg(json_build_object('kind', r.outcome, 'loginId', r.login_id, 'userId', r.user_id))
  from refresh_login(used::json) r
$$;

create or replace function tandem_logins(of_user uuid, at_time bigint, most integer) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found) order by found."lastUsedAt" desc), '[]') from (
    select id, ip, user_agent as "userAgent", (extract(epoch from created_at) * 1000)::bigint as "createdAt",
      (extract(epoch from last_used_at) * 1000)::bigint as "lastUsedAt"
    from logins
    where user_id = of_user and ended_at is null and expires_at > to_timestamp(at_time / 1000.0)
    order by last_used_at desc limit most
  ) found
$$;

create or replace function tandem_login_ends_at(of_login uuid, at_time bigint) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found)), '[]') from (
    select (extract(epoch from expires_at) * 1000)::bigint as "endsAt"
    from logins where id = of_login and ended_at is null and expires_at > to_timestamp(at_time / 1000.0)
  ) found
$$;

create or replace function tandem_end_logins(
  owner uuid, chosen uuid[], keep uuid, reason text, moment bigint, revoked_until bigint
) returns json
language sql
as $$
  select coalesce(json_agg(json_build_object('id', ended)), '[]')
  from end_logins(owner, chosen, keep, reason, moment, revoked_until) ended
$$;

create or replace function tandem_change_password(
  owner uuid, known_hash text, next_hash text, keep uuid, moment bigint, revoked_until bigint
) returns json
language sql
as $$
  select json_build_array(json_build_object(
    'ended', change_password(owner, known_hash, next_hash, keep, moment, revoked_until)
  ))
$$;

create or replace function tandem_delete_user(subject text, moment bigint, revoked_until bigint) returns json
language sql
as $$
  select delete_user(subject, moment, revoked_until);
  select '[]'::json
$$;

create or replace function tandem_revoke_tokens(given text) returns json
language sql
as $$
  select revoke_tokens(given::json);
  select '[]'::json
$$;

create or replace function tandem_changed_revocations(since numeric, most integer) returns json
language sql
as $$
  select json_build_array(json_build_object('changes', changed_revocations(since, most)))
$$;

create or replace function tandem_enqueue_mail(
  mail uuid, of_session uuid, sent_by text, sent_to text, filled_with text, first_due bigint, at_time bigint
) returns json
language sql
as $$
  insert into mail_queue (id, session_id, sender, recipient, content, due_at, created_at)
  values (
    mail, of_session, sent_by, sent_to, filled_with::json, to_timestamp(first_due / 1000.0), to_timestamp(at_time / 1000.0)
  )
  on conflict (id) do nothing;
  select '[]'::json
$$;

create or replace function tandem_take_mails(moment bigint, lease_ms bigint, at_most integer) returns json
language sql
as $$
  select coalesce(json_agg(json_build_object(
    'id', m.id, 'sessionId', m.session_id, 'sender', m.sender, 'recipient', m.recipient, 'content', m.content,
    'attempts', m.attempts, 'createdAt', (extract(epoch from m.created_at) * 1000)::bigint
  )), '[]')
  from take_mails(moment, lease_ms, at_most) m
$$;

create or replace function tandem_settle_mails(given text, moment bigint) returns json
language sql
as $$
  select settle_mails(given::json, moment);
  select '[]'::json
$$;

create or replace function tandem_count_mails() returns json
language sql stable
as $$
  select json_build_array(json_build_object(
    'waiting', (select count(*) from mail_queue where status = 'waiting'),
    'dead', (select count(*) from mail_queue where status = 'dead')
  ))
$$;

-- As before, with the signed-in users who were kicked.
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
      ) as seats,
      (
        select json_agg(k.user_id order by k.kicked_at, k.user_id)
        from (
          select p.user_id, min(p.left_at) as kicked_at from participants p
          where p.session_id = s.id and p.left_reason = 'kicked' and p.user_id is not null
          group by p.user_id order by kicked_at desc limit 200
        ) k
      ) as kicked_users
    from sessions s where s.id = any (ids)
  ) found
$$;

-- A seat that was left: up to which seq everything had been sent by then. Messages of participants are found by their
-- time, and from the last of these on one goes along the log, through what the server itself had sent.
create or replace function tandem_seats_of_user(of_user text, of_session uuid, most integer) returns json
language sql stable
as $$
  with own as materialized (select * from participants where user_id = of_user and session_id = of_session)
  select coalesce(json_agg(row_to_json(found) order by found.place desc), '[]') from (
    select p.id as "participantId", p.seat_number as place, (extract(epoch from p.joined_at) * 1000)::bigint as "joinedAt",
      p.joined_seq as "joinedSeq", (extract(epoch from p.left_at) * 1000)::bigint as "leftAt",
      p.left_reason as "leftReason",
      case when p.left_at is not null then coalesce((
        select later.seq - 1 from messages later
        where later.session_id = p.session_id and later.sent_at > p.left_at and later.seq > coalesce((
          select m.seq from messages m
          where m.session_id = p.session_id and m.participant_id is not null and m.sent_at <= p.left_at
          order by m.sent_at desc, m.seq desc limit 1
        ), 0)
        order by later.seq limit 1
      ), s.last_seq) end as "leftSeq"
    from own p join sessions s on s.id = p.session_id
    order by p.seat_number desc limit most
  ) found
$$;

create or replace function tandem_find_by_key(given_hash text) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found)), '[]') from (
    select s.id from participants p join sessions s on s.id = p.session_id
    where p.key_hash = given_hash and p.left_at is null and s.closed_at is null
    order by p.key_at desc limit 1
  ) found
$$;

-- Two selects, each answered by its own partial index, in one statement: none slips from the one into the other.
create or replace function tandem_open_heads(above uuid, most integer) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found) order by found.id), '[]') from (
    (
      select id, epoch, last_seq as "lastSeq", version from sessions
      where closed_at is null and seat_count < 2 and id > above order by id limit most
    ) union all (
      select id, epoch, last_seq, version from sessions
      where closed_at is null and seat_count >= 2 and id > above order by id limit most
    ) order by id limit most
  ) found
$$;

create or replace function tandem_closed_among(ids uuid[]) returns json
language sql stable
as $$
  select coalesce(json_agg(json_build_object('id', s.id, 'epoch', s.epoch)), '[]')
  from sessions s where s.id = any (ids) and s.closed_at is not null
$$;

-- What the server itself sent, when it is repeated.
create or replace function tandem_find_server_send(of_session uuid, message_id text) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found)), '[]') from (
    select
      participant_id as "participantId", id, seq, (extract(epoch from sent_at) * 1000)::bigint as "sentAt", type,
      body::text as "bodyJson"
    from messages where session_id = of_session and participant_id is null and id = message_id
    order by seq desc limit 1
  ) found
$$;

-- In the place of that of 20261121000900, which left out what the server itself sent.
create or replace function tandem_recent_sends(of_session uuid, since bigint, most integer) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found) order by found.seq desc), '[]') from (
    select
      participant_id as "participantId", id, seq, (extract(epoch from sent_at) * 1000)::bigint as "sentAt", type,
      body::text as "bodyJson"
    from messages
    where session_id = of_session and participant_id is not null and sent_at >= to_timestamp(since / 1000.0)
    union all
    select participant_id, id, seq, (extract(epoch from sent_at) * 1000)::bigint, type, body::text
    from messages
    where session_id = of_session and participant_id is null and sent_at >= to_timestamp(since / 1000.0)
    order by seq desc limit most
  ) found
$$;

-- As those of 20261121000900: they run as their owner, and service_role alone may call them.
do $$
declare
  called regprocedure;
  -- The roles of Supabase; no other database has them.
  stranger text;
begin
  for called in
    select p.oid from pg_proc p
    where p.pronamespace = format('%I', current_schema())::regnamespace and p.proname = any (array[
      'tandem_register_user', 'tandem_find_by_email', 'tandem_find_user', 'tandem_count_users', 'tandem_begin_login',
      'tandem_refresh_login', 'tandem_logins', 'tandem_login_ends_at', 'tandem_end_logins', 'tandem_change_password', 'tandem_delete_user',
      'tandem_revoke_tokens', 'tandem_changed_revocations', 'tandem_enqueue_mail', 'tandem_take_mails',
      'tandem_settle_mails', 'tandem_count_mails', 'tandem_sessions', 'tandem_seats_of_user',
      'tandem_find_by_key', 'tandem_open_heads', 'tandem_closed_among', 'tandem_find_server_send', 'tandem_recent_sends'
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
