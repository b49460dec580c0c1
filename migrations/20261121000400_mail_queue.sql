-- oldest-code: 0.1.0

-- Mails on their way: one row for each address, so that one that is refused holds up no other.
create table if not exists mail_queue (
  id uuid primary key,
  session_id uuid not null,
  -- Who had it sent: a user id, or the name of an API key.
  sender text not null,
  recipient text not null check (recipient ~ '^[^[:space:],;<>"@]+@[^[:space:],;<>"@]+$'),
  -- What the template is filled with. It may hold a code, so it is emptied when the mail is settled.
  content json,
  -- dead: given up, after too many attempts or a refusal for good. Someone looks at it, or retention removes it.
  status text not null default 'waiting' check (status in ('waiting', 'sent', 'dead')),
  attempts smallint not null default 0 check (attempts >= 0),
  -- The next attempt; while one is under way, when it counts as failed.
  due_at timestamptz not null,
  created_at timestamptz not null,
  settled_at timestamptz,
  -- What the mail server said, without the address.
  last_error text,
  constraint mail_queue_settled_whole check ((status = 'waiting') = (settled_at is null))
) with (fillfactor = 70);

-- Takes mails whose attempt is due; each is handed out once until `lease_ms` have passed, whoever asks. An attempt counts
-- when it begins, so one that kills its process is not repeated for ever.
create or replace function take_mails(moment bigint, lease_ms bigint, at_most integer) returns setof mail_queue
language sql
set lock_timeout = '1500ms'
as $$
  update mail_queue m set attempts = m.attempts + 1, due_at = to_timestamp((moment + lease_ms) / 1000.0)
  where m.id in (
    select d.id from mail_queue d
    where d.status = 'waiting' and d.due_at <= to_timestamp(moment / 1000.0)
    order by d.due_at
    limit at_most
    for update skip locked
  )
  returning m.*
$$;

-- How attempts ended: [{ id, attempts, status, due_at, error }], with the attempts that were handed out, so that the
-- end of an attempt that counts as failed by now changes nothing. `waiting` with due_at: to be tried again.
create or replace function settle_mails(given json, moment bigint) returns void
language sql
set lock_timeout = '1500ms'
as $$
  update mail_queue m set
    status = s.status,
    due_at = coalesce(to_timestamp(s.due_at / 1000.0), m.due_at),
    settled_at = case when s.status = 'waiting' then null else to_timestamp(moment / 1000.0) end,
    content = case when s.status = 'sent' then null else m.content end,
    last_error = s.error
  from json_to_recordset(given) as s (id uuid, attempts smallint, status text, due_at bigint, error text)
  where m.id = s.id and m.attempts = s.attempts and m.status = 'waiting'
$$;
