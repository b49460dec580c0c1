-- oldest-code: 0.1.0

-- The hot state of an open session was lost, or has lost a part of what it acknowledged: a new epoch begins. Raises it
-- only from the one that the caller knows, so of several who noticed the same loss one begins an epoch and the others
-- find it. From then on whoever writes under the old epoch is refused, and versions count anew.
--
-- Gives the epoch that holds now; null when there is no such session, or it is closed.
create or replace function raise_epoch(session uuid, known_epoch integer) returns integer
language plpgsql
set lock_timeout = '1500ms'
as $$
declare
  held integer;
begin
  select epoch into held from sessions where id = session and closed_at is null for no key update;
  if not found then
    return null;
  end if;
  if held <> known_epoch then
    return held;
  end if;
  update sessions set epoch = held + 1, version = 0 where id = session;
  update participants set version = 0 where session_id = session;
  return held + 1;
end
$$;
