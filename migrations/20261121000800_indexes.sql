-- oldest-code: 0.1.0

-- Indexes of what is asked: each beside the question that it answers. Lists are newest first by id, because ids are UUID
-- v7, which begin with the time: so a place in a list is one value that stays where it is, whatever comes on top.
--
-- The head of a session (last_seq, last_activity_at) is in none, nor are receipts: what every message updates stays
-- within its page.

-- The sessions in which a user ever had a seat.
create index if not exists participants_user on participants (user_id, session_id) where user_id is not null;
-- Sessions by status. Those of all statuses are read by the primary key.
create index if not exists sessions_waiting on sessions (id) where closed_at is null and seat_count < 2;
create index if not exists sessions_paired on sessions (id) where closed_at is null and seat_count >= 2;
create index if not exists sessions_closed on sessions (id) where closed_at is not null;
-- The timeline of a session.
create index if not exists session_events_session on session_events (session_id, at, id);
-- A repeated send, of a participant, who belongs to one session. Without the session in front, because with it the
-- planner took it for as good as the primary key, and read all of a long session in its place.
create index if not exists messages_sender on messages (participant_id, id) where participant_id is not null;
drop index if exists messages_send;
-- One that a backend sent again: it has no participant.
create index if not exists messages_of_server on messages (session_id, id) where participant_id is null;

-- Devices of a user that are signed in.
create index if not exists logins_user on logins (user_id, last_used_at) where ended_at is null;
-- Those of an account that goes, and the tokens of a login that goes: also what their foreign keys look for.
create index if not exists logins_owner on logins (user_id, id);
create index if not exists refresh_tokens_login on refresh_tokens (login_id);
-- The next mails to send.
create index if not exists mail_queue_due on mail_queue (due_at) where status = 'waiting';

-- What retention removes, oldest first. Messages have none: they are found by their session, because an index on the
-- time of each message would be the largest of all, and written with each.
create index if not exists sessions_created on sessions (created_at);
create index if not exists sessions_ended on sessions (closed_at) where closed_at is not null;
create index if not exists session_events_age on session_events (at);
create index if not exists logins_expired on logins (expires_at);
create index if not exists refresh_tokens_expired on refresh_tokens (expires_at);
create index if not exists revocations_expired on revocations (expires_at);
create index if not exists mail_queue_settled on mail_queue (settled_at) where settled_at is not null;

-- The planner chooses by these, and an embedded database never gathers them by itself.
analyze sessions;
analyze participants;
analyze messages;
analyze session_events;
analyze daily_analytics;
analyze users;
analyze logins;
analyze refresh_tokens;
analyze revocations;
analyze mail_queue;
