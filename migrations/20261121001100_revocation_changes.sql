-- oldest-code: 0.1.0

-- What was revoked since a moment: how an instance that already knows the rest learns of it.

-- Of this database's clock: when the row came, or last grew.
alter table revocations add column if not exists changed_at timestamptz not null default now();
create index if not exists revocations_changed on revocations (changed_at);

-- As before, and says when each changed. Until its end a call holds a lock, which bars nobody and is numbered by the
-- second in which the call began: so changed_revocations sees that somebody writes rows that nobody else can see yet.
-- 263102197 is "tandem_revocation" by CRC-32; seconds are those of 2026 and after, so that they fit for 68 years.
create or replace function revoke_tokens(given json) returns void
language sql
set lock_timeout = '1500ms'
as $$
  select pg_advisory_xact_lock_shared(263102197, floor(extract(epoch from clock_timestamp()) - 1767225600)::integer);
  insert into revocations as stored (kind, subject, not_before, expires_at, changed_at)
  select r.kind, r.subject, to_timestamp(r.not_before / 1000.0), to_timestamp(r.expires_at / 1000.0), clock_timestamp()
  from json_to_recordset(given) as r (kind text, subject text, not_before bigint, expires_at bigint)
  order by r.kind, r.subject -- Two calls lock what they share in one order.
  on conflict (kind, subject) do update set
    not_before = greatest(stored.not_before, excluded.not_before),
    expires_at = greatest(stored.expires_at, excluded.expires_at),
    changed_at = clock_timestamp() -- Later than that of `excluded`, when this had to wait for the row.
  where excluded.not_before > stored.not_before or excluded.expires_at > stored.expires_at
$$;

-- What has not expired and changed since that moment, oldest change first: { revocations, asOf, more }. `asOf` is what to
-- ask with next time, in Unix milliseconds with their fraction; null asks for everything.
--
-- At most `most` come of those that changed before the oldest writer began who is still at it; with the last of them come
-- all later ones. At the end of a list `asOf` lies 5 s before that writer, because a clock may be set back, and that of a
-- server which takes this one's place may be behind. So the last ones are given again, which is no harm.
--
-- Volatile, because each of its statements has to see what was committed before it: who ends after the look at the locks
-- is seen by the look at the rows.
create or replace function changed_revocations(since numeric, most integer) returns json
language plpgsql volatile
as $$
declare
  start constant timestamptz := coalesce(to_timestamp((since / 1000)::float8), '-infinity');
  moment constant timestamptz := clock_timestamp();
  settled timestamptz;
  last timestamptz;
  found json;
  is_more boolean := false;
begin
  select least(moment, to_timestamp(min(l.objid::bigint) + 1767225600)) into settled
  from pg_locks l
  where l.locktype = 'advisory' and l.classid = 263102197 and l.objsubid = 2
    and l.database = (select d.oid from pg_database d where d.datname = current_database());

  select r.changed_at into last
  from revocations r
  where r.changed_at >= start and r.changed_at < settled and r.expires_at > moment
  order by r.changed_at
  offset most - 1 limit 1;
  if last is not null then
    is_more := exists (select from revocations r where r.changed_at > last and r.expires_at > moment);
  end if;

  -- Those of one microsecond are not parted.
  select coalesce(json_agg(json_build_object(
    'kind', r.kind, 'subject', r.subject,
    'notBefore', (extract(epoch from r.not_before) * 1000)::bigint,
    'expiresAt', (extract(epoch from r.expires_at) * 1000)::bigint
  ) order by r.changed_at), '[]') into found
  from revocations r
  where r.changed_at >= start and r.changed_at <= coalesce(last, 'infinity') and r.expires_at > moment;

  return json_build_object(
    'revocations', found,
    'asOf', extract(epoch from case when is_more then last + interval '1 microsecond' else settled - interval '5 s' end)
      * 1000,
    'more', is_more
  );
end
$$;

-- As before, with two differences. The account is found by its primary key. And what was issued to it no longer counts
-- however its id was spelled: tokens carry it in lower case.
create or replace function delete_user(subject text, moment bigint, revoked_until bigint) returns void
language plpgsql
set lock_timeout = '1500ms'
as $$
declare
  account uuid := case when subject ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then subject::uuid end;
begin
  delete from users where id = account;
  perform revoke_tokens((
    select json_agg(json_build_object('kind', 'user', 'subject', s, 'not_before', moment, 'expires_at', revoked_until))
    from (select subject union select account::text where account is not null) named (s)
  ));
end
$$;

-- Ends logins of a user: those in `chosen`, or all when it is null, and never `keep`. Their access tokens are revoked until
-- the last of them would have expired. Of all logins those that began after the moment stay: what is told late, or again,
-- ends nothing that began since. Gives those that have ended now.
create or replace function end_logins(
  owner uuid, chosen uuid[], keep uuid, reason text, moment bigint, revoked_until bigint
) returns setof uuid
language plpgsql
set lock_timeout = '1500ms'
as $$
declare
  ended uuid[];
begin
  -- The user before the logins, as whoever deletes the account has it, and those in one order: two calls can't wait for each
  -- other.
  perform 1 from users u where u.id = owner for key share;
  perform 1 from logins l
  where l.user_id = owner and l.ended_at is null and l.id is distinct from keep
    and case when chosen is null then l.created_at <= to_timestamp(moment / 1000.0) else l.id = any (chosen) end
  order by l.id
  for no key update;
  with gone as (
    update logins l set ended_at = to_timestamp(moment / 1000.0), end_reason = reason
    where l.user_id = owner and l.ended_at is null and l.id is distinct from keep
    and case when chosen is null then l.created_at <= to_timestamp(moment / 1000.0) else l.id = any (chosen) end
    returning l.id
  )
  select array_agg(gone.id) into ended from gone;
  if ended is not null then
    perform revoke_tokens((
      select json_agg(json_build_object('kind', 'login', 'subject', e, 'expires_at', revoked_until)) from unnest(ended) e
    ));
  end if;
  return query select unnest(ended);
end
$$;

-- Who was kicked while signed in: read with each session, and none of most.
create index if not exists participants_kicked on participants (session_id) where left_reason = 'kicked' and user_id is not null;
-- Mails that somebody has to look at.
create index if not exists mail_queue_dead on mail_queue (settled_at) where status = 'dead';

analyze participants;
analyze revocations;
analyze mail_queue;

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
      and p.proname = any (array['revoke_tokens', 'changed_revocations', 'delete_user', 'end_logins'])
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
