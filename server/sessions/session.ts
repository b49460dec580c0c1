/**
 * A session as a value, and what create, join, resume, leave, kick, lock, reopen, close and a lost connection do to it.
 * Everything here is pure: no clock, no store, no logger. A store runs a rule on the session it holds and persists the
 * result by compare-and-set, so every store decides alike.
 */
import type { CloseReason, JsonObject, LeaveReason, Presence, Role, SessionStatus } from '../../protocol/session.ts';

/** Membership and flags. Head, activity and receipts are kept beside it, because appends must not version it. */
export interface SessionDocument {
  readonly id: string;
  readonly epoch: number;
  /** Unix milliseconds, as all times in this file. */
  readonly createdAt: number;
  readonly capacity: number;
  readonly locked: boolean;
  readonly approval: boolean;
  readonly shareHistory: boolean;
  readonly metadata: JsonObject;
  /** The code that leads here, shown or not; null once it was killed. */
  readonly code: SessionCode | null;
  /** Whether a second participant ever arrived. */
  readonly everPaired: boolean;
  /** Seats in the order in which they were taken; those of a closed session stay, for reading. */
  readonly seats: readonly Seat[];
  readonly closed: { readonly reason: CloseReason; readonly at: number } | null;
  /** Signed-in users who were kicked, oldest first: none of their devices comes back. Absent while there is none. */
  readonly kickedUsers?: readonly string[];
  /** Who asked to come in, oldest first; absent when nobody did. A restart forgets them. See knocks.ts. */
  readonly knocks?: readonly Knock[];
}

/** Someone who waits for the host's approval, or got the answer a short while ago. */
export interface Knock {
  /** The seat that an admission gives: its id is the knock's. */
  readonly newcomer: NewSeat;
  /** Masked. */
  readonly ip: string;
  /** When the joiner asked, or repeated it. */
  readonly at: number;
  /** What the host said; null while it has said nothing. */
  readonly answer: KnockAnswer | null;
}

export type KnockAnswer =
  | { readonly kind: 'denied' }
  | { readonly kind: 'session_full' }
  /** Another device of the same user held a seat, and was kicked. */
  | { readonly kind: 'kicked' }
  /** `paired`: by this admission. */
  | { readonly kind: 'admitted'; readonly paired: boolean };

export interface SessionCode {
  /** Without hyphen, upper case. */
  readonly value: string;
  readonly expiresAt: number;
}

export interface Seat {
  readonly id: string;
  readonly role: Role;
  readonly name: string | null;
  readonly userId: string | null;
  /** SHA-256 of the resume token, base64url. */
  readonly tokenHash: string;
  /** Idempotency key of the create or join that took this seat: its SHA-256, and when it was used. */
  readonly key: { readonly hash: string; readonly at: number } | null;
  readonly joinedAt: number;
  readonly joinedSeq: number;
  readonly presence: Presence;
  /** Since when no connection holds the seat; null while one does. */
  readonly awaySince: number | null;
  /** Grows with each connection that takes the seat: what an older one still does is recognised by it. */
  readonly generation: number;
  /** Instance that holds the connection. */
  readonly instance: string | null;
}

/**
 * Where the generations of a session's seats count on from when it goes on under another epoch: this, times the epoch.
 * So none of the connections of an epoch that is over is ever taken for one of the next.
 */
export const GENERATIONS_OF_EPOCH = 1_000_000;

/** What names a caller to the rules: the seat, and which of its connections speaks. */
export interface SeatHolder {
  readonly seatId: string;
  readonly generation: number;
}

/** The server itself speaks: no seat has this id, which are UUIDs. */
export const SERVER: SeatHolder = { seatId: 'server', generation: 0 };

/** Who that is to the archive, where the server itself is nobody. */
export function participantOf(senderId: string): string | null {
  return senderId === SERVER.seatId ? null : senderId;
}

export interface EndedSeat {
  readonly seat: Seat;
  readonly reason: LeaveReason;
  readonly at: number;
}

/** What a rule may look at beside the document. */
export interface RuleContext {
  readonly now: number;
  readonly lastSeq: number;
  /** Unix ms of the last command that counts as activity. */
  readonly lastActivityAt: number;
}

/**
 * The decision of a rule. `lasting` is false for what a restart forgets anyway (which connection holds a seat): it
 * needs no commit in the durable store.
 */
export type Decision<O> =
  | { readonly kind: 'keep'; readonly outcome: O }
  | {
      readonly kind: 'change';
      readonly document: SessionDocument;
      readonly outcome: O;
      readonly lasting: boolean;
      readonly ended: readonly EndedSeat[];
    };

export type Rule<O> = (session: SessionDocument, context: RuleContext) => Decision<O>;

export interface NewSession {
  id: string;
  now: number;
  capacity: number;
  approval: boolean;
  shareHistory: boolean;
  metadata: JsonObject;
  code: SessionCode;
}

export interface NewSeat {
  id: string;
  name: string | null;
  userId: string | null;
  tokenHash: string;
  keyHash: string | null;
  instance: string;
}

/** Users who were kicked that a session remembers; so many times its capacity have been kicked by then. */
const MAX_KICKED_USERS = 200;

const KICKED: KnockAnswer = { kind: 'kicked' };

/** Without a host: for participants to come, of whom the first is host. */
export function openSession(input: NewSession, host: NewSeat | null): SessionDocument {
  const { id, now, capacity, approval, shareHistory, metadata, code } = input;
  return {
    id,
    epoch: 1,
    createdAt: now,
    capacity,
    locked: false,
    approval,
    shareHistory,
    metadata,
    code,
    everPaired: false,
    seats: host === null ? [] : [seatOf(host, 'host', { now, lastSeq: 0, lastActivityAt: now })],
    closed: null,
  };
}

export function statusOf(session: SessionDocument): SessionStatus {
  if (session.closed !== null) return 'closed';
  return session.seats.length < 2 ? 'waiting' : 'paired';
}

export function isFull(session: SessionDocument): boolean {
  return session.seats.length >= session.capacity;
}

/** The code, while somebody can join by it. */
export function shownCode(session: SessionDocument, now: number): SessionCode | null {
  if (session.code === null || session.code.expiresAt <= now) return null;
  return session.closed !== null || session.locked || isFull(session) ? null : session.code;
}

export function findSeat(session: SessionDocument, seatId: string): Seat | undefined {
  return session.seats.find((seat) => seat.id === seatId);
}

/** The seat, when this connection is the one that holds it now. */
export function heldSeat(session: SessionDocument, holder: SeatHolder): Seat | undefined {
  const seat = findSeat(session, holder.seatId);
  return seat?.generation === holder.generation ? seat : undefined;
}

export function isKicked({ kickedUsers }: SessionDocument, userId: string | null): boolean {
  return userId !== null && (kickedUsers ?? []).includes(userId);
}

export type JoinOutcome =
  /** `isFirst`: no second participant ever arrived before. */
  | { kind: 'joined'; seat: Seat; paired: boolean; isFirst: boolean }
  | { kind: 'retaken'; seat: Seat; wasAway: boolean }
  | { kind: 'code_dead' }
  /** This user was kicked. */
  | { kind: 'kicked' }
  | { kind: 'session_full' }
  | { kind: 'session_locked' }
  | { kind: 'session_closed' };

/** Join by a code that was looked up before: it may have died since. */
export function joinSession(code: string, guest: NewSeat, retryHorizonMs: number): Rule<JoinOutcome> {
  return (session, context) => {
    const own = keptSeat(session, guest.keyHash, context.now, retryHorizonMs);
    if (own !== undefined) return retake(session, own, guest);
    if (session.code?.value !== code || session.code.expiresAt <= context.now) return keep({ kind: 'code_dead' });
    if (isKicked(session, guest.userId)) return keep({ kind: 'kicked' });
    if (session.closed !== null) return keep({ kind: 'session_closed' });
    if (session.locked) return keep({ kind: 'session_locked' });
    if (isFull(session)) return keep({ kind: 'session_full' });
    return addSeat(session, guest, context);
  };
}

/** A free seat is taken: whether there is one, and whether the newcomer may have it, is the caller's to know. */
export function addSeat(
  session: SessionDocument,
  guest: NewSeat,
  context: RuleContext,
): Decision<JoinOutcome & { kind: 'joined' }> & { kind: 'change' } {
  const seat = seatOf(guest, session.seats.length === 0 ? 'host' : 'guest', context);
  const seats = [...session.seats, seat];
  const paired = seats.length === 2;
  const isFirst = paired && !session.everPaired;
  const everPaired = session.everPaired || paired;
  return lasting({ ...session, seats, everPaired }, { kind: 'joined', seat, paired, isFirst });
}

export type RetakeOutcome = { kind: 'retaken'; seat: Seat; wasAway: boolean } | { kind: 'gone' };

/** A create or join repeated with its key: the same seat under a new token, the old token dies. */
export function retakeSeat(newcomer: NewSeat, retryHorizonMs: number): Rule<RetakeOutcome> {
  return (session, { now }) => {
    const own = keptSeat(session, newcomer.keyHash, now, retryHorizonMs);
    return own === undefined ? keep({ kind: 'gone' }) : retake(session, own, newcomer);
  };
}

export type ResumeOutcome =
  | { kind: 'resumed'; seat: Seat; wasAway: boolean }
  /** The session is closed: the seat may read, and repeat what it sent. */
  | { kind: 'reading'; seat: Seat }
  | { kind: 'rejected' };

export interface ResumeRequest {
  seatId: string;
  tokenHash: string;
  /** Who is signed in on the connection. A seat that nobody signed in took is resumed by whoever has its token. */
  userId: string | null;
  instance: string;
}

export function resumeSeat(request: ResumeRequest, retryHorizonMs: number): Rule<ResumeOutcome> {
  return (session, { now }) => {
    const seat = findSeat(session, request.seatId);
    // The hashes are compared as text: they tell nothing of the tokens, so the time that it takes tells nothing either.
    if (seat === undefined || seat.tokenHash !== request.tokenHash) return keep({ kind: 'rejected' });
    if (seat.userId !== null && seat.userId !== request.userId) return keep({ kind: 'rejected' });
    if (session.closed !== null) {
      return keep(now < session.closed.at + retryHorizonMs ? { kind: 'reading', seat } : { kind: 'rejected' });
    }
    const taken = heldBy(seat, request.instance);
    return passing(withSeat(session, taken), { kind: 'resumed', seat: taken, wasAway: seat.presence === 'away' });
  };
}

export type DropOutcome = { kind: 'away' } | { kind: 'stale' };

/** The connection of this generation is gone; a later one has nothing to do with it. */
export function dropConnection(holder: SeatHolder): Rule<DropOutcome> {
  return (session, { now }) => {
    const seat = heldSeat(session, holder);
    if (seat === undefined || seat.presence === 'away' || session.closed !== null) return keep({ kind: 'stale' });
    const away: Seat = { ...seat, presence: 'away', awaySince: now, instance: null };
    return passing(withSeat(session, away), { kind: 'away' });
  };
}

export type LeaveOutcome =
  | { kind: 'left'; seat: Seat; newHost: Seat | null; closed: CloseReason | null }
  | { kind: 'session_closed' }
  | { kind: 'not_seated' };

export function leaveSession(holder: SeatHolder): Rule<LeaveOutcome> {
  return (session, { now }) => {
    // Readers of a closed session hold its seats together, and a restart forgets their generations.
    const seat = session.closed === null ? heldSeat(session, holder) : findSeat(session, holder.seatId);
    if (seat === undefined) return keep({ kind: 'not_seated' });
    if (session.closed !== null) return keep({ kind: 'session_closed' });
    return freeSeat(session, seat, 'left', now);
  };
}

/** The grace of a seat is over: decided again on the current document, because its participant may be back. */
export function timeOutSeat(seatId: string, graceMs: number): Rule<LeaveOutcome> {
  return (session, { now }) => {
    const seat = findSeat(session, seatId);
    if (seat === undefined || session.closed !== null) return keep({ kind: 'not_seated' });
    if (seat.awaySince === null || seat.awaySince + graceMs > now) return keep({ kind: 'not_seated' });
    return freeSeat(session, seat, 'timeout', now);
  };
}

export type HostRefusal = { kind: 'not_seated' } | { kind: 'not_host' } | { kind: 'session_closed' };

export type KickOutcome =
  | HostRefusal
  /** `others`: further seats of the same user, which went with it. */
  | { kind: 'kicked'; seat: Seat; others: readonly Seat[] }
  | { kind: 'no_such_participant' }
  | { kind: 'own_seat' };

/** Seat, token and the current code die for good: who was kicked may know the code. */
export function kickParticipant(holder: SeatHolder, targetId: string): Rule<KickOutcome> {
  return asHost<KickOutcome>(holder, (session, { now }, host) => {
    const target = findSeat(session, targetId);
    // Another seat of the host's own, too: it would go with the host.
    const isOwn = targetId === host.id || (host.userId !== null && target?.userId === host.userId);
    return isOwn ? keep({ kind: 'own_seat' }) : kick(session, targetId, now);
  });
}

export type OperatorRefusal = { kind: 'session_closed' };

export type RemoveOutcome =
  | OperatorRefusal
  | { kind: 'no_such_participant' }
  /** `newHost`: who is host now, because the host was kicked; `closed`: nobody is left. */
  | { kind: 'kicked'; seat: Seat; others: readonly Seat[]; newHost: Seat | null; closed: CloseReason | null };

/** A kick by who stands above the host, who can be kicked too. */
export function removeParticipant(targetId: string): Rule<RemoveOutcome> {
  return (session, { now }): Decision<RemoveOutcome> => {
    if (session.closed !== null) return keep({ kind: 'session_closed' });
    const kicked = kick(session, targetId, now);
    if (kicked.kind === 'keep') return kicked;
    const { document, ended, outcome } = kicked;
    const [first, ...others] = document.seats;
    if (first === undefined) {
      const closed = { ...document, closed: { reason: 'empty', at: now } } as const;
      return lasting(closed, { ...outcome, newHost: null, closed: 'empty' }, ended);
    }
    if (document.seats.some(({ role }) => role === 'host')) {
      return lasting(document, { ...outcome, newHost: null, closed: null }, ended);
    }
    const newHost: Seat = { ...first, role: 'host' };
    return lasting({ ...document, seats: [newHost, ...others] }, { ...outcome, newHost, closed: null }, ended);
  };
}

/** A signed-in user goes with every seat, and who of them waits at the door is answered. */
function kick(
  session: SessionDocument,
  targetId: string,
  now: number,
):
  | (Decision<{ kind: 'no_such_participant' }> & { kind: 'keep' })
  | (Decision<{ kind: 'kicked'; seat: Seat; others: readonly Seat[] }> & { kind: 'change' }) {
  const target = findSeat(session, targetId);
  if (target === undefined) return { kind: 'keep', outcome: { kind: 'no_such_participant' } };
  const { userId } = target;
  const others = session.seats.filter((seat) => seat !== target && isOfUser(seat, userId));
  const gone = [target, ...others];
  const { knocks, ...rest } = session;
  const document: SessionDocument = {
    ...rest,
    ...(userId === null || isKicked(session, userId)
      ? {}
      : { kickedUsers: [...(session.kickedUsers ?? []), userId].slice(-MAX_KICKED_USERS) }),
    ...(knocks === undefined
      ? {}
      : { knocks: knocks.map((knock) => (isOfUser(knock.newcomer, userId) ? { ...knock, answer: KICKED } : knock)) }),
    seats: session.seats.filter((seat) => !gone.includes(seat)),
    code: null,
  };
  const ended = gone.map((seat): EndedSeat => ({ seat, reason: 'kicked', at: now }));
  return lasting(document, { kind: 'kicked', seat: target, others }, ended);
}

function isOfUser(owner: { readonly userId: string | null }, userId: string | null): boolean {
  return userId !== null && owner.userId === userId;
}

export type LockOutcome = HostRefusal | { kind: 'locked'; changed: boolean };

export function lockSession(holder: SeatHolder, locked: boolean): Rule<LockOutcome> {
  return asHost<LockOutcome>(holder, (session) =>
    session.locked === locked
      ? keep({ kind: 'locked', changed: false })
      : lasting({ ...session, locked }, { kind: 'locked', changed: true }),
  );
}

export type ReopenOutcome = HostRefusal | { kind: 'reopened' } | { kind: 'session_full' } | { kind: 'session_locked' };

export function reopenSession(holder: SeatHolder, code: SessionCode): Rule<ReopenOutcome> {
  return asHost<ReopenOutcome>(holder, (session) => {
    if (session.locked) return keep({ kind: 'session_locked' });
    if (isFull(session)) return keep({ kind: 'session_full' });
    return lasting({ ...session, code }, { kind: 'reopened' });
  });
}

export type CloseOutcome = HostRefusal | { kind: 'closed' };

export function closeByHost(holder: SeatHolder): Rule<CloseOutcome> {
  return asHost<CloseOutcome>(holder, (session, { now }) => closeSession(session, 'closed', now));
}

/** By who stands above the host. */
export const closeByOperator: Rule<OperatorRefusal | { kind: 'closed' }> = (session, { now }) =>
  session.closed === null ? closeSession(session, 'closed', now) : keep({ kind: 'session_closed' });

/** Closed for ever; the seats stay, for reading. */
export function closeSession(session: SessionDocument, reason: CloseReason, now: number): Decision<{ kind: 'closed' }> {
  return lasting({ ...session, closed: { reason, at: now } }, { kind: 'closed' });
}

export function asHost<O>(
  holder: SeatHolder,
  rule: (session: SessionDocument, context: RuleContext, host: Seat) => Decision<O | HostRefusal>,
): Rule<O | HostRefusal> {
  return (session, context) => {
    const seat = heldSeat(session, holder);
    if (seat === undefined) return keep({ kind: 'not_seated' });
    if (session.closed !== null) return keep({ kind: 'session_closed' });
    if (seat.role !== 'host') return keep({ kind: 'not_host' });
    return rule(session, context, seat);
  };
}

function freeSeat(session: SessionDocument, seat: Seat, reason: LeaveReason, now: number): Decision<LeaveOutcome> {
  const ended = [{ seat, reason, at: now }];
  const rest = session.seats.filter((other) => other.id !== seat.id);
  if (rest.length === 0) {
    const closed = { ...session, seats: [], closed: { reason: 'empty', at: now } } as const;
    return lasting(closed, { kind: 'left', seat, newHost: null, closed: 'empty' }, ended);
  }
  // Seats stand in the order in which they were taken, so the first one left is the earliest guest.
  const [first, ...others] = rest;
  if (seat.role !== 'host' || first === undefined) {
    return lasting({ ...session, seats: rest }, { kind: 'left', seat, newHost: null, closed: null }, ended);
  }
  const newHost: Seat = { ...first, role: 'host' };
  return lasting({ ...session, seats: [newHost, ...others] }, { kind: 'left', seat, newHost, closed: null }, ended);
}

/** The living seat that this key took, while a repetition still counts as one. */
function keptSeat(
  session: SessionDocument,
  keyHash: string | null,
  now: number,
  retryHorizonMs: number,
): Seat | undefined {
  if (keyHash === null || session.closed !== null) return undefined;
  return session.seats.find((seat) => seat.key?.hash === keyHash && now < seat.key.at + retryHorizonMs);
}

function retake(
  session: SessionDocument,
  own: Seat,
  newcomer: NewSeat,
): Decision<{ kind: 'retaken'; seat: Seat; wasAway: boolean }> {
  const seat = heldBy({ ...own, tokenHash: newcomer.tokenHash }, newcomer.instance);
  return lasting(withSeat(session, seat), { kind: 'retaken', seat, wasAway: own.presence === 'away' });
}

function seatOf(newcomer: NewSeat, role: Role, { now, lastSeq }: RuleContext): Seat {
  const { id, name, userId, tokenHash, keyHash, instance } = newcomer;
  return {
    id,
    role,
    name,
    userId,
    tokenHash,
    key: keyHash === null ? null : { hash: keyHash, at: now },
    joinedAt: now,
    joinedSeq: lastSeq,
    presence: 'online',
    awaySince: null,
    generation: 1,
    instance,
  };
}

export function heldBy(seat: Seat, instance: string): Seat {
  return { ...seat, presence: 'online', awaySince: null, generation: seat.generation + 1, instance };
}

export function withSeat(session: SessionDocument, changed: Seat): SessionDocument {
  return { ...session, seats: session.seats.map((seat) => (seat.id === changed.id ? changed : seat)) };
}

export function keep<O>(outcome: O): Decision<O> {
  return { kind: 'keep', outcome };
}

export function lasting<O>(
  document: SessionDocument,
  outcome: O,
  ended: readonly EndedSeat[] = [],
): Decision<O> & { kind: 'change' } {
  return { kind: 'change', document, outcome, lasting: true, ended };
}

export function passing<O>(document: SessionDocument, outcome: O): Decision<O> {
  return { kind: 'change', document, outcome, lasting: false, ended: [] };
}
