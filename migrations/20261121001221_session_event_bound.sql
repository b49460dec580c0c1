-- oldest-code: 0.1.0

-- Of a session the newest 1,000 of the events stay that its own changes bring about, besides its beginning and its end:
-- whoever locks and unlocks it fifty times a second, for hours, fills no table. Those that are recorded have a bound of
-- their own, in record_events: neither kind pushes the other out.
--
-- One event in 128 looks, by chance, so that a change costs about ten rows more to read as a rule, and nobody can be the
-- one whose turn never comes. A session has some hundred too many at times.
create or replace function prune_session_events() returns trigger
language plpgsql
as $$
declare
  most constant integer := 1000;
begin
  -- Without a wait, and in one order: the retention may be at the same.
  delete from session_events gone
  where gone.id in (
    select o.id from session_events o
    where o.id = any (array(
      select n.id from session_events n
      where n.session_id = new.session_id and n.event_id is null and n.kind not in ('created', 'closed')
      order by n.at desc, n.id desc
      offset most
    ))
    order by o.id
    for update skip locked
  );
  return null;
end
$$;

drop trigger if exists session_event_written on session_events;
create trigger session_event_written after insert on session_events
for each row
when (new.event_id is null and random() < 1 / 128.0)
execute function prune_session_events();

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
    where p.pronamespace = format('%I', here)::regnamespace and p.proname = 'prune_session_events'
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
