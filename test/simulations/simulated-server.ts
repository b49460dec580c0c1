/** One process: the domain over the in-process state, and as much of an edge as seats and answers need. */
import { TandemError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/session.ts';
import { Announcer } from '../../server/sessions/announcer.ts';
import { CachedMessages } from '../../server/sessions/cached-messages.ts';
import { CodeSource } from '../../server/sessions/code-source.ts';
import { History } from '../../server/sessions/history.ts';
import { JoinGuard } from '../../server/sessions/join-guard.ts';
import { MessageService } from '../../server/sessions/message-service.ts';
import type { Connection, SessionEvents, SessionState } from '../../server/sessions/ports.ts';
import { Seating } from '../../server/sessions/seating.ts';
import type { Caller, HeldSeat } from '../../server/sessions/seating.ts';
import { SessionService } from '../../server/sessions/session-service.ts';
import { TimelineQueue } from '../../server/sessions/timeline-queue.ts';
import { MemoryLimits } from '../../server/state/memory/memory-limits.ts';
import { MemoryState } from '../../server/state/memory/memory-state.ts';
import { allPages } from './all-pages.ts';
import type { Mutation } from './mutation.ts';
import type { Answer, Ask, Link, Packet, Request } from './simulated-link.ts';
import type { SimulatedDurable } from './stepped-store.ts';

const MINUTE = 60_000;
export const TIMINGS = { graceMs: 10 * MINUTE, idleWarningMs: 5 * MINUTE, idleTimeoutMs: 30 * MINUTE, ttlMs: 1e9 };
export const RETRY_HORIZON_MS = 60 * MINUTE;
/** Small, so that a resume has to read from the database. */
const HOT_MESSAGES = 4;

export interface SimulatedServerOptions {
  readonly durable: SimulatedDurable;
  readonly now: () => number;
  readonly newId: () => string;
  readonly mutation: Mutation;
}

interface Held {
  readonly link: Link;
  seat: HeldSeat | null;
  /** What came for the seat before its answer was out; null when the answer is. */
  held: Packet[] | null;
}

export class SimulatedServer implements SessionEvents {
  /** Faults that no client caused and no store: each is a finding. */
  readonly faults: unknown[] = [];
  readonly state: SessionState;
  readonly #memory: MemoryState;
  readonly #sessions: SessionService;
  readonly #seating: Seating;
  readonly #messages: MessageService;
  readonly #history: History;
  readonly #connections = new Map<string, Held>();
  /** Seats whose connection is gone, and the state has not taken note of it. */
  readonly #lost: HeldSeat[] = [];
  #noting = 0;

  constructor({ durable: store, now, newId, mutation }: SimulatedServerOptions) {
    const durable = mutation.durable?.(store) ?? store;
    const limits = new MemoryLimits(now);
    this.#memory = new MemoryState({
      durable,
      onMessage: ({ sessionId, json }, sender) => this.#deliver(sessionId, JSON.parse(json) as Message, sender),
      onRecovered: (recovery) => this.#sessions.recovered(recovery),
      limits,
      timings: TIMINGS,
      retryHorizonMs: RETRY_HORIZON_MS,
      hotMessages: HOT_MESSAGES,
      now,
      // A commit that the simulation let fail is told here too; what diverges, the recorder keeps.
      onFault: () => undefined,
    });
    const state = mutation.state?.(this.#memory) ?? this.#memory;
    this.state = state;
    const events = mutation.events?.(this) ?? this;
    const ignore = (): void => undefined;
    const nothing = { dropped: () => 0, droppedAt: () => null, close: () => Promise.resolve() };
    const logger = { error: ignore, warn: ignore, info: ignore, debug: ignore, ...nothing };
    const metrics = { pairing: ignore, signalSent: ignore, timeToPair: ignore, resume: ignore };
    const announcer = new Announcer({ events, durability: () => 'archived', now, logger, metrics });
    const codes = new CodeSource({ state, minLength: 6, ttlMs: 15 * MINUTE, now });
    const timeline = new TimelineQueue({ now, newId });
    const instanceId = 'the only one';
    this.#sessions = new SessionService({ state, events, announcer, codes, timeline, timings: TIMINGS, instanceId });
    const history = new History(state, new CachedMessages(durable, { getOrSet: ({ load }) => load() }));
    this.#history = history;
    this.#seating = new Seating({
      ...{ state, history, events, announcer, codes, timeline, logger, metrics, now, newId, instanceId },
      guard: new JoinGuard({ limits, failuresOfIp: () => null, failuresInTotal: null }),
      retryHorizonMs: RETRY_HORIZON_MS,
    });
    this.#messages = new MessageService({ state, history, events });
  }

  start(): Promise<void> {
    return this.#memory.start();
  }

  accept(link: Link): void {
    this.#connections.set(link.id, { link, seat: null, held: null });
  }

  /** Answers on the link, sooner or later. */
  async take(link: Link, { serial, ask }: Request): Promise<void> {
    const connection = this.#connections.get(link.id);
    if (connection === undefined) return;
    let packet: Packet;
    try {
      packet = { kind: 'answer', serial, answer: await this.#perform(connection, ask) };
    } catch (error) {
      if (!(error instanceof TandemError) || error.code === 'INTERNAL') this.faults.push(error);
      const { code, retryable } = error instanceof TandemError ? error : new TandemError('INTERNAL', 'a fault');
      packet = { kind: 'refusal', serial, error: { code, retryable } };
    }
    link.down.push(packet, ...(connection.held ?? []));
    connection.held = null;
  }

  /** All that the seat of this connection may read. */
  history(link: Link, joinedSeq: number): Promise<Message[]> {
    const connection = this.#connections.get(link.id);
    const seat = connection === undefined ? null : connection.seat;
    if (seat === null) return Promise.resolve([]);
    return allPages(joinedSeq, (range) => this.#messages.history(seat, range));
  }

  /** All of a session, as a reader without a seat has it. */
  log(sessionId: string): Promise<Message[]> {
    return allPages(0, (range) => this.#history.read({ sessionId, floorSeq: 0, range }));
  }

  /** The connection is gone, and its seat with it. */
  drop(link: Link): void {
    const seat = this.#connections.get(link.id)?.seat ?? null;
    this.#connections.delete(link.id);
    if (seat !== null) this.#lost.push(seat);
  }

  get lostSeats(): number {
    return this.#lost.length + this.#noting;
  }

  /** The state takes note of one connection that is gone; of a store that is away it is told again. */
  async noteLost(): Promise<void> {
    const seat = this.#lost.shift();
    if (seat === undefined) return;
    this.#noting += 1;
    await this.#sessions.connectionLost(seat, () => {
      this.#lost.push(seat);
      return true;
    });
    this.#noting -= 1;
  }

  async sweep(): Promise<void> {
    for (const due of await this.#memory.takeDue(50)) {
      await this.#sessions.meetDeadline(due).catch((error: unknown) => {
        // It comes again with the next sweep.
        if (!(error instanceof TandemError)) this.faults.push(error);
      });
    }
  }

  announceHeads(): Promise<void> {
    return this.#sessions.announceHeads();
  }

  async #perform(connection: Held, ask: Ask): Promise<Answer> {
    const { command } = ask;
    switch (ask.command) {
      case 'create': {
        const wishes = { name: null, capacity: 3, metadata: {}, approval: false, shareHistory: false, key: ask.key };
        return { command: ask.command, ...(await this.#seating.create(callerOf(connection), wishes)) };
      }
      case 'join': {
        const { code, key } = ask;
        return { command: ask.command, ...(await this.#seating.join(callerOf(connection), { code, name: null, key })) };
      }
      case 'resume': {
        const resumed = await this.#seating.resume(connection.link, null, ask.input);
        return { command: ask.command, resumed };
      }
      case 'send': {
        const input = { id: ask.id, type: 'text', body: ask.body, bodyJson: JSON.stringify(ask.body) };
        return { command: ask.command, ...(await this.#messages.send(seatOf(connection), input, [])) };
      }
      case 'history': {
        const page = await this.#messages.history(seatOf(connection), { afterSeq: ask.afterSeq, limit: 20 });
        return { command: ask.command, ...page };
      }
      case 'leave':
        await this.#sessions.leave(seatOf(connection));
        return { command: 'leave' };
      case 'close':
        await this.#sessions.close(seatOf(connection));
        return { command: 'close' };
      case 'kick':
        await this.#sessions.kick(seatOf(connection), ask.participantId);
        return { command: 'kick' };
      case 'lock':
        await this.#sessions.lock(seatOf(connection), ask.locked);
        return { command: 'lock' };
      case 'reopen':
        return { command: 'reopen', code: (await this.#sessions.reopen(seatOf(connection))).code };
      default:
        throw new Error(`nobody performs ${command}`);
    }
  }

  #deliver(sessionId: string, message: Message, { seatId, generation }: { seatId: string; generation: number }): void {
    for (const connection of this.#inSession(sessionId)) {
      const isSender = connection.seat?.seatId === seatId && connection.seat.generation === generation;
      if (!isSender) tell(connection, { kind: 'message', message });
    }
  }

  // What the domain says to clients: of the events those that a client must act upon.

  attach({ id }: Connection, sessionId: string, holder: { seatId: string; generation: number }): void {
    const seat = { sessionId, ...holder };
    const connection = this.#connections.get(id);
    if (connection === undefined) {
      this.#lost.push(seat);
      return;
    }
    for (const [otherId, other] of this.#connections) {
      if (otherId !== id && other.seat?.seatId === holder.seatId) this.#end(other, 'replaced');
    }
    connection.seat = seat;
    connection.held ??= [];
  }

  detach(_sessionId: string, seatId: string): void {
    for (const connection of this.#connections.values()) if (connection.seat?.seatId === seatId) connection.seat = null;
  }

  toAll(sessionId: string, event: string): void {
    if (event !== 'session:closed') return;
    for (const connection of this.#inSession(sessionId)) tell(connection, { kind: 'closed' });
  }

  toHere(sessionId: string, event: string, payload: unknown): void {
    if (event !== 'session:head') {
      this.toAll(sessionId, event);
      return;
    }
    const head = payload as { epoch: number; lastSeq: number; durableSeq: number }; // By the name of the event.
    for (const connection of this.#inSession(sessionId)) tell(connection, { kind: 'head', ...head });
  }

  closeSeat(_sessionId: string, seatId: string, reason: string): void {
    for (const connection of this.#connections.values()) {
      if (connection.seat?.seatId === seatId) this.#end(connection, reason);
    }
  }

  replaceSeat(sessionId: string, seatId: string, generation: number): void {
    for (const connection of this.#inSession(sessionId)) {
      const { seat } = connection;
      if (seat?.seatId === seatId && seat.generation < generation) this.#end(connection, 'replaced');
    }
  }

  seatsHere(sessionId: string): HeldSeat[] {
    return this.#inSession(sessionId).flatMap(({ seat }) => (seat === null ? [] : [seat]));
  }

  toOthers(): void {
    // Joins, presence and receipts change nothing of what is checked.
  }

  toSeat(): void {
    // As above.
  }

  signal(): void {
    // Nobody sends signals here.
  }

  answerKnock(): void {
    // Nobody knocks here.
  }

  onKnockAnswered(): void {
    // As above.
  }

  #inSession(sessionId: string): Held[] {
    return [...this.#connections.values()].filter(({ seat }) => seat?.sessionId === sessionId);
  }

  #end(connection: Held, reason: string): void {
    tell(connection, { kind: 'closing', reason });
    connection.link.down.push(...(connection.held ?? []));
    connection.link.isEnded = true;
    this.drop(connection.link);
  }
}

function tell(connection: Held, packet: Packet): void {
  if (connection.held === null) connection.link.down.push(packet);
  else connection.held.push(packet);
}

function callerOf({ link, seat }: Held): Caller {
  return { userId: null, connection: { id: link.id }, ip: '192.0.2.1', maskedIp: '192.0.2.x', seat };
}

function seatOf({ seat }: Held): HeldSeat {
  if (seat === null) throw new TandemError('NOT_IN_SESSION', 'this connection holds no seat');
  return seat;
}
