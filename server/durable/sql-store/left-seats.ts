import type { LeaveReason, Role } from '../../../protocol/session.ts';
import type { StoredLeftSeat } from '../../sessions/ports.ts';
import type { Pool } from '../pool.ts';
import { isUuid } from '../stored-rows.ts';

/** Who leaves and comes again all day long is not read at such length. */
const MOST = 100;

const LEFT_SEATS = {
  name: 'left_seats',
  text: `
    select p.id, p.role, p.name, p.user_id as "userId", (extract(epoch from p.joined_at) * 1000)::bigint as "joinedAt",
      p.joined_seq as "joinedSeq", p.delivered, p.read, (extract(epoch from p.left_at) * 1000)::bigint as "leftAt",
      p.left_reason as "leftReason"
    from participants p
    where p.session_id = $1 and p.left_at is not null
    order by p.seat_number desc limit $2`,
};

interface Row {
  id: string;
  role: Role;
  name: string | null;
  userId: string | null;
  joinedAt: number;
  joinedSeq: number;
  delivered: number;
  read: number;
  leftAt: number;
  leftReason: LeaveReason;
}

export async function leftSeats(pool: Pick<Pool, 'query'>, sessionId: string): Promise<StoredLeftSeat[]> {
  if (!isUuid(sessionId)) return [];
  const rows = await pool.query<Row>(LEFT_SEATS, [sessionId, MOST]);
  return rows.map(({ id, role, name, userId, joinedAt, joinedSeq, delivered, read, leftAt, leftReason }) => {
    return { id, role, name, userId, joinedAt, joinedSeq, delivered, read, left: { at: leftAt, reason: leftReason } };
  });
}
