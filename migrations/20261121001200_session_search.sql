-- oldest-code: 0.1.0

-- Sessions by the start of their id, or of the name of somebody who sits in them, for the operator's console.

-- Upper and lower case alike, as this database tells them. Of those who sit, or sat when their session closed: it changes
-- with a join and a leave, and not with a receipt.
create index if not exists participants_name on participants (lower(name) text_pattern_ops)
where name is not null and left_at is null;
analyze participants;

-- Ids of sessions, newest first, below one of them. `low_id` to `high_id` are all ids that begin as it was asked for; null
-- when that is the start of none. `low_name` and what is below `high_name` are all names.
--
-- Each statement is planned for its values: a condition that is spelled out is that of a partial index, and what a plan for
-- all values would read could be everything.
create or replace function search_sessions(
  low_id uuid, high_id uuid, low_name text, high_name text, of_status text, below uuid, most integer
) returns setof uuid
language plpgsql stable
-- As many as a page has: for the thousand that a function counts as, the statement around it would be compiled.
rows 50
-- To compile what is planned anew each time takes ten times as long as to run it.
set jit = off
as $$
declare
  -- With more than so many names the newest sessions are looked through in their place: one in fifty of 100,000 is found
  -- soon, and all that match are not sorted for the few that are shown.
  few constant integer := 2000;
  condition constant text := case of_status
    when 'waiting' then 's.closed_at is null and s.seat_count < 2'
    when 'paired' then 's.closed_at is null and s.seat_count >= 2'
    when 'closed' then 's.closed_at is not null'
    else 'true'
  end;
  named constant text := 'p.name is not null and p.left_at is null'
    ' and lower(p.name) ~>=~ lower($1) and lower(p.name) ~<~ lower($2)';
  by_id uuid[] := '{}';
  by_name uuid[];
  found bigint;
begin
  if low_id is not null then
    execute format(
      'select coalesce(array_agg(id), ''{}'') from (
        select s.id from sessions s where s.id >= $1 and s.id <= $2 and s.id < $3 and %s order by s.id desc limit $4
      ) found', condition
    ) into by_id using low_id, high_id, below, most;
  end if;
  execute format('select count(*) from (select from participants p where %s limit $3) found', named)
    into found using low_name, high_name, few + 1;
  if found <= few then
    -- Each of them is looked up: joined, the planner may go through all sessions for them, in order.
    execute format(
      'with named as materialized (select distinct p.session_id from participants p where %s and p.session_id < $3)
      select coalesce(array_agg(id), ''{}'') from (
        select session.id from named n, lateral (
          select s.id from sessions s where s.id = n.session_id and %s limit 1
        ) session
        order by session.id desc limit $4
      ) found', named, condition
    ) into by_name using low_name, high_name, below, most;
  else
    -- In an aggregate, where no index answers for the name: that of all names is the last to ask for one session's.
    execute format(
      'select coalesce(array_agg(id), ''{}'') from (
        select s.id from sessions s
        where s.id < $3 and %s and (select bool_or(%s) from participants p where p.session_id = s.id)
        order by s.id desc limit $4
      ) found', condition, named
    ) into by_name using low_name, high_name, below, most;
  end if;
  return query select distinct i.id from unnest(by_id || by_name) as i (id) order by i.id desc limit most;
end
$$;

create or replace function tandem_search_sessions(
  low_id uuid, high_id uuid, low_name text, high_name text, of_status text, below uuid, most integer
) returns json
language sql stable
as $$
  select tandem_sessions(array(
    select found from search_sessions(low_id, high_id, low_name, high_name, of_status, below, most) found
  ))
$$;

-- Seats of a session that were left, the last first.
create or replace function tandem_left_seats(of_session uuid, most integer) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found) order by found.place desc), '[]') from (
    select p.id, p.role, p.name, p.user_id as "userId", p.seat_number as place,
      (extract(epoch from p.joined_at) * 1000)::bigint as "joinedAt", p.joined_seq as "joinedSeq", p.delivered, p.read,
      (extract(epoch from p.left_at) * 1000)::bigint as "leftAt", p.left_reason as "leftReason"
    from participants p
    where p.session_id = of_session and p.left_at is not null
    order by p.seat_number desc limit most
  ) found
$$;

-- What 20261121001000 did for all functions, for these. What a Supabase project is asked for runs as its owner, and
-- service_role alone may call it.
do $$
declare
  here constant text := current_schema();
  called record;
  role text;
  strangers text[];
  servers text[];
begin
  select coalesce(array_agg(rolname), '{}') into strangers from pg_roles where rolname in ('anon', 'authenticated');
  select coalesce(array_agg(distinct r.rolname), '{}') into servers
  from pg_roles r
  where r.rolname = 'service_role' or r.oid in (
    select a.grantee from pg_class c, aclexplode(c.relacl) a
    where c.oid = format('%I.sessions', here)::regclass and a.privilege_type = 'INSERT' and a.grantee <> c.relowner
  );
  servers := array(select s from unnest(servers) s where s <> all (strangers));

  for called in
    select p.oid::regprocedure::text as signature, p.proname like 'tandem\_%' as is_asked from pg_proc p
    where p.pronamespace = format('%I', here)::regnamespace
      and p.proname = any (array['search_sessions', 'tandem_search_sessions', 'tandem_left_seats'])
  loop
    execute format('alter function %s set search_path = %I, pg_temp', called.signature, here);
    execute format('revoke all on function %s from public', called.signature);
    for role in select quote_ident(s) from unnest(strangers) s loop
      execute format('revoke all on function %s from %s', called.signature, role);
    end loop;
    if called.is_asked then
      -- The caller gives up after 2 s. The Data API takes this for the whole statement, so it has ended by then.
      execute format('alter function %s security definer set statement_timeout = ''1700ms''', called.signature);
    end if;
    for role in select quote_ident(s) from unnest(servers) s where not called.is_asked or s = 'service_role' loop
      execute format('grant execute on function %s to %s', called.signature, role);
    end loop;
  end loop;
end
$$;
