/** A session as clients see it. Pure. */
import { iso } from './iso.ts';
import type { Durability, Participant, Session } from '../../protocol/session.ts';
import type { SessionSnapshot } from './ports.ts';
import { shownCode, statusOf, type Seat } from './session.ts';

export function viewSession(snapshot: SessionSnapshot, durability: Durability, now: number): Session {
  const { document, lastSeq, durableSeq } = snapshot;
  const code = shownCode(document, now);
  return {
    id: document.id,
    code: code?.value ?? null,
    status: statusOf(document),
    capacity: document.capacity,
    locked: document.locked,
    approval: document.approval,
    shareHistory: document.shareHistory,
    epoch: document.epoch,
    lastSeq,
    durableSeq,
    durability,
    createdAt: iso(document.createdAt),
    codeExpiresAt: code === null ? null : iso(code.expiresAt),
    metadata: document.metadata,
    participants: document.seats.map((seat) => viewParticipant(seat, snapshot)),
  };
}

export function viewParticipant(seat: Seat, { receipts, activity }: SessionSnapshot): Participant {
  const { delivered, read } = receipts.get(seat.id) ?? { delivered: 0, read: 0 };
  return {
    id: seat.id,
    role: seat.role,
    name: seat.name,
    userId: seat.userId,
    presence: seat.presence,
    state: activity.get(seat.id) ?? 'active',
    joinedAt: iso(seat.joinedAt),
    joinedSeq: seat.joinedSeq,
    delivered,
    read,
  };
}
