-- oldest-code: 0.1.0

-- What happened to a session, for whoever looks at it later. Written by triggers on the rows that commit_batch writes:
-- so an event is there exactly when the change is, and a batch that is repeated, or an earlier view that comes late, adds
-- none.

create table if not exists session_events (
  id bigint generated always as identity primary key,
  -- No foreign key: written in the transaction of the session's own row, and removed by age.
  session_id uuid not null,
  -- By the clock that decided the change. Events of one batch are ordered by it, not by id.
  at timestamptz not null,
  kind text not null check (kind in (
    'created', 'joined', 'paired', 'left', 'host_changed', 'locked', 'unlocked', 'code_changed', 'rebuilt', 'closed'
  )),
  participant_id uuid,
  -- Of `left` and `closed`.
  reason text
);

create or replace function record_session_event() returns trigger
language plpgsql
as $$
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
  -- A command is an activity: of these no other time is known here.
  if new.locked <> old.locked then
    insert into session_events (session_id, at, kind)
    values (new.id, new.last_activity_at, case when new.locked then 'locked' else 'unlocked' end);
  end if;
  if new.code is distinct from old.code then
    insert into session_events (session_id, at, kind) values (new.id, new.last_activity_at, 'code_changed');
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
  end if;
  return null;
end
$$;

-- The head of a session moves with every message: an update of its other columns alone comes to these, and the condition
-- is looked at without a call.
drop trigger if exists session_created on sessions;
create trigger session_created after insert on sessions
for each row execute function record_session_event();
drop trigger if exists session_changed on sessions;
create trigger session_changed after update of epoch, locked, code, closed_at on sessions
for each row
when (
  (old.epoch, old.locked, old.code, old.closed_at) is distinct from (new.epoch, new.locked, new.code, new.closed_at)
)
execute function record_session_event();

drop trigger if exists seat_taken on participants;
create trigger seat_taken after insert on participants
for each row execute function record_seat_event();
drop trigger if exists seat_changed on participants;
create trigger seat_changed after update of role, left_at on participants
for each row
when ((old.role, old.left_at) is distinct from (new.role, new.left_at))
execute function record_seat_event();
