-- oldest-code: 0.1.0

-- Sessions that several writers archive: which view of a session is the later one. 0 where there is one writer.
alter table sessions add column if not exists version bigint not null default 0;
-- Of the session, when the seat was last written: a seat that a later view left alone may come with an earlier one.
alter table participants add column if not exists version bigint not null default 0;

-- Which database this is. What is kept outside it (the hot state) names it, so that nobody takes the state of one
-- deployment for that of another.
create table if not exists deployment (
  id uuid not null default gen_random_uuid(),
  created_at timestamptz not null default now(),
  -- There is one row.
  is_only boolean primary key default true check (is_only)
);
insert into deployment default values on conflict do nothing;

-- Stores one batch, all of it or nothing. What it refuses as a contradiction has SQLSTATE TD001; a batch that was
-- stored before changes nothing.
--
-- Of a session with a version, and of its seats, what is stored with this version or a later one stays as it is, without
-- a word: several writers may be on their way with what they saw of it, and the latest view wins in whatever order they
-- come. Without a version (or 0) there is one writer, and what it says is written. What only grows is raised in any case:
-- the last activity, the end of a seat, receipts, the log.
--
--   sessions  [{ id, epoch, version, created_at, capacity, locked, approval, share_history, metadata, code,
--                code_expires_at, ever_paired, closed_reason, closed_at, last_activity_at }]
--   seats     [{ id, session_id, position, role, name, user_id, token_hash, key_hash, key_at, joined_at, joined_seq,
--                left_at, left_reason, version }]
--   messages  [{ s: session, e: epoch, q: seq, i: id, p: participant or null, t: type, b: body, a: sent at }]
--   receipts  [{ session_id, id, delivered, read }]
--
-- Each is null when there is nothing of its kind; each names a row once. Times are Unix milliseconds.
create or replace function commit_batch(batch json) returns void
language plpgsql
-- A caller gives up after 2 s; without a deadline here its statement would go on waiting, and hold its connection.
set lock_timeout = '1500ms'
as $$
declare
  given record;
  other_epochs bigint;
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
    insert into sessions as stored (
      id, epoch, version, created_at, capacity, locked, approval, share_history, metadata, code, code_expires_at,
      ever_paired, closed_reason, closed_at, last_activity_at
    )
    select
      s.id, s.epoch, coalesce(s.version, 0), to_timestamp(s.created_at / 1000.0), s.capacity, s.locked, s.approval,
      s.share_history, s.metadata, s.code, to_timestamp(s.code_expires_at / 1000.0), s.ever_paired, s.closed_reason,
      to_timestamp(s.closed_at / 1000.0), to_timestamp(s.last_activity_at / 1000.0)
    from json_to_recordset(given.sessions) as s (
      id uuid, epoch integer, version bigint, created_at bigint, capacity smallint, locked boolean, approval boolean,
      share_history boolean, metadata json, code text, code_expires_at bigint, ever_paired boolean, closed_reason text,
      closed_at bigint, last_activity_at bigint
    )
    order by s.id -- The order in which rows are locked, also those that are new.
    on conflict (id) do update set
      version = greatest(stored.version, excluded.version),
      locked = excluded.locked,
      metadata = excluded.metadata,
      code = excluded.code,
      code_expires_at = excluded.code_expires_at,
      ever_paired = excluded.ever_paired,
      closed_reason = excluded.closed_reason,
      closed_at = excluded.closed_at,
      last_activity_at = greatest(stored.last_activity_at, excluded.last_activity_at)
    where stored.epoch = excluded.epoch and (excluded.version = 0 or excluded.version > stored.version);
    get diagnostics done = row_count;
    expected := json_array_length(given.sessions);
    if done <> expected then
      -- Another epoch, or a later version. Those that were not written are locked all the same: nothing changes here.
      select count(*) into other_epochs
      from json_to_recordset(given.sessions) as s (id uuid, epoch integer)
      join sessions stored on stored.id = s.id
      where stored.epoch <> s.epoch;
      if other_epochs > 0 then
        raise exception 'of % sessions % are stored under another epoch', expected, other_epochs
          using errcode = 'TD001';
      end if;
      update sessions stored set last_activity_at = to_timestamp(s.last_activity_at / 1000.0)
      from json_to_recordset(given.sessions) as s (id uuid, last_activity_at bigint)
      where stored.id = s.id and stored.last_activity_at < to_timestamp(s.last_activity_at / 1000.0);
    end if;
  end if;

  if given.seats is not null then
    expected := json_array_length(given.seats);
    insert into participants as stored (
      id, session_id, role, name, user_id, token_hash, key_hash, key_at, joined_at, joined_seq, left_at, left_reason,
      version
    )
    select
      p.id, p.session_id, p.role, p.name, p.user_id, p.token_hash, p.key_hash, to_timestamp(p.key_at / 1000.0),
      to_timestamp(p.joined_at / 1000.0), p.joined_seq, to_timestamp(p.left_at / 1000.0), p.left_reason,
      coalesce(p.version, 0)
    from json_to_recordset(given.seats) as p (
      id uuid, session_id uuid, "position" integer, role text, name text, user_id text, token_hash text, key_hash text,
      key_at bigint, joined_at bigint, joined_seq bigint, left_at bigint, left_reason text, version bigint
    )
    order by p.session_id, p."position" -- A new seat is taken behind all others: its number follows theirs.
    on conflict (id) do update set
      role = case when excluded.version = 0 or excluded.version > stored.version
        then excluded.role else stored.role end,
      token_hash = case when excluded.version = 0 or excluded.version > stored.version
        then excluded.token_hash else stored.token_hash end,
      version = greatest(stored.version, excluded.version),
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
