import type { StoredSeatOfUser } from '../../sessions/ports.ts';
import type { Pool } from '../pool.ts';
import { isUuid, storedSeatOfUser, type SeatOfUserRow } from '../stored-rows.ts';

/** Who leaves and comes again all day long is not read at such length. */
const MOST = 100;

/**
 * The seats are found first, and ordered then: else the planner may go through all that a session ever had, in order.
 *
 * A seat that was left: messages of participants are found by their time, and from the last of these on one goes along the
 * log, through what the server itself had sent by then. An index of all messages by time would be the largest of all.
 */
const SEATS_OF_USER = {
  name: 'seats_of_user',
  text: `
    with own as materialized (select * from participants where user_id = $1 and session_id = $2)
    select p.id as "participantId", (extract(epoch from p.joined_at) * 1000)::bigint as "joinedAt",
      p.joined_seq as "joinedSeq", (extract(epoch from p.left_at) * 1000)::bigint as "leftAt",
      p.left_reason as "leftReason",
      case when p.left_at is not null then coalesce((
        select later.seq - 1 from messages later
        where later.session_id = p.session_id and later.sent_at > p.left_at and later.seq > coalesce((
          select m.seq from messages m
          where m.session_id = p.session_id and m.participant_id is not null and m.sent_at <= p.left_at
          order by m.sent_at desc, m.seq desc limit 1
        ), 0)
        order by later.seq limit 1
      ), s.last_seq) end as "leftSeq"
    from own p join sessions s on s.id = p.session_id
    order by p.seat_number desc limit $3`,
};

export async function seatsOfUser(
  pool: Pick<Pool, 'query'>,
  sessionId: string,
  userId: string,
): Promise<StoredSeatOfUser[]> {
  if (!isUuid(sessionId)) return [];
  return (await pool.query<SeatOfUserRow>(SEATS_OF_USER, [userId, sessionId, MOST])).map(storedSeatOfUser);
}
