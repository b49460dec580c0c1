-- oldest-code: 0.1.0

-- A mail is forgotten when it is settled: whom it went to, and the code and the note in it. What is left says that there
-- was one, of which session, how it ended and when.
alter table mail_queue alter column recipient drop not null;
alter table mail_queue drop constraint if exists mail_queue_status_check;
-- withdrawn: its code can't be joined by any more, so it was not sent. Nobody has to look at it.
alter table mail_queue add constraint mail_queue_status_check check (status in ('waiting', 'sent', 'dead', 'withdrawn'));
update mail_queue set recipient = null, content = null
where status <> 'waiting' and (recipient is not null or content is not null);
alter table mail_queue drop constraint if exists mail_queue_emptied;
alter table mail_queue add constraint mail_queue_emptied
  check (case when status = 'waiting' then recipient is not null else recipient is null and content is null end);

-- As before, and empties what is settled, however it ended.
create or replace function settle_mails(given json, moment bigint) returns void
language sql
set lock_timeout = '1500ms'
as $$
  update mail_queue m set
    status = s.status,
    due_at = coalesce(to_timestamp(s.due_at / 1000.0), m.due_at),
    settled_at = case when s.status = 'waiting' then null else to_timestamp(moment / 1000.0) end,
    recipient = case when s.status = 'waiting' then m.recipient end,
    content = case when s.status = 'waiting' then m.content end,
    last_error = s.error
  from json_to_recordset(given) as s (id uuid, attempts smallint, status text, due_at bigint, error text)
  where m.id = s.id and m.attempts = s.attempts and m.status = 'waiting'
$$;

-- The row of a user before those of the logins, wherever logins are locked. `delete from users` locks the logins of the
-- user one after another, in whatever order they lie: whoever holds one of them by now and asks for the next could wait
-- for it for ever. A key share bars nobody but that deletion: logins of one user end and are refreshed side by side.

-- As before, in that order.
create or replace function refresh_login(used json, out outcome text, out login_id uuid, out user_id uuid)
language plpgsql
set lock_timeout = '1500ms'
as $$
declare
  given record;
  moment timestamptz;
  token record;
begin
  select * into given from json_to_record(used) as u (
    token_hash text, next_hash text, now bigint, expires_at bigint, ip text, user_agent text, revoked_until bigint
  );
  moment := to_timestamp(given.now / 1000.0);
  outcome := 'unknown';
  perform 1 from users u where u.id = (
    select l.user_id from refresh_tokens t join logins l on l.id = t.login_id where t.token_hash = given.token_hash
  ) for key share;
  -- The login before its tokens, here and wherever logins end: its row is what two uses of one token wait for.
  select l.id, l.user_id into login_id, user_id
  from logins l
  where l.id = (select t.login_id from refresh_tokens t where t.token_hash = given.token_hash)
    and l.ended_at is null
  for no key update;
  if not found then
    return;
  end if;
  select t.expires_at, t.replaced_at into token from refresh_tokens t where t.token_hash = given.token_hash;
  if not found or token.expires_at <= moment then
    return;
  end if;
  if token.replaced_at <= moment - interval '10 seconds' then
    perform end_logins(user_id, array[login_id], null, 'reused', given.now, given.revoked_until);
    outcome := 'reused';
    return;
  end if;
  update refresh_tokens t set replaced_at = coalesce(t.replaced_at, moment) where t.token_hash = given.token_hash;
  insert into refresh_tokens (token_hash, login_id, created_at, expires_at)
  values (given.next_hash, refresh_login.login_id, moment, to_timestamp(given.expires_at / 1000.0));
  update logins l set
    last_used_at = greatest(l.last_used_at, moment),
    expires_at = greatest(l.expires_at, to_timestamp(given.expires_at / 1000.0)),
    ip = coalesce(given.ip, l.ip),
    user_agent = coalesce(given.user_agent, l.user_agent)
  where l.id = refresh_login.login_id;
  outcome := 'rotated';
end
$$;

-- What 20261121001000 did for all functions, for these: a function that is replaced loses its path.
do $$
declare
  here constant text := current_schema();
  signature text;
  role text;
  strangers text[];
  servers text[];
begin
  select coalesce(array_agg(rolname), '{}') into strangers from pg_roles where rolname in ('anon', 'authenticated');
  -- Who may write revocations: a server that runs as another role than the owner.
  select coalesce(array_agg(distinct r.rolname), '{}') into servers
  from pg_roles r
  where r.rolname = 'service_role' or r.oid in (
    select a.grantee from pg_class c, aclexplode(c.relacl) a
    where c.oid = format('%I.revocations', here)::regclass and a.privilege_type = 'INSERT' and a.grantee <> c.relowner
  );
  servers := array(select s from unnest(servers) s where s <> all (strangers));

  for signature in
    select p.oid::regprocedure::text from pg_proc p
    where p.pronamespace = format('%I', here)::regnamespace
      and p.proname = any (array['settle_mails', 'refresh_login'])
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
