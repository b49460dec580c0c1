import { randomUUID } from 'node:crypto';
import type { SessionSnapshot } from '../../sessions/ports.ts';
import { closeByHost, joinSession, openSession, resumeSeat } from '../../sessions/session.ts';
import type { JoinOutcome, Rule, SeatHolder, SessionDocument } from '../../sessions/session.ts';
import { CODE_TTL_MS, DEFAULTS } from './suite.conformance.ts';
import type { Harness } from './suite.conformance.ts';
import { decided, expectKind } from './outcome.conformance.ts';

/** A session of a test: how others find it, and who opened it. */
export interface Room {
  readonly id: string;
  readonly code: string;
  readonly host: SeatHolder;
}

interface NewRoom {
  capacity?: number;
  code?: string;
  keyHash?: string;
  metadata?: SessionDocument['metadata'];
}

export function newDocument(h: Harness, { capacity = 2, code = freshCode(), keyHash, metadata = {} }: NewRoom = {}) {
  const now = h.now();
  return openSession(
    {
      id: randomUUID(),
      now,
      capacity,
      approval: false,
      shareHistory: false,
      metadata,
      code: { value: code, expiresAt: now + CODE_TTL_MS },
    },
    newSeat(keyHash ?? null),
  );
}

function newSeat(keyHash: string | null) {
  const id = randomUUID();
  return { id, name: 'Ada', userId: null, tokenHash: tokenHashOf(id), keyHash, instance: 'here' };
}

/** Each seat's token stands for its id, so that a test can resume any seat. */
function tokenHashOf(seatId: string): string {
  return `hash of ${seatId}`;
}

export async function createRoom(h: Harness, options: NewRoom = {}): Promise<Room> {
  const document = newDocument(h, options);
  const { snapshot } = expectKind(await h.state.create(document, ignore), 'created');
  const [seat] = snapshot.document.seats;
  if (seat === undefined || document.code === null) throw new Error('a new session has a host and a code');
  return { id: document.id, code: document.code.value, host: { seatId: seat.id, generation: seat.generation } };
}

export async function pair(h: Harness): Promise<{ room: Room; guest: SeatHolder }> {
  const room = await createRoom(h);
  return { room, guest: await join(h, room) };
}

export function joinRule(room: Room, keyHash: string | null = null): Rule<JoinOutcome> {
  return joinSession(room.code, newSeat(keyHash), DEFAULTS.retryHorizonMs);
}

export async function tryJoin(h: Harness, room: Room, keyHash: string | null = null): Promise<JoinOutcome> {
  return decided(await h.state.change(room.id, joinRule(room, keyHash)));
}

export async function join(h: Harness, room: Room, keyHash: string | null = null): Promise<SeatHolder> {
  const { seat } = expectKind(await tryJoin(h, room, keyHash), 'joined');
  return { seatId: seat.id, generation: seat.generation };
}

export async function resume(h: Harness, room: Room, { seatId }: SeatHolder): Promise<SeatHolder> {
  const request = { seatId, tokenHash: tokenHashOf(seatId), userId: null, instance: 'here' };
  const outcome = decided(await h.state.change(room.id, resumeSeat(request, DEFAULTS.retryHorizonMs)));
  return { seatId, generation: expectKind(outcome, 'resumed').seat.generation };
}

export async function close(h: Harness, room: Room): Promise<void> {
  expectKind(decided(await h.state.change(room.id, closeByHost(room.host))), 'closed');
}

export async function read(h: Harness, sessionId: string): Promise<SessionSnapshot> {
  const snapshot = await h.state.read(sessionId);
  if (snapshot === null) throw new Error(`expected session ${sessionId} to be there`);
  return snapshot;
}

export const counting: Rule<number> = (session) => {
  const outcome = Number(session.metadata['count'] ?? 0) + 1;
  const document = { ...session, metadata: { count: outcome } };
  return { kind: 'change', document, outcome, lasting: true, ended: [] };
};

export function freshCode(): string {
  return randomUUID().slice(0, 8).toUpperCase();
}

export function ignore(): void {
  // Nobody watches.
}
