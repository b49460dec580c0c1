/** The parameter of the SQL function `commit_batch`: its comment in migrations/ says what stands where. */
import type { CommitBatch, StoredMessage } from '../sessions/ports.ts';
import type { EndedSeat, Seat, SessionDocument } from '../sessions/session.ts';

/**
 * Null when there is nothing to store. A batch may name a session or a seat several times, as it changed several times
 * while the batch was gathered: the one of the highest version counts, of equal ones the last.
 */
export function commitBatchJson({ sessions: given, ended, messages, receipts }: CommitBatch): string | null {
  const parts: string[] = [];
  const sessions = inOrder(given);
  if (sessions.length > 0) parts.push(`"sessions":${JSON.stringify(sessionRows(sessions))}`);
  const seats = seatRows(sessions, ended);
  if (seats.length > 0) parts.push(`"seats":${JSON.stringify(seats)}`);
  if (messages.length > 0) parts.push(`"messages":[${messages.map(messageJson).join(',')}]`);
  if (receipts.length > 0) parts.push(`"receipts":${JSON.stringify(receiptRows(receipts))}`);
  return parts.length === 0 ? null : `{${parts.join(',')}}`;
}

/** The hot path: the body is put in as the text that it is. */
function messageJson({ sessionId, epoch, seq, id, participantId, type, bodyJson, sentAt }: StoredMessage): string {
  const participant = participantId === null ? 'null' : `"${participantId}"`;
  return (
    `{"s":"${sessionId}","e":${epoch},"q":${seq},"i":${JSON.stringify(id)},"p":${participant},` +
    `"t":${JSON.stringify(type)},"a":${sentAt},"b":${bodyJson}}`
  );
}

/** The sort is stable: without versions the order stays. */
function inOrder(sessions: CommitBatch['sessions']): CommitBatch['sessions'] {
  return sessions.toSorted((one, other) => (one.version ?? 0) - (other.version ?? 0));
}

function sessionRows(sessions: CommitBatch['sessions']): unknown[] {
  const rows = new Map<string, unknown>();
  for (const { document, version = 0, lastActivityAt } of sessions) {
    rows.set(document.id, sessionRow(document, version, lastActivityAt));
  }
  return [...rows.values()];
}

function sessionRow(session: SessionDocument, version: number, lastActivityAt: number): unknown {
  return {
    id: session.id,
    epoch: session.epoch,
    version,
    created_at: session.createdAt,
    capacity: session.capacity,
    locked: session.locked,
    approval: session.approval,
    share_history: session.shareHistory,
    metadata: session.metadata,
    code: session.code?.value ?? null,
    code_expires_at: session.code?.expiresAt ?? null,
    ever_paired: session.everPaired,
    closed_reason: session.closed?.reason ?? null,
    closed_at: session.closed?.at ?? null,
    last_activity_at: lastActivityAt,
  };
}

interface SeatEntry {
  readonly sessionId: string;
  readonly seat: Seat;
  readonly version: number;
  readonly end: Pick<EndedSeat, 'reason' | 'at'> | null;
}

/**
 * In the order in which the seats were taken: `position` tells it to the database, for those that it does not know yet.
 * A map keeps the place of a key that is set again.
 */
function seatRows(sessions: CommitBatch['sessions'], ended: CommitBatch['ended']): unknown[] {
  const entries = new Map<string, SeatEntry>();
  const versions = new Map(sessions.map(({ document, version = 0 }) => [document.id, version]));
  for (const { document, changedSeatIds, version = 0 } of sessions) {
    const changed = new Set(changedSeatIds);
    for (const seat of document.seats) {
      if (changed.has(seat.id)) entries.set(seat.id, { sessionId: document.id, seat, version, end: null });
    }
  }
  for (const { sessionId, seat, ...end } of ended) {
    entries.set(seat.id, { sessionId, seat, version: versions.get(sessionId) ?? 0, end });
  }
  return [...entries.values()].map(seatRow);
}

function seatRow({ sessionId, seat, version, end }: SeatEntry, position: number): unknown {
  return {
    id: seat.id,
    session_id: sessionId,
    position,
    role: seat.role,
    name: seat.name,
    user_id: seat.userId,
    token_hash: seat.tokenHash,
    key_hash: seat.key?.hash ?? null,
    key_at: seat.key?.at ?? null,
    joined_at: seat.joinedAt,
    joined_seq: seat.joinedSeq,
    left_at: end?.at ?? null,
    left_reason: end?.reason ?? null,
    version,
  };
}

function receiptRows(receipts: CommitBatch['receipts']): unknown[] {
  const rows = new Map<string, { session_id: string; id: string; delivered: number; read: number }>();
  for (const { sessionId, seatId, delivered, read } of receipts) {
    const before = rows.get(seatId);
    rows.set(seatId, {
      session_id: sessionId,
      id: seatId,
      delivered: Math.max(delivered, before?.delivered ?? 0),
      read: Math.max(read, before?.read ?? 0),
    });
  }
  return [...rows.values()];
}
