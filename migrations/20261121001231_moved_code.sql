-- oldest-code: 0.1.0

-- The change of the code that a kick takes along is the last one of the session, and is not known by its transaction any
-- more: within a subtransaction, xmin is another number than that of the transaction.

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
      -- The last one, if it is not older than the activity that it came with: few rows are looked at.
      with moved as (
        delete from session_events
        where id = (
          select e.id from session_events e join sessions s on s.id = e.session_id
          where e.session_id = new.session_id and e.at >= s.last_activity_at and e.kind = 'code_changed'
          order by e.id desc limit 1
        )
        returning greatest(session_events.at, new.left_at) as at
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
      and p.proname = 'record_seat_event'
  loop
    execute format('alter function %s set search_path = %I, pg_temp', signature, current_schema());
  end loop;
end
$$;
