-- oldest-code: 0.1.0

-- The same tables are safe where others reach the database too. In Supabase whoever has the public key speaks to it as
-- `anon` or `authenticated`: those two see nothing, may write nothing, and may call nothing, also when someone grants it
-- to them later. Everybody else has what was granted: the owner, `service_role`, a role of an operator's own.
--
-- Whoever adds a table or a function repeats this for it; a test looks at all that there are.

do $$
declare
  tables constant text[] := array[
    'deployment', 'sessions', 'participants', 'messages', 'session_events', 'daily_analytics', 'users', 'logins',
    'refresh_tokens', 'revocations', 'mail_queue', 'tandem_migrations'
  ];
  functions constant text[] := array[
    'commit_batch', 'raise_epoch', 'revoke_tokens', 'begin_login', 'register_user', 'refresh_login', 'end_logins',
    'change_password', 'delete_user', 'take_mails', 'settle_mails', 'count_seat', 'is_second_seat',
    'record_session_event', 'record_seat_event', 'analytics_slot', 'utc_day', 'duration_ms', 'count_session',
    'count_close', 'count_pairing', 'count_messages', 'expire_rows'
  ];
  here constant text := current_schema();
  name text;
  signature text;
  strangers text[];
  servers text[];
begin
  select coalesce(array_agg(rolname), '{}') into strangers from pg_roles where rolname in ('anon', 'authenticated');
  -- Who could write sessions before: a server that runs as another role than the owner goes on.
  select coalesce(array_agg(distinct r.rolname), '{}') into servers
  from pg_roles r
  where r.rolname = 'service_role' or r.oid in (
    select a.grantee from pg_class c, aclexplode(c.relacl) a
    where c.oid = format('%I.sessions', here)::regclass and a.privilege_type = 'INSERT' and a.grantee <> c.relowner
  );
  servers := array(select s from unnest(servers) s where s <> all (strangers));

  foreach name in array tables loop
    -- The ledger is made by whoever applies these files, and Supabase's tool has one of its own.
    continue when to_regclass(format('%I.%I', here, name)) is null;
    execute format('alter table %I.%I enable row level security', here, name);
    execute format('drop policy if exists tandem_servers on %I.%I', here, name);
    execute format(
      'create policy tandem_servers on %I.%I for all to public using (%s) with check (%s)',
      here, name, 'current_user not in (''anon'', ''authenticated'')', 'current_user not in (''anon'', ''authenticated'')'
    );
    execute format('revoke all on %I.%I from public', here, name);
    for signature in select quote_ident(s) from unnest(strangers) s loop
      execute format('revoke all on %I.%I from %s', here, name, signature);
    end loop;
    for signature in select quote_ident(s) from unnest(servers) s loop
      execute format('grant select, insert, update, delete on %I.%I to %s', here, name, signature);
    end loop;
  end loop;

  for signature in
    select p.oid::regprocedure::text from pg_proc p
    where p.pronamespace = format('%I', here)::regnamespace and p.proname = any (functions)
  loop
    -- Nobody's table or function of the same name comes between, whatever the caller's path is.
    execute format('alter function %s set search_path = %I, pg_temp', signature, here);
    execute format('revoke execute on function %s from public', signature);
    for name in select quote_ident(s) from unnest(strangers) s loop
      execute format('revoke execute on function %s from %s', signature, name);
    end loop;
    for name in select quote_ident(s) from unnest(servers) s loop
      execute format('grant execute on function %s to %s', signature, name);
    end loop;
  end loop;
end
$$;
