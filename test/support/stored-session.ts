/** Sessions, seats and messages as the domain hands them to a durable store, in tests. */
import { randomUUID } from 'node:crypto';
import type { CommitBatch, RecordedEvent, StoredMessage } from '../../server/sessions/ports.ts';
import type { Seat, SessionDocument } from '../../server/sessions/session.ts';

export const NOW = 1_800_000_000_123;
export const NOTHING: CommitBatch = { sessions: [], ended: [], messages: [], receipts: [] };

export function newSession(overrides: Partial<SessionDocument> = {}): SessionDocument {
  return {
    id: randomUUID(),
    epoch: 1,
    createdAt: NOW,
    capacity: 2,
    locked: false,
    approval: false,
    shareHistory: false,
    metadata: {},
    code: { value: 'BCDF2345', expiresAt: NOW + 900_000 },
    everPaired: false,
    seats: [newSeat('host')],
    closed: null,
    ...overrides,
  };
}

export function newSeat(role: Seat['role'], overrides: Partial<Seat> = {}): Seat {
  return {
    id: randomUUID(),
    role,
    name: null,
    userId: null,
    tokenHash: `token of ${randomUUID()}`,
    key: null,
    joinedAt: NOW,
    joinedSeq: 0,
    presence: 'online',
    awaySince: null,
    generation: 3,
    instance: 'instance-1',
    ...overrides,
  };
}

export function newMessage(
  session: SessionDocument,
  sender: Seat,
  seq: number,
  overrides: Partial<StoredMessage> = {},
): StoredMessage {
  return {
    sessionId: session.id,
    epoch: session.epoch,
    seq,
    id: randomUUID(),
    participantId: sender.id,
    type: 'text',
    bodyJson: '"hello"',
    sentAt: NOW,
    ...overrides,
  };
}

export function newEvent(overrides: Partial<RecordedEvent> = {}): RecordedEvent {
  return {
    id: randomUUID(),
    sessionId: randomUUID(),
    at: NOW,
    kind: 'away',
    participantId: randomUUID(),
    reason: null,
    count: 1,
    ...overrides,
  };
}

export function entry(document: SessionDocument, changed: readonly Seat[], lastActivityAt: number = NOW) {
  return { document, changedSeatIds: changed.map((seat) => seat.id), lastActivityAt };
}

/** Stores sessions with all their seats; a number at the end is the time of the last activity. */
export function creation(...sessions: (SessionDocument | number)[]): CommitBatch {
  const at = sessions.find((part) => typeof part === 'number');
  const documents = sessions.filter((part) => typeof part !== 'number');
  return { ...NOTHING, sessions: documents.map((document) => entry(document, document.seats, at)) };
}

export function messagesOnly(...messages: StoredMessage[]): CommitBatch {
  return { ...NOTHING, messages };
}
