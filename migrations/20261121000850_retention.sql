-- oldest-code: 0.1.0

-- Removes what has had its time: at most `at_most` messages, a tenth of it of sessions, and `at_most` rows of each other
-- kind. One caller at a time; null for any other. Gives how many rows went of each kind, and whether there is `more`.
--
--   older_than   messages, events, closed sessions and settled mails from before this Unix millisecond
--   keep_newest  of an open session these stay however old they are: what a participant that returns begins with
--   moment       now: logins, tokens and revocations that have expired by then
--
-- Of a session messages go from its beginning, up to the first that is not old enough: what is left has no hole, and who
-- resumes before it is told of a gap. A session goes when it was closed long ago and its last message is gone.
create or replace function expire_rows(older_than bigint, keep_newest bigint, moment bigint, at_most integer)
returns json
language plpgsql
set lock_timeout = '500ms'
as $$
declare
  cutoff timestamptz := to_timestamp(older_than / 1000.0);
  expiry timestamptz := to_timestamp(moment / 1000.0);
  left_over bigint := at_most;
  old record;
  last_seq_to_go bigint;
  done bigint;
  sessions_gone bigint;
  events_gone bigint;
  tokens_gone bigint;
  logins_gone bigint;
  revocations_gone bigint;
  mails_gone bigint;
begin
  -- Of all advisory locks of two numbers ours: "tandem_retention" by CRC-32.
  if not pg_try_advisory_xact_lock(1040009057, 0) then
    return null;
  end if;

  -- Sessions that are younger than that have no such message, and those that were closed before it go as a whole: what
  -- is looked through here are the few that were open at that time.
  for old in
    select s.id, first.seq as first_seq,
      case when s.closed_at is null then s.last_seq - keep_newest else first.seq + at_most end as last_seq
    from sessions s
    cross join lateral (
      select m.seq, m.sent_at from messages m where m.session_id = s.id order by m.seq limit 1
    ) first
    where s.created_at < cutoff and first.sent_at < cutoff
      and (s.closed_at is not null or first.seq <= s.last_seq - keep_newest)
    order by s.created_at
    limit at_most
  loop
    last_seq_to_go := least(old.last_seq, old.first_seq + left_over - 1);
    select least(last_seq_to_go, min(m.seq) - 1) into last_seq_to_go
    from messages m
    where m.session_id = old.id and m.seq between old.first_seq and last_seq_to_go and m.sent_at >= cutoff;
    delete from messages m where m.session_id = old.id and m.seq <= last_seq_to_go;
    get diagnostics done = row_count;
    left_over := left_over - done;
    exit when left_over <= 0;
  end loop;

  delete from sessions s
  where s.id in (
    select o.id from sessions o
    where o.closed_at < cutoff and not exists (select from messages m where m.session_id = o.id)
    order by o.closed_at
    limit greatest(1, at_most / 10)
    for update skip locked
  );
  get diagnostics sessions_gone = row_count;

  delete from session_events e
  where e.id in (select o.id from session_events o where o.at < cutoff order by o.at limit at_most);
  get diagnostics events_gone = row_count;

  delete from refresh_tokens t
  where t.token_hash in (
    select o.token_hash from refresh_tokens o where o.expires_at <= expiry order by o.expires_at limit at_most
    for update skip locked
  );
  get diagnostics tokens_gone = row_count;

  delete from logins l
  where l.id in (
    select o.id from logins o where o.expires_at <= expiry order by o.expires_at limit at_most for update skip locked
  );
  get diagnostics logins_gone = row_count;

  delete from revocations r
  where (r.kind, r.subject) in (
    select o.kind, o.subject from revocations o where o.expires_at <= expiry order by o.expires_at limit at_most
    for update skip locked
  );
  get diagnostics revocations_gone = row_count;

  delete from mail_queue m
  where m.id in (
    select o.id from mail_queue o where o.settled_at < cutoff order by o.settled_at limit at_most for update skip locked
  );
  get diagnostics mails_gone = row_count;

  return json_build_object(
    'messages', at_most - left_over, 'sessions', sessions_gone, 'events', events_gone, 'tokens', tokens_gone,
    'logins', logins_gone, 'revocations', revocations_gone, 'mails', mails_gone,
    'more', left_over <= 0 or sessions_gone >= greatest(1, at_most / 10)
      or at_most <= greatest(events_gone, tokens_gone, logins_gone, revocations_gone, mails_gone)
  );
end
$$;
