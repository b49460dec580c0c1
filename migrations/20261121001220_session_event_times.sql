-- oldest-code: 0.1.0

-- Where changes that have no time of their own stand among the others. The last activity may be older than what happened
-- before such a change: nothing that happened to a session is later than what is stored of it next. And a kick ends the
-- code: its seat is written behind the session, so it is the seat that takes the change of the code along.

create or replace function record_session_event() returns trigger
language plpgsql
as $$
declare
  changed_at timestamptz;
begin
  if tg_op = 'INSERT' then
    insert into session_events (session_id, at, kind) values (new.id, new.created_at, 'created');
    if new.closed_at is not null then
      insert into session_events (session_id, at, kind, reason) values (new.id, new.closed_at, 'closed', new.closed_reason);
    end if;
    return null;
  end if;
  if new.epoch <> old.epoch then
    insert into session_events (session_id, at, kind)
    values (new.id, date_trunc('milliseconds', clock_timestamp()), 'rebuilt');
  end if;
  if new.locked <> old.locked or new.code is distinct from old.code then
    -- Those that are recorded after the fact may be of a time after this change.
    select greatest(new.last_activity_at, max(e.at)) into changed_at
    from (
      select at from session_events
      where session_id = new.id and event_id is null and kind <> 'rebuilt'
      order by session_events.at desc, id desc limit 1
    ) e;
    changed_at := least(changed_at, new.closed_at);
  end if;
  if new.locked <> old.locked then
    insert into session_events (session_id, at, kind)
    values (new.id, changed_at, case when new.locked then 'locked' else 'unlocked' end);
  end if;
  if new.code is distinct from old.code then
    insert into session_events (session_id, at, kind) values (new.id, changed_at, 'code_changed');
  end if;
  if new.closed_at is distinct from old.closed_at and new.closed_at is not null then
    insert into session_events (session_id, at, kind, reason) values (new.id, new.closed_at, 'closed', new.closed_reason);
  end if;
  return null;
end
$$;

create or replace function record_seat_event() returns trigger
language plpgsql
as $$
begin
  if tg_op = 'INSERT' then
    insert into session_events (session_id, at, kind, participant_id)
    values (new.session_id, new.joined_at, 'joined', new.id);
    if is_second_seat(new) then
      insert into session_events (session_id, at, kind) values (new.session_id, new.joined_at, 'paired');
    end if;
  elsif new.role <> old.role then
    insert into session_events (session_id, at, kind, participant_id)
    select new.session_id, s.last_activity_at, 'host_changed', new.id from sessions s where s.id = new.session_id;
  end if;
  if new.left_at is not null and (tg_op = 'INSERT' or old.left_at is null) then
    insert into session_events (session_id, at, kind, participant_id, reason)
    values (new.session_id, new.left_at, 'left', new.id, new.left_reason);
    if new.left_reason = 'kicked' then
      -- Of this batch alone, and not older than the activity that it brought: few rows are looked at.
      with moved as (
        delete from session_events e using sessions s
        where s.id = new.session_id and e.session_id = s.id and e.at >= s.last_activity_at
          and e.kind = 'code_changed' and e.xmin = pg_current_xact_id()::xid
        returning greatest(e.at, new.left_at) as at
      )
      insert into session_events (session_id, at, kind) select new.session_id, moved.at, 'code_changed' from moved;
    end if;
  end if;
  return null;
end
$$;

-- A function that is replaced keeps who may call it, and loses the path that 20261121001000 gave it.
do $$
declare
  signature text;
begin
  for signature in
    select p.oid::regprocedure::text from pg_proc p
    where p.pronamespace = format('%I', current_schema())::regnamespace
      and p.proname = any (array['record_session_event', 'record_seat_event'])
  loop
    execute format('alter function %s set search_path = %I, pg_temp', signature, current_schema());
  end loop;
end
$$;
