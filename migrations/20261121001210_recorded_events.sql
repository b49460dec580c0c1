-- oldest-code: 0.1.0

-- Events that no row of a session tells of: a connection that was lost, a resume, a limit that was hit. The server writes
-- them after the fact, some at a time: see record_events. Those of the triggers stay as they are.

alter table session_events drop constraint if exists session_events_kind_check;
-- What there is satisfied a narrower one: the table is not read for it.
alter table session_events add constraint session_events_kind_check check (kind in (
  'created', 'joined', 'paired', 'left', 'host_changed', 'locked', 'unlocked', 'code_changed', 'rebuilt', 'closed',
  'away', 'resumed', 'limited'
)) not valid;
-- How often, of those that are counted together. `reason`: of `limited` the name of the limit; `reset` of a resume that was one.
alter table session_events add column if not exists count integer not null default 1;
-- Chosen by who records it, so that a repetition is recognised. Null for those of the triggers.
alter table session_events add column if not exists event_id uuid;
-- A repetition, and how many of a session are recorded. What reads and what removes them has its indexes: by session and
-- time, and by age.
create unique index if not exists session_events_recorded on session_events (session_id, event_id)
where event_id is not null;

-- Events by their ids: [{ id, session_id, at, kind, participant_id, reason, count }], each id once, `at` in Unix
-- milliseconds. One that is known keeps the higher count, and nothing else of it changes: a call whose answer was lost may
-- be repeated.
--
-- Of a session the newest 1,000 stay: a participant whose network fails all day says less by its beginning than by its
-- end. Two calls at the same time see nothing of each other, and the next one removes what was too much. What a batch of
-- messages waits for is never locked here: no row of sessions is touched.
create or replace function record_events(given jsonb) returns void
language plpgsql
set lock_timeout = '500ms'
as $$
declare
  most constant integer := 1000;
  named uuid;
begin
  insert into session_events as stored (session_id, at, kind, participant_id, reason, count, event_id)
  select e.session_id, to_timestamp(e.at / 1000.0), e.kind, e.participant_id, e.reason, e.count, e.id
  from rows from (jsonb_to_recordset(given) as (
    id uuid, session_id uuid, at bigint, kind text, participant_id uuid, reason text, count integer
  )) with ordinality as e (id, session_id, at, kind, participant_id, reason, count, position)
  where e.kind in ('away', 'resumed', 'limited')
  order by e.position
  on conflict (session_id, event_id) where event_id is not null do update set count = excluded.count
  where excluded.count > stored.count;

  for named in select distinct (e ->> 'session_id')::uuid from jsonb_array_elements(given) e loop
    -- Locked in one order, and without a wait: another call or the retention may be at the same.
    delete from session_events gone
    where gone.id in (
      select o.id from session_events o
      where o.id = any (array(
        select n.id from session_events n
        where n.session_id = named and n.event_id is not null
        order by n.at desc, n.id desc
        offset most
      ))
      order by o.id
      for update skip locked
    );
  end loop;
end
$$;

-- For a Supabase project, as those of 20261121000900.
create or replace function tandem_record_events(given text) returns json
language sql
as $$
  select record_events(given::jsonb);
  select '[]'::json
$$;

-- As before, with the count.
create or replace function tandem_session_events(
  of_session uuid, before_at bigint, before_id bigint, most integer
) returns json
language sql stable
as $$
  select coalesce(json_agg(row_to_json(found) order by found.at desc, found.id desc), '[]') from (
    select id, (extract(epoch from at) * 1000)::bigint as at, kind, participant_id as "participantId", reason, count
    from session_events
    where session_id = of_session and (at, id) < (to_timestamp(before_at / 1000.0), before_id)
    order by session_events.at desc, id desc limit most
  ) found
$$;

do $$
declare
  called regprocedure;
  -- The roles of Supabase; no other database has them.
  stranger text;
begin
  for called in
    select p.oid from pg_proc p
    where p.pronamespace = format('%I', current_schema())::regnamespace
      and p.proname = any (array['tandem_record_events', 'tandem_session_events'])
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

-- What 20261121001000 did for all functions, for this one. Its table has row level security by then.
do $$
declare
  here constant text := current_schema();
  signature text;
  role text;
  strangers text[];
  servers text[];
begin
  select coalesce(array_agg(rolname), '{}') into strangers from pg_roles where rolname in ('anon', 'authenticated');
  -- Who may write events: a server that runs as another role than the owner.
  select coalesce(array_agg(distinct r.rolname), '{}') into servers
  from pg_roles r
  where r.rolname = 'service_role' or r.oid in (
    select a.grantee from pg_class c, aclexplode(c.relacl) a
    where c.oid = format('%I.session_events', here)::regclass and a.privilege_type = 'INSERT' and a.grantee <> c.relowner
  );
  servers := array(select s from unnest(servers) s where s <> all (strangers));

  for signature in
    select p.oid::regprocedure::text from pg_proc p
    where p.pronamespace = format('%I', here)::regnamespace and p.proname = 'record_events'
  loop
    execute format('alter function %s set search_path = %I, pg_temp', signature, here);
    execute format('revoke execute on function %s from public', signature);
    for role in select quote_ident(s) from unnest(strangers) s loop
      execute format('revoke execute on function %s from %s', signature, role);
    end loop;
    for role in select quote_ident(s) from unnest(servers) s loop
      execute format('grant execute on function %s to %s', signature, role);
    end loop;
  end loop;
end
$$;
