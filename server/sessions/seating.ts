import { TandemError } from '../../protocol/errors.ts';
import type { Events } from '../../protocol/events.ts';
import { SIZES } from '../../protocol/limits.ts';
import type { JsonObject, SelfWithToken, Session } from '../../protocol/session.ts';
import type { Logger } from '../observability/logger.ts';
import { holderOf, type Announcer, type SessionMetrics } from './announcer.ts';
import type { CodeSource } from './code-source.ts';
import type { History } from './history.ts';
import type { Guess, JoinGuard } from './join-guard.ts';
import { normalizeCode } from './pairing-code.ts';
import type { Connection, SessionEvents, SessionSnapshot, SessionState } from './ports.ts';
import { invalid, refused } from './refusals.ts';
import { readerSeat } from './reader-seat.ts';
import { hashKey, hashToken, newResumeToken } from './secrets.ts';
import { enterSession, KNOCK_WAIT_MS } from './knocks.ts';
import {
  findSeat,
  heldSeat,
  openSession,
  resumeSeat,
  retakeSeat,
  type Knock,
  type NewSeat,
  type Seat,
  type SeatHolder,
} from './session.ts';
import type { TimelineQueue } from './timeline-queue.ts';
import { WaitingRoom } from './waiting-room.ts';

/** A session that was lost is back within so long, as a rule. */
const LOST_RETRY_MS = 200;

/** The seat that a connection holds. */
export interface HeldSeat extends SeatHolder {
  readonly sessionId: string;
}

/** Who asks for a seat. */
export interface Caller {
  readonly connection: Connection;
  /** The caller's bucket for limits per address. */
  readonly ip: string;
  /** Who is signed in; null for a guest. */
  readonly userId: string | null;
  /** The seat that the connection holds already, if any. */
  readonly seat: HeldSeat | null;
  /** The caller's address as other people may see it. */
  readonly maskedIp: string;
  /** Told before a wait that the rules demand. */
  readonly onDelay?: (delayMs: number) => void;
  /** Told before a wait for a person; the signal aborts, with a `KnockEnd`, when the caller no longer waits. */
  readonly onKnock?: (waitMs: number) => AbortSignal;
}

export interface CreateInput {
  name: string | null;
  capacity: number;
  metadata: JsonObject;
  approval: boolean;
  shareHistory: boolean;
  key: string | null;
}

export interface JoinInput {
  code: string;
  name: string | null;
  key: string | null;
}

export interface ResumeInput {
  sessionId: string;
  participantId: string;
  resumeToken: string;
  epoch: number;
  lastSeq: number;
  lastId: string | null;
  durableSeq: number;
}

export interface Seated {
  session: Session;
  self: SelfWithToken;
}

export interface SeatingOptions {
  state: SessionState;
  history: History;
  events: SessionEvents;
  announcer: Announcer;
  codes: CodeSource;
  guard: JoinGuard;
  timeline: Pick<TimelineQueue, 'resumed'>;
  retryHorizonMs: number;
  instanceId: string;
  now: () => number;
  newId: () => string;
  logger: Logger;
  metrics: SessionMetrics;
}

/** How a connection comes to hold a seat: create, join, resume. */
export class Seating {
  readonly #options: SeatingOptions;
  readonly #waitingRoom: WaitingRoom;

  constructor(options: SeatingOptions) {
    this.#options = options;
    this.#waitingRoom = new WaitingRoom(options);
  }

  /** Throws `ALREADY_IN_SESSION`, `UNAVAILABLE`. */
  async create(caller: Caller, input: CreateInput): Promise<Seated> {
    const { state, events, codes, newId, logger } = this.#options;
    const { capacity, metadata, approval, shareHistory } = input;
    const keyHash = input.key === null ? null : hashKey('create', '', input.key, caller.userId);
    await this.#assertFree(caller, keyHash);
    const { token, newcomer } = this.#newcomer(caller, input.name, keyHash);
    return codes.tryFresh(async (code, issuedAt) => {
      const fresh = { id: newId(), now: issuedAt, capacity, approval, shareHistory, metadata, code };
      const document = openSession(fresh, newcomer);
      const result = await state.create(document, ({ document: visible }) => {
        for (const seat of visible.seats) events.attach(caller.connection, visible.id, holderOf(seat));
      });
      if (result.kind === 'code_taken') return null;
      if (result.kind === 'key_taken') return this.#retake(caller, result.sessionId, newcomer, token);
      logger.info('session_created', { sessionId: document.id, connectionId: caller.connection.id });
      return this.#seated(result.snapshot, newcomer.id, token);
    });
  }

  /**
   * Waits for the host where that decides. Throws `INVALID_PAYLOAD`, `SESSION_NOT_FOUND`, `SESSION_FULL`,
   * `SESSION_LOCKED`, `SESSION_CLOSED`, `JOIN_DENIED`, `RATE_LIMITED`, …
   */
  async join(caller: Caller, input: JoinInput): Promise<Seated> {
    const { state, guard } = this.#options;
    const code = normalizeCode(input.code);
    const keyHash = input.key === null || code === null ? null : hashKey('join', code, input.key, caller.userId);
    await this.#assertFree(caller, keyHash);
    const { token, newcomer } = this.#newcomer(caller, input.name, keyHash);
    const kept = keyHash === null ? null : await state.findByKey(keyHash);
    if (kept !== null) {
      const seated = await this.#retake(caller, kept, newcomer, token);
      if (seated !== null) return seated;
    }
    const guess = await guard.admit(caller.ip, caller.onDelay);
    try {
      return await this.#enter(caller, code, newcomer, token, guess);
    } finally {
      guess.end();
    }
  }

  async #enter(caller: Caller, code: string | null, newcomer: NewSeat, token: string, guess: Guess): Promise<Seated> {
    const { state, announcer, metrics, retryHorizonMs } = this.#options;
    if (code === null) {
      metrics.pairing('refused');
      await guess.miss();
      throw invalid('code', 'expected digits and consonants of a pairing code, as BCD-234');
    }
    const sessionId = await state.findByCode(code);
    if (sessionId === null) return this.#missed(guess);
    const rule = enterSession(code, newcomer, caller.maskedIp, retryHorizonMs);
    const result = await state.change(sessionId, rule, (outcome, snapshot) => {
      if (outcome.kind === 'joined') announcer.joined(caller.connection, outcome, snapshot);
      if (outcome.kind === 'retaken') this.#taken(caller.connection, outcome, snapshot);
      if (outcome.kind === 'knocked') announcer.knocked(outcome.knock, outcome.replaced, snapshot);
    });
    if (result.kind !== 'decided' || result.outcome.kind === 'code_dead') return this.#missed(guess);
    // What follows may wait for a person.
    guess.end();
    const { outcome, snapshot } = result;
    if (outcome.kind === 'joined' || outcome.kind === 'retaken') {
      await state.touch(sessionId, holderOf(outcome.seat));
      return this.#seated(snapshot, outcome.seat.id, token);
    }
    if (outcome.kind === 'knocked') return this.#knock(caller, sessionId, outcome.knock, token);
    metrics.pairing('refused');
    throw refused(outcome.kind);
  }

  /** Host alone: lets a joiner in that waits, or not. Throws `JOIN_DENIED` when none waits with this knock, … */
  async answerKnock(host: HeldSeat, knockId: string, admit: boolean): Promise<void> {
    await this.#waitingRoom.answer(host, knockId, admit);
  }

  /** A participant returns on a new connection: what it missed, and what nobody has any more. Throws `RESUME_REJECTED`. */
  async resume(connection: Connection, userId: string | null, input: ResumeInput): Promise<Events['session:resumed']> {
    const { state, announcer, metrics, timeline, retryHorizonMs, instanceId, logger } = this.#options;
    const { sessionId, participantId, resumeToken } = input;
    const request = { seatId: participantId, tokenHash: hashToken(resumeToken), userId, instance: instanceId };
    const result = await state.change(sessionId, resumeSeat(request, retryHorizonMs), (outcome, snapshot) => {
      if (outcome.kind === 'rejected') return;
      announcer.taken(connection, outcome.seat, outcome.kind === 'resumed' && outcome.wasAway, snapshot);
    });
    const missed =
      result.kind !== 'decided' || result.outcome.kind === 'rejected'
        ? 'rejected'
        : await this.#missedBy(result.outcome.seat, result.snapshot, input);
    if (missed === 'rejected') {
      metrics.resume('rejected');
      throw refused('rejected');
    }
    if (missed === 'lost') {
      throw new TandemError('UNAVAILABLE', 'The session is being put back from the archive: resume again.', {
        retryAfterMs: LOST_RETRY_MS,
      });
    }
    metrics.resume(missed.reset ? 'reset' : 'resumed');
    // Who comes to a closed session reads, and nothing happens to it.
    if (result.kind === 'decided' && result.outcome.kind === 'resumed') {
      timeline.resumed(sessionId, participantId, missed.reset);
    }
    logger.info('session_resumed', { sessionId, participantId, connectionId: connection.id });
    return missed;
  }

  async #knock(caller: Caller, sessionId: string, knock: Knock, token: string): Promise<Seated> {
    const { connection, onKnock } = caller;
    const signal = onKnock?.(KNOCK_WAIT_MS) ?? new AbortController().signal;
    try {
      const { seat, snapshot } = await this.#waitingRoom.wait({ connection, sessionId, knock, signal });
      return this.#seated(snapshot, seat.id, token);
    } catch (error) {
      this.#options.metrics.pairing('refused');
      throw error;
    }
  }

  /** A connection takes part in at most one session that is open; a closed one is left behind without a word. */
  async #assertFree({ seat }: Caller, keyHash: string | null): Promise<void> {
    if (seat === null) return;
    const snapshot = await this.#options.state.read(seat.sessionId);
    if (snapshot === null || snapshot.document.closed !== null) return;
    const own = heldSeat(snapshot.document, seat);
    if (own === undefined || (keyHash !== null && own.key?.hash === keyHash)) return;
    throw new TandemError('ALREADY_IN_SESSION', 'This connection has an open session: leave it first.');
  }

  #taken(connection: Connection, { seat, wasAway }: { seat: Seat; wasAway: boolean }, snapshot: SessionSnapshot): void {
    this.#options.announcer.taken(connection, seat, wasAway, snapshot);
    if (wasAway) this.#options.timeline.resumed(snapshot.document.id, seat.id, false);
  }

  #newcomer({ userId }: Caller, name: string | null, keyHash: string | null): { token: string; newcomer: NewSeat } {
    const { newId, instanceId } = this.#options;
    const token = newResumeToken();
    const newcomer = { id: newId(), name, userId, tokenHash: hashToken(token), keyHash, instance: instanceId };
    return { token, newcomer };
  }

  /** The same create or join again: null when the seat that it took is gone. */
  async #retake(caller: Caller, sessionId: string, newcomer: NewSeat, token: string): Promise<Seated | null> {
    const { state, retryHorizonMs } = this.#options;
    const result = await state.change(sessionId, retakeSeat(newcomer, retryHorizonMs), (outcome, snapshot) => {
      if (outcome.kind === 'retaken') this.#taken(caller.connection, outcome, snapshot);
    });
    if (result.kind !== 'decided' || result.outcome.kind === 'gone') return null;
    await state.touch(sessionId, holderOf(result.outcome.seat));
    return this.#seated(result.snapshot, result.outcome.seat.id, token);
  }

  async #missed(guess: Guess): Promise<never> {
    this.#options.metrics.pairing('refused');
    await guess.miss();
    throw refused('code_dead');
  }

  /**
   * `rejected` when the seat went elsewhere while this was read: kicked, timed out, or taken by a later connection;
   * `lost` when the session did, and comes back with the seat in it.
   */
  async #missedBy(
    seat: Seat,
    before: SessionSnapshot,
    input: ResumeInput,
  ): Promise<Events['session:resumed'] | 'rejected' | 'lost'> {
    const { state, history, announcer, events } = this.#options;
    const { sessionId, lastSeq, durableSeq } = input;
    const { document } = before;
    const reset =
      input.epoch !== document.epoch || lastSeq > before.lastSeq || (await this.#holdsOther(sessionId, input));
    const from = reset ? Math.min(durableSeq, lastSeq) : lastSeq;
    const floorSeq = document.shareHistory ? 0 : seat.joinedSeq;
    const start = Math.max(from, floorSeq);
    const range = { afterSeq: start, limit: SIZES.resumedMessages };
    const page = await history.read({ sessionId, floorSeq, range });
    const snapshot = await state.read(sessionId);
    if (page === null || snapshot === null || snapshot.document.epoch !== document.epoch) return 'lost';
    const own = readerSeat(snapshot, holderOf(seat));
    const now = findSeat(snapshot.document, seat.id);
    if (now !== undefined && now.generation > seat.generation) events.replaceSeat(sessionId, seat.id, now.generation);
    if (own === undefined) return 'rejected';
    const firstSeq = page.messages[0]?.seq ?? page.lastSeq + 1;
    return {
      session: announcer.view(snapshot),
      self: { participantId: own.id, role: own.role },
      messages: page.messages,
      hasMore: page.hasMore,
      gap: firstSeq > start + 1 ? { fromSeq: start + 1, toSeq: firstSeq - 1 } : null,
      reset,
    };
  }

  /** Whether another message stands where this client saw its last one. */
  async #holdsOther(sessionId: string, { lastSeq, lastId }: ResumeInput): Promise<boolean> {
    if (lastId === null || lastSeq === 0) return false;
    const range = { afterSeq: lastSeq - 1, limit: 1 };
    const held = (await this.#options.history.read({ sessionId, floorSeq: 0, range }))?.messages[0];
    return held?.seq === lastSeq && held.id !== lastId;
  }

  #seated(snapshot: SessionSnapshot, seatId: string, resumeToken: string): Seated {
    const role = snapshot.document.seats.find((seat) => seat.id === seatId)?.role ?? 'guest';
    return { session: this.#options.announcer.view(snapshot), self: { participantId: seatId, role, resumeToken } };
  }
}
