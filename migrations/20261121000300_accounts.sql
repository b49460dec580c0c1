-- oldest-code: 0.1.0

-- Accounts of people, the devices on which they are signed in, and what was revoked before its time.
--
-- Sessions name a user by text (participants.user_id), because tokens of others are accepted too, and their subjects are
-- no rows of this table.

create table if not exists users (
  id uuid primary key,
  -- As it was typed; what is compared is email_key, the same address in lower case, made by the caller alone.
  email text not null,
  email_key text not null,
  name text check (char_length(name) between 1 and 64),
  password_hash text not null check (password_hash like '$argon2id$%'),
  created_at timestamptz not null,
  password_changed_at timestamptz not null
);

-- Two registrations of one address at the same instant: one of them fails here.
create unique index if not exists users_email on users (email_key);

-- A device that is signed in: one family of refresh tokens. Its id is the `sid` of its access tokens.
create table if not exists logins (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  ip text,
  user_agent text,
  created_at timestamptz not null,
  last_used_at timestamptz not null,
  -- Of its newest refresh token; moves on with each use.
  expires_at timestamptz not null,
  ended_at timestamptz,
  end_reason text check (end_reason in ('logout', 'logout_all', 'signed_out', 'password_changed', 'reused')),
  constraint logins_ended_whole check ((ended_at is null) = (end_reason is null))
);

create table if not exists refresh_tokens (
  -- SHA-256: it proves a token and does not give it away.
  token_hash text primary key,
  login_id uuid not null references logins (id) on delete cascade,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  -- When a new pair was first given for it. It is kept until it would have expired: its later use is a theft.
  replaced_at timestamptz
);

-- What is signed and not yet expired, and no longer counts: `login` ids, `token` ids (of foreign issuers), and `user`
-- ids, whose tokens count when they were issued after not_before.
create table if not exists revocations (
  kind text not null check (kind in ('login', 'token', 'user')),
  subject text not null,
  not_before timestamptz,
  -- From here on no token is left that it could concern.
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (kind, subject),
  constraint revocations_not_before check ((kind = 'user') = (not_before is not null))
);

-- Stores that these no longer count; one that is stored only grows. [{ kind, subject, not_before, expires_at }], each
-- named once; times are Unix milliseconds here and below.
create or replace function revoke_tokens(given json) returns void
language sql
set lock_timeout = '1500ms'
as $$
  insert into revocations as stored (kind, subject, not_before, expires_at)
  select r.kind, r.subject, to_timestamp(r.not_before / 1000.0), to_timestamp(r.expires_at / 1000.0)
  from json_to_recordset(given) as r (kind text, subject text, not_before bigint, expires_at bigint)
  order by r.kind, r.subject -- Two calls lock what they share in one order.
  on conflict (kind, subject) do update set
    not_before = greatest(stored.not_before, excluded.not_before),
    expires_at = greatest(stored.expires_at, excluded.expires_at)
$$;

-- A user signs in on a device.
--   { id, user_id, token_hash, ip, user_agent, now, expires_at }
create or replace function begin_login(login json) returns void
language sql
set lock_timeout = '1500ms'
as $$
  with given as (
    select * from json_to_record(login) as g (
      id uuid, user_id uuid, token_hash text, ip text, user_agent text, now bigint, expires_at bigint
    )
  ), made as (
    insert into logins (id, user_id, ip, user_agent, created_at, last_used_at, expires_at)
    select id, user_id, ip, user_agent, to_timestamp(now / 1000.0), to_timestamp(now / 1000.0),
      to_timestamp(expires_at / 1000.0)
    from given
    returning id, created_at, expires_at
  )
  insert into refresh_tokens (token_hash, login_id, created_at, expires_at)
  select given.token_hash, made.id, made.created_at, made.expires_at from made, given
$$;

-- An account, and the login of the device on which it was made. False when the address has an account.
--   account { id, email, email_key, name, password_hash, now }, login as above
create or replace function register_user(account json, login json) returns boolean
language plpgsql
set lock_timeout = '1500ms'
as $$
begin
  insert into users (id, email, email_key, name, password_hash, created_at, password_changed_at)
  select a.id, a.email, a.email_key, a.name, a.password_hash, to_timestamp(a.now / 1000.0), to_timestamp(a.now / 1000.0)
  from json_to_record(account) as a (
    id uuid, email text, email_key text, name text, password_hash text, now bigint
  )
  on conflict (email_key) do nothing;
  if not found then
    return false;
  end if;
  perform begin_login(login);
  return true;
end
$$;

-- A refresh token is used. `rotated`: the next one counts from here on, and the used one for another 10 s, because two
-- tabs may share it, and an answer may be lost. Used later, it is in two hands: `reused`, and the login has ended.
-- `unknown`: no such token, an expired one, or one of a login that has ended.
--   { token_hash, next_hash, now, expires_at, ip, user_agent, revoked_until }
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
  -- The login first, here and wherever logins end: its row is what two uses of one token wait for.
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

-- Ends logins of a user: those in `chosen`, or all when it is null, and never `keep`. Their access tokens are revoked until
-- the last of them would have expired. Gives those that have ended now.
create or replace function end_logins(
  owner uuid, chosen uuid[], keep uuid, reason text, moment bigint, revoked_until bigint
) returns setof uuid
language plpgsql
set lock_timeout = '1500ms'
as $$
declare
  ended uuid[];
begin
  -- In one order: two calls can't wait for each other.
  perform 1 from logins l
  where l.user_id = owner and l.ended_at is null and (chosen is null or l.id = any (chosen)) and l.id is distinct from keep
  order by l.id
  for no key update;
  with gone as (
    update logins l set ended_at = to_timestamp(moment / 1000.0), end_reason = reason
    where l.user_id = owner and l.ended_at is null and (chosen is null or l.id = any (chosen)) and l.id is distinct from keep
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

-- A new password, if the old one is still the one that the caller has checked; ends all other logins. Null when it is
-- not, else those that have ended.
create or replace function change_password(
  owner uuid, known_hash text, next_hash text, keep uuid, moment bigint, revoked_until bigint
) returns uuid[]
language plpgsql
set lock_timeout = '1500ms'
as $$
begin
  update users set password_hash = next_hash, password_changed_at = to_timestamp(moment / 1000.0)
  where id = owner and password_hash = known_hash;
  if not found then
    return null;
  end if;
  return array(select end_logins(owner, null, keep, 'password_changed', moment, revoked_until));
end
$$;

-- An account goes, with its logins; tokens that were issued until now no longer count. Also for a user of a foreign
-- issuer, who has no account here. The seats that the user took stay, as what others said to them does.
create or replace function delete_user(subject text, moment bigint, revoked_until bigint) returns void
language plpgsql
set lock_timeout = '1500ms'
as $$
begin
  delete from users where id::text = lower(subject);
  perform revoke_tokens(json_build_array(json_build_object(
    'kind', 'user', 'subject', subject, 'not_before', moment, 'expires_at', revoked_until
  )));
end
$$;
