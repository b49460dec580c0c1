-- oldest-code: 0.1.0

-- Sessions, their seats and their messages. Written by commit_batch alone, below.
--
-- Ids are uuid, of 16 bytes, because they stand in every row and index of the largest table. Nothing is ever ordered by
-- text: the order of seats is seat_number, that of messages is seq.
--
-- fillfactor: the rows that every message or receipt updates (last_seq, delivered, read) leave room in their page, and
-- no index has those columns. Postgres then rewrites the row within the page and clears the old version by itself,
-- which matters in the embedded database, where no autovacuum runs.

create table if not exists sessions (
  id uuid primary key,
  -- Grows when the hot state was lost and rebuilt; whoever writes under another epoch is refused.
  epoch integer not null check (epoch >= 1),
  created_at timestamptz not null,
  capacity smallint not null check (capacity between 2 and 50),
  locked boolean not null,
  approval boolean not null,
  share_history boolean not null,
  -- json, not jsonb: kept as it was sent, with the order of its keys.
  metadata json not null,
  -- The code that leads here; null once it was killed. An expired one stays, and may belong to another session by then.
  code text check (code ~ '^[0-9A-Z]+$'),
  code_expires_at timestamptz,
  ever_paired boolean not null,
  closed_reason text check (closed_reason in ('closed', 'idle', 'expired', 'empty')),
  closed_at timestamptz,
  -- Head of the log: messages 1 to last_seq are stored, without a hole.
  last_seq bigint not null default 0 check (last_seq >= 0),
  last_activity_at timestamptz not null,
  constraint sessions_code_whole check ((code is null) = (code_expires_at is null)),
  constraint sessions_closed_whole check ((closed_at is null) = (closed_reason is null))
) with (fillfactor = 70);

-- Read back at start.
create index if not exists sessions_open on sessions (created_at) where closed_at is null;
-- Joining by the code of a closed session is answered as such until the code expires.
create index if not exists sessions_closed_code on sessions (code_expires_at) where closed_at is not null and code is not null;
-- A join by code when the hot state does not know it.
create index if not exists sessions_code on sessions (code) where code is not null;

create table if not exists participants (
  id uuid primary key,
  session_id uuid not null references sessions (id) on delete cascade,
  -- Seats in the order in which they were taken: times and ids of one millisecond don't tell it, and clocks are set back.
  seat_number bigint generated always as identity,
  role text not null check (role in ('host', 'guest')),
  name text,
  user_id text,
  -- SHA-256 of the resume token: it proves a token and does not give it away.
  token_hash text not null,
  key_hash text,
  key_at timestamptz,
  joined_at timestamptz not null,
  joined_seq bigint not null check (joined_seq >= 0),
  delivered bigint not null default 0,
  read bigint not null default 0,
  -- Null while the seat lives; those who sat when their session closed keep it null.
  left_at timestamptz,
  left_reason text check (left_reason in ('left', 'kicked', 'timeout')),
  constraint participants_key_whole check ((key_hash is null) = (key_at is null)),
  constraint participants_left_whole check ((left_at is null) = (left_reason is null)),
  constraint participants_receipt check (read >= 0 and delivered >= read)
) with (fillfactor = 70);

create index if not exists participants_session on participants (session_id, seat_number);
-- A create or join repeated with its key, when the hot state does not know it.
create index if not exists participants_key on participants (key_hash) where key_hash is not null;

create table if not exists messages (
  -- No foreign keys here: commit_batch holds and checks the session's row, and a check for each row would cost more
  -- than the insert.
  session_id uuid not null,
  seq bigint not null check (seq >= 1),
  -- Chosen by the sender.
  id text not null,
  -- Null for a message of the server itself.
  participant_id uuid,
  type text not null,
  -- json, not jsonb: a repeated send is compared with the text that was sent, and jsonb changes keys and numbers.
  body json not null,
  sent_at timestamptz not null,
  primary key (session_id, seq)
);

-- A repeated send is looked up here. Not unique: an id is remembered for the retry horizon, and after it the same id is
-- a new message.
create index if not exists messages_send on messages (session_id, participant_id, id) where participant_id is not null;
-- The sends of the retry horizon, when a session is read back.
create index if not exists messages_recent on messages (session_id, sent_at) where participant_id is not null;

-- Stores one batch, all of it or nothing. What it refuses as a contradiction has SQLSTATE TD001; a batch that was
-- stored before changes nothing.
--
--   sessions  [{ id, epoch, created_at, capacity, locked, approval, share_history, metadata, code, code_expires_at,
--                ever_paired, closed_reason, closed_at, last_activity_at }]
--   seats     [{ id, session_id, position, role, name, user_id, token_hash, key_hash, key_at, joined_at, joined_seq,
--                left_at, left_reason }]
--   messages  [{ s: session, e: epoch, q: seq, i: id, p: participant or null, t: type, b: body, a: sent at }]
--   receipts  [{ session_id, id, delivered, read }]
--
-- Each is null when there is nothing of its kind; each names a row once. Times are Unix milliseconds.
create or replace function commit_batch(batch json) returns void
language plpgsql
-- A caller gives up after 2 s; without a deadline here its statement would go on waiting, and hold its connection.
set lock_timeout = '1800ms'
as $$
declare
  given record;
  expected bigint;
  done bigint;
  wrong record;
begin
  select * into given from json_to_record(batch) as b (sessions json, seats json, messages json, receipts json);

  -- All rows that are known, at once and in one order: two batches can't wait for each other. A statement of its own,
  -- so that those below see what was committed by whom this one had to wait for.
  perform 1 from sessions
  where id in (
    select r.id from json_to_recordset(given.sessions) as r (id uuid)
    union all select r.session_id from json_to_recordset(given.seats) as r (session_id uuid)
    union all select r.s from json_to_recordset(given.messages) as r (s uuid)
    union all select r.session_id from json_to_recordset(given.receipts) as r (session_id uuid)
  )
  order by id
  for no key update;

  if given.sessions is not null then
    expected := json_array_length(given.sessions);
    insert into sessions as stored (
      id, epoch, created_at, capacity, locked, approval, share_history, metadata, code, code_expires_at, ever_paired,
      closed_reason, closed_at, last_activity_at
    )
    select
      s.id, s.epoch, to_timestamp(s.created_at / 1000.0), s.capacity, s.locked, s.approval, s.share_history, s.metadata,
      s.code, to_timestamp(s.code_expires_at / 1000.0), s.ever_paired, s.closed_reason,
      to_timestamp(s.closed_at / 1000.0), to_timestamp(s.last_activity_at / 1000.0)
    from json_to_recordset(given.sessions) as s (
      id uuid, epoch integer, created_at bigint, capacity smallint, locked boolean, approval boolean,
      share_history boolean, metadata json, code text, code_expires_at bigint, ever_paired boolean, closed_reason text,
      closed_at bigint, last_activity_at bigint
    )
    order by s.id -- The order in which rows are locked, also those that are new.
    on conflict (id) do update set
      locked = excluded.locked,
      metadata = excluded.metadata,
      code = excluded.code,
      code_expires_at = excluded.code_expires_at,
      ever_paired = excluded.ever_paired,
      closed_reason = excluded.closed_reason,
      closed_at = excluded.closed_at,
      last_activity_at = greatest(stored.last_activity_at, excluded.last_activity_at)
    where stored.epoch = excluded.epoch;
    get diagnostics done = row_count;
    if done <> expected then
      raise exception 'of % sessions % are stored under another epoch', expected, expected - done
        using errcode = 'TD001';
    end if;
  end if;

  if given.seats is not null then
    expected := json_array_length(given.seats);
    insert into participants as stored (
      id, session_id, role, name, user_id, token_hash, key_hash, key_at, joined_at, joined_seq, left_at, left_reason
    )
    select
      p.id, p.session_id, p.role, p.name, p.user_id, p.token_hash, p.key_hash, to_timestamp(p.key_at / 1000.0),
      to_timestamp(p.joined_at / 1000.0), p.joined_seq, to_timestamp(p.left_at / 1000.0), p.left_reason
    from json_to_recordset(given.seats) as p (
      id uuid, session_id uuid, "position" integer, role text, name text, user_id text, token_hash text, key_hash text,
      key_at bigint, joined_at bigint, joined_seq bigint, left_at bigint, left_reason text
    )
    order by p.session_id, p."position" -- A new seat is taken behind all others: its number follows theirs.
    on conflict (id) do update set
      role = excluded.role,
      token_hash = excluded.token_hash,
      left_at = coalesce(stored.left_at, excluded.left_at),
      left_reason = coalesce(stored.left_reason, excluded.left_reason)
    where stored.session_id = excluded.session_id;
    get diagnostics done = row_count;
    if done <> expected then
      raise exception 'of % seats % belong to another session', expected, expected - done using errcode = 'TD001';
    end if;
  end if;

  if given.messages is not null then
    with heads as (
      select m.s as id, min(m.e) as epoch, max(m.e) as highest_epoch, min(m.q) as first, max(m.q) as last,
        count(distinct m.q) as messages, count(*) as given, max(m.a) as sent_at
      from json_to_recordset(given.messages) as m (s uuid, e integer, q bigint, a bigint)
      group by m.s
    ), moved as (
      update sessions s set
        last_seq = greatest(s.last_seq, h.last),
        last_activity_at = greatest(s.last_activity_at, to_timestamp(h.sent_at / 1000.0))
      from heads h
      where s.id = h.id
        and s.epoch = h.epoch and h.highest_epoch = h.epoch
        and h.first <= s.last_seq + 1
        and h.messages = h.given and h.messages = h.last - h.first + 1
      returning s.id
    )
    select h.id, h.epoch, h.first, h.last into wrong
    from heads h where h.id not in (select moved.id from moved) limit 1;
    if found then
      raise exception 'messages % to % of session % do not follow what is stored under epoch %',
        wrong.first, wrong.last, wrong.id, wrong.epoch using errcode = 'TD001';
    end if;

    expected := json_array_length(given.messages);
    -- coalesce: the body null is a body, and arrives here as no value.
    insert into messages (session_id, seq, id, participant_id, type, body, sent_at)
    select m.s, m.q, m.i, m.p, m.t, coalesce(m.b, 'null'), to_timestamp(m.a / 1000.0)
    from json_to_recordset(given.messages) as m (s uuid, q bigint, i text, p uuid, t text, b json, a bigint)
    on conflict (session_id, seq) do nothing;
    get diagnostics done = row_count;
    if done <> expected then
      -- Stored before: the outcome of an earlier try was unknown. Anything else under that number is a contradiction.
      select m.s as session_id, m.q as seq into wrong
      from json_to_recordset(given.messages) as m (s uuid, q bigint, i text, p uuid, t text, b json, a bigint)
      join messages stored on stored.session_id = m.s and stored.seq = m.q
      where (stored.id, stored.type, stored.body::text, stored.sent_at)
          is distinct from (m.i, m.t, coalesce(m.b, 'null')::text, to_timestamp(m.a / 1000.0))
        or stored.participant_id is distinct from m.p
      limit 1;
      if found then
        raise exception 'seq % of session % is another message', wrong.seq, wrong.session_id using errcode = 'TD001';
      end if;
    end if;
  end if;

  if given.receipts is not null then
    update participants p set
      delivered = greatest(p.delivered, r.delivered, r.read),
      read = greatest(p.read, r.read)
    from json_to_recordset(given.receipts) as r (session_id uuid, id uuid, delivered bigint, read bigint)
    where p.id = r.id and p.session_id = r.session_id;
  end if;
end
$$;
