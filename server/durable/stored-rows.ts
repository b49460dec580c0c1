/** What the tables hold, as the queries of every store give it, and what it means to the domain. Times are Unix milliseconds. */
import type { JsonObject, JsonValue, LeaveReason, Message, Role } from '../../protocol/session.ts';
import type { StoredSeatOfUser, StoredSession } from '../sessions/ports.ts';
import type { SessionDocument } from '../sessions/session.ts';

export interface SessionRow {
  id: string;
  epoch: number;
  capacity: number;
  locked: boolean;
  approval: boolean;
  share_history: boolean;
  metadata: JsonObject;
  code: string | null;
  ever_paired: boolean;
  closed_reason: 'closed' | 'idle' | 'expired' | 'empty' | null;
  last_seq: number;
  created_at: number;
  code_expires_at: number | null;
  closed_at: number | null;
  last_activity_at: number;
  /** The living ones, in the order in which they were taken. */
  seats: SeatRow[] | null;
  kicked_users: string[] | null;
}

interface SeatRow {
  id: string;
  role: Role;
  name: string | null;
  userId: string | null;
  tokenHash: string;
  keyHash: string | null;
  keyAt: number | null;
  joinedAt: number;
  joinedSeq: number;
  delivered: number;
  read: number;
}

export interface SeatOfUserRow {
  participantId: string;
  joinedAt: number;
  joinedSeq: number;
  /** These are null together. */
  leftAt: number | null;
  leftReason: LeaveReason | null;
  leftSeq: number | null;
}

export interface MessageRow {
  id: string;
  seq: number;
  session_id: string;
  participant_id: string | null;
  type: string;
  body: JsonValue;
  sent_at: number;
}

export function storedSession(row: SessionRow, now: number): StoredSession {
  const seats = row.seats ?? [];
  return {
    document: {
      id: row.id,
      epoch: row.epoch,
      createdAt: row.created_at,
      capacity: row.capacity,
      locked: row.locked,
      approval: row.approval,
      shareHistory: row.share_history,
      metadata: row.metadata,
      code:
        row.code === null || row.code_expires_at === null ? null : { value: row.code, expiresAt: row.code_expires_at },
      everPaired: row.ever_paired,
      seats: seats.map((seat) => storedSeat(seat, now)),
      closed:
        row.closed_reason === null || row.closed_at === null ? null : { reason: row.closed_reason, at: row.closed_at },
      ...(row.kicked_users === null ? {} : { kickedUsers: row.kicked_users }),
    },
    lastSeq: row.last_seq,
    lastActivityAt: row.last_activity_at,
    receipts: new Map(seats.map(({ id, delivered, read }) => [id, { delivered, read }])),
  };
}

/** Nobody is connected to a seat that was just read, and its grace begins now. */
function storedSeat(row: SeatRow, now: number): SessionDocument['seats'][number] {
  const { id, role, name, userId, tokenHash, keyHash, keyAt, joinedAt, joinedSeq } = row;
  return {
    id,
    role,
    name,
    userId,
    tokenHash,
    key: keyHash === null || keyAt === null ? null : { hash: keyHash, at: keyAt },
    joinedAt,
    joinedSeq,
    presence: 'away',
    awaySince: now,
    generation: 0,
    instance: null,
  };
}

export function storedSeatOfUser(row: SeatOfUserRow): StoredSeatOfUser {
  const { participantId, joinedAt, joinedSeq, leftAt, leftReason, leftSeq } = row;
  const left =
    leftAt === null || leftReason === null || leftSeq === null
      ? null
      : { at: leftAt, reason: leftReason, seq: leftSeq };
  return { participantId, joinedAt, joinedSeq, left };
}

export function storedMessage(row: MessageRow): Message {
  return {
    id: row.id,
    seq: row.seq,
    sessionId: row.session_id,
    from: row.participant_id ?? 'server',
    type: row.type,
    body: row.body,
    sentAt: new Date(row.sent_at).toISOString(),
  };
}

/** What is no UUID names nothing here; asking the database would be an error. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}
