import type { Message } from '../../../protocol/session.ts';
import type { LogRange, StoredSend } from '../../sessions/ports.ts';
import type { Pool } from '../pool.ts';
import { isUuid, storedMessage, type MessageRow } from '../stored-rows.ts';

type Queries = Pick<Pool, 'query'>;

const MESSAGE = `
  select id, seq, session_id, participant_id, type, body, (extract(epoch from sent_at) * 1000)::bigint as sent_at
  from messages where session_id = $1`;
const MESSAGES_AFTER = { name: 'messages_after', text: `${MESSAGE} and seq > $2 order by seq limit $3` };
const MESSAGES_BEFORE = { name: 'messages_before', text: `${MESSAGE} and seq < $2 order by seq desc limit $3` };

export async function readMessages(pool: Queries, sessionId: string, range: LogRange): Promise<Message[]> {
  if (!isUuid(sessionId)) return [];
  const rows =
    'afterSeq' in range
      ? await pool.query<MessageRow>(MESSAGES_AFTER, [sessionId, range.afterSeq, range.limit])
      : (await pool.query<MessageRow>(MESSAGES_BEFORE, [sessionId, range.beforeSeq, range.limit])).reverse();
  return rows.map(storedMessage);
}

/** The body as the text that was stored: a parsed one would have lost the order of keys like "1" and long numbers. */
const SEND = `
  participant_id as "participantId", id, seq, (extract(epoch from sent_at) * 1000)::bigint as "sentAt", type,
  body::text as "bodyJson"`;
/**
 * The newest: an id is a new message again after the retry horizon. A participant belongs to one session, which is only
 * compared: offered as a condition of an index, it had the planner take one that goes through all of a long session.
 */
const FIND_SEND = {
  name: 'find_send',
  text: `
    select ${SEND} from messages
    where participant_id = $2 and id = $3 and session_id is not distinct from $1
    order by seq desc limit 1`,
};

/** One of the server itself. */
const FIND_SERVER_SEND = {
  name: 'find_server_send',
  text: `
    select ${SEND} from messages
    where session_id = $1 and participant_id is null and id = $2
    order by seq desc limit 1`,
};

export async function findSend(
  pool: Queries,
  sessionId: string,
  participantId: string | null,
  id: string,
): Promise<StoredSend | null> {
  if (!isUuid(sessionId)) return null;
  if (participantId === null) {
    const [sent] = await pool.query<StoredSend>(FIND_SERVER_SEND, [sessionId, id]);
    return sent ?? null;
  }
  if (!isUuid(participantId)) return null;
  const [row] = await pool.query<StoredSend>(FIND_SEND, [sessionId, participantId, id]);
  return row ?? null;
}

/**
 * Materialized: found first, ordered then. Left to itself the planner may go down from the newest message until there are
 * enough, which is all of a long session.
 */
const RECENT_SENDS = {
  name: 'recent_sends',
  text: `
    with sends as materialized (
      select ${SEND} from messages
      where session_id = $1 and participant_id is not null and sent_at >= to_timestamp($2 / 1000.0)
      union all
      select ${SEND} from messages
      where session_id = $1 and participant_id is null and sent_at >= to_timestamp($2 / 1000.0)
    )
    select * from sends order by seq desc limit $3`,
};

export async function recentSends(
  pool: Queries,
  sessionId: string,
  since: number,
  limit: number,
): Promise<StoredSend[]> {
  return isUuid(sessionId) ? await pool.query<StoredSend>(RECENT_SENDS, [sessionId, since, limit]) : [];
}
