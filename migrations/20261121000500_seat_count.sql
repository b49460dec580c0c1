-- oldest-code: 0.1.0

-- How many seats of a session live: what tells waiting from paired in a list, without counting them.
alter table sessions add column if not exists seat_count smallint not null default 0;

-- Nothing is written between the count of what is there and the trigger that goes on counting. In a block, because a tool
-- that sends one statement after the other may not lock outside of one.
do $$ begin
  lock table sessions, participants in share row exclusive mode;
end $$;
update sessions s set seat_count = counted.seats
from (select session_id, count(*) as seats from participants where left_at is null group by session_id) counted
where counted.session_id = s.id and s.seat_count <> counted.seats;

create or replace function count_seat() returns trigger
language plpgsql
as $$
begin
  update sessions set seat_count = seat_count + case when new.left_at is null then 1 else -1 end where id = new.session_id;
  return null;
end
$$;

-- The second seat that was ever taken is what pairs a session: one whose only seat frees closes, empty.
create or replace function is_second_seat(seat participants) returns boolean
language sql stable
as $$
  select count(*) = 1
  from (
    select from participants p where p.session_id = seat.session_id and p.seat_number < seat.seat_number limit 2
  ) before
$$;

drop trigger if exists seat_taken_seats on participants;
create trigger seat_taken_seats after insert on participants
for each row when (new.left_at is null)
execute function count_seat();
-- An archiver writes a seat again and again: the condition is looked at without a call.
drop trigger if exists seat_left_seats on participants;
create trigger seat_left_seats after update of left_at on participants
for each row when ((old.left_at is null) <> (new.left_at is null))
execute function count_seat();
