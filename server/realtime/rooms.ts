import { CLOSINGS, type ClosingReason } from '../../protocol/closings.ts';
import type { EventName, Events } from '../../protocol/events.ts';
import type { Delivery } from '../sessions/message-text.ts';
import type { Connection as ConnectionId, SessionEvents } from '../sessions/ports.ts';
import type { HeldSeat } from '../sessions/seating.ts';
import type { SeatHolder } from '../sessions/session.ts';
import type { Connection, HeldEvent, InterServerEvents, TandemServer } from './connection.ts';
import { messagePacket, sendPacket, type TextPacket } from './text-packet.ts';

/** Sockets whose peer reads too slowly: signals pass them by. */
const SLOW_ROOM = 'slow';
/** How long an ended connection may take to read why, before it is cut. */
const LINGER_MS = 2000;
const EVERYBODY = { to: null, except: null } as const;

/** Who of a session an event is for: one seat or all of them, but not the seat it comes from. */
interface Addressees {
  readonly to: string | null;
  readonly except: string | null;
}

/**
 * An event of a session, to every instance: on a channel that each hears from its start. Rooms of the adapter are heard
 * only a while after somebody joined them, and what is told meanwhile, such as that a session is paired, would be lost;
 * and so would what is told to a connection that is held.
 */
interface Between {
  emit(name: 'session:event', sessionId: string, event: EventName, payload: unknown, addressees: Addressees): void;
  on(name: 'session:event', take: (...args: [string, EventName, unknown, Addressees]) => void): void;
}

export interface RoomsOptions {
  io: TandemServer;
  /** A seat was given to a connection that is gone: nobody else will say so. */
  onOrphan: (seat: HeldSeat) => void;
  /** Whether other instances share the adapter. False unless given. */
  isShared?: boolean;
}

/**
 * Which connection holds which seat, and how an event reaches it. Events go through Socket.IO's rooms,
 * messages past them; either is encoded once however many receive it. A connection that just took its seat gets nothing before the answer that
 * tells it so: its events are held, and follow when `release` is called.
 */
export class Rooms implements SessionEvents {
  readonly #io: TandemServer;
  readonly #onOrphan: (seat: HeldSeat) => void;
  readonly #connections = new Map<string, Connection>();
  readonly #bySeat = new Map<string, Connection>();
  readonly #bySession = new Map<string, Set<Connection>>();
  /** Sessions with connections here that were told of their end. */
  readonly #closed = new Set<string>();
  /** Connections whose events are held, by session. */
  readonly #held = new Map<string, Set<Connection>>();
  readonly #isShared: boolean;
  readonly #between: Between;
  #isKnockOurs: (knockId: string) => boolean = () => false;

  constructor({ io, onOrphan, isShared = false }: RoomsOptions) {
    this.#io = io;
    this.#onOrphan = onOrphan;
    this.#isShared = isShared;
    // Socket.IO's types want one signature for each event, and payloads are those of `Events`.
    this.#between = {
      emit: (...args) => (io.serverSideEmit as (...args: unknown[]) => boolean).call(io, ...args),
      on: (name, take) => (io.on as (name: string, take: unknown) => unknown).call(io, name, take),
    };
    this.#between.on('session:event', (...args) => this.#tellHere(...args));
    io.on('knock:answered', (knockId) => this.#isKnockOurs(knockId));
    io.on('seat:ended', (seatId, reason) => this.#endHere(seatId, reason));
    io.on('seat:taken', (seatId, order) => this.#replaceHere(seatId, order));
  }

  get size(): number {
    return this.#connections.size;
  }

  connections(): Iterable<Connection> {
    return this.#connections.values();
  }

  add(connection: Connection): void {
    this.#connections.set(connection.id, connection);
  }

  /** The connection is gone; returns the seat that it held. */
  remove(connection: Connection): HeldSeat | null {
    connection.isGone = true;
    this.#connections.delete(connection.id);
    // Who is sent to another instance repeats its join there, and is the same knock.
    connection.knocking?.end(connection.closing === 'draining' ? 'moving' : 'withdrawn');
    return this.#unseat(connection);
  }

  attach({ id }: ConnectionId, sessionId: string, holder: SeatHolder, readingSince: number | null = null): void {
    const seat = { sessionId, ...holder };
    const connection = this.#connections.get(id);
    if (connection === undefined || connection.closing !== null) {
      // Later: what is being announced right now must be heard before the seat's end is.
      setImmediate(() => this.#onOrphan(seat));
      return;
    }
    const before = this.#bySeat.get(holder.seatId);
    if (before !== undefined && before !== connection) {
      this.#unseat(before);
      this.end(before, 'replaced');
    }
    const order = readingSince ?? holder.generation;
    // A seat that was never held before has no connection elsewhere.
    if (before === undefined && order > 1) this.#tellInstances('seat:taken', holder.seatId, order);
    this.#unseat(connection);
    connection.seat = seat;
    connection.seatOrder = order;
    this.#bySeat.set(holder.seatId, connection);
    this.#bySession.set(sessionId, (this.#bySession.get(sessionId) ?? new Set()).add(connection));
    connection.held = [];
    const held = this.#held.get(sessionId) ?? new Set();
    this.#held.set(sessionId, held.add(connection));
  }

  detach(_sessionId: string, seatId: string): void {
    if (!this.#endHere(seatId, null)) this.#tellInstances('seat:ended', seatId, null);
  }

  /** The answer is out: what was held follows, without messages up to `seenSeq`, and from now on events go straight. */
  release(connection: Connection, seenSeq = 0): void {
    const { held, seat, socket } = connection;
    if (held === null) return;
    connection.held = null;
    if (seat === null) return;
    this.#forgetHeld(connection, seat.sessionId);
    void socket.join([sessionRoom(seat.sessionId), seatRoom(seat.seatId)]);
    for (const later of held) {
      if (later.event !== 'message:new') emitTo(connection, later.event, later.payload);
      else if (later.message.seq > seenSeq) sendPacket(connection, messagePacket(later.message.json));
    }
  }

  toAll<E extends EventName>(sessionId: string, event: E, payload: Events[E]): void {
    this.#tellAll(sessionId, event, payload, EVERYBODY);
  }

  toOthers<E extends EventName>(sessionId: string, seatId: string, event: E, payload: Events[E]): void {
    this.#tellAll(sessionId, event, payload, { to: null, except: seatId });
  }

  toSeat<E extends EventName>(sessionId: string, seatId: string, event: E, payload: Events[E]): void {
    this.#tellAll(sessionId, event, payload, { to: seatId, except: null });
  }

  answerKnock(knockId: string): void {
    if (!this.#isKnockOurs(knockId)) this.#tellInstances('knock:answered', knockId);
  }

  onKnockAnswered(listener: (knockId: string) => boolean): void {
    this.#isKnockOurs = listener;
  }

  /**
   * A message reaches all but the connection that sent it; a later one of the same seat has not seen it. False when
   * nobody else is here.
   */
  deliver(message: Delivery, sender: SeatHolder): boolean {
    const here = this.#bySession.get(message.sessionId);
    if (here === undefined) return false;
    let packet: TextPacket | null = null;
    let isDelivered = false;
    // Every instance tells its own participants: messages have a channel of their own. Past Socket.IO's rooms, which
    // would parse and encode what is text already, and look through sets for the few who are here.
    for (const connection of here) {
      const { seat, held } = connection;
      if (seat?.seatId === sender.seatId && seat.generation === sender.generation) continue;
      isDelivered = true;
      if (held === null) sendPacket(connection, (packet ??= messagePacket(message.json)));
      else held.push({ event: 'message:new', message });
    }
    return isDelivered;
  }

  signal(sessionId: string, from: string, payload: Events['signal:new'], to: string | null): void {
    this.#tellAll(sessionId, 'signal:new', payload, { to, except: from });
  }

  closeSeat(_sessionId: string, seatId: string, reason: ClosingReason): void {
    if (!this.#endHere(seatId, reason)) this.#tellInstances('seat:ended', seatId, reason);
  }

  replaceSeat(_sessionId: string, seatId: string, generation: number): void {
    this.#replaceHere(seatId, generation);
  }

  toHere<E extends EventName>(sessionId: string, event: E, payload: Events[E]): void {
    this.#tellHere(sessionId, event, payload, EVERYBODY);
  }

  seatsHere(sessionId: string): HeldSeat[] {
    return [...(this.#bySession.get(sessionId) ?? [])].flatMap(({ seat }) => (seat === null ? [] : [seat]));
  }

  setSlow(connection: Connection, isSlow: boolean): void {
    connection.isSlow = isSlow;
    if (isSlow) void connection.socket.join(SLOW_ROOM);
    else void connection.socket.leave(SLOW_ROOM);
  }

  /** Says why, and ends the connection; one that is still shaking hands is ended when it has. */
  end(connection: Connection, reason: ClosingReason, retryAfterMs?: number): void {
    if (connection.closing !== null) return;
    connection.closing = reason;
    if (connection.socket.connected) this.sayGoodbye(connection, retryAfterMs);
  }

  /** Ends a connection whose closing was decided; where the client is meant to come back, by closing its transport. */
  sayGoodbye(connection: Connection, retryAfterMs?: number): void {
    const { socket, closing: reason } = connection;
    if (reason === null) return;
    const { reconnect } = CLOSINGS[reason];
    const closing: Events['connection:closing'] = { reason, reconnect };
    if (retryAfterMs !== undefined) closing.retryAfterMs = retryAfterMs;
    emitTo(connection, 'connection:closing', closing);
    if (reconnect) socket.conn.close();
    else socket.disconnect(true);
    // Engine.IO waits until the peer has read everything: one that never reads would stay for ever.
    const timer = setTimeout(() => socket.conn.close(true), LINGER_MS);
    timer.unref();
    socket.conn.once('close', () => clearTimeout(timer));
  }

  #tellAll(sessionId: string, event: EventName, payload: unknown, addressees: Addressees): void {
    this.#tellHere(sessionId, event, payload, addressees);
    if (this.#isShared) this.#between.emit('session:event', sessionId, event, payload, addressees);
  }

  #tellHere(sessionId: string, event: EventName, payload: unknown, { to, except }: Addressees): void {
    if (!this.#bySession.has(sessionId)) return;
    if (event === 'session:closed') {
      // A look at the store, after a break, finds it again.
      if (this.#closed.has(sessionId)) return;
      this.#closed.add(sessionId);
    }
    const passedBy = [...(except === null ? [] : [seatRoom(except)]), ...(event === 'signal:new' ? [SLOW_ROOM] : [])];
    const room = this.#io.local.to(to === null ? sessionRoom(sessionId) : seatRoom(to)).except(passedBy);
    (room.emit as (event: EventName, payload: unknown) => boolean).call(room, event, payload);
    this.#hold(
      sessionId,
      event,
      payload,
      ({ seat }) => seat?.seatId !== except && (to === null || seat?.seatId === to),
    );
  }

  #hold(sessionId: string, event: EventName, payload: unknown, isAddressed: (connection: Connection) => boolean): void {
    const waiting = this.#held.get(sessionId);
    if (waiting === undefined) return;
    // Messages never come this way.
    const later = { event, payload } as Exclude<HeldEvent, { event: 'message:new' }>;
    for (const connection of waiting) if (isAddressed(connection)) connection.held?.push(later);
  }

  /** False when no connection here holds the seat. */
  #endHere(seatId: string, reason: ClosingReason | null): boolean {
    const connection = this.#bySeat.get(seatId);
    if (connection === undefined) return false;
    this.#unseat(connection);
    if (reason !== null) this.end(connection, reason);
    return true;
  }

  /** A later connection of another instance holds the seat. */
  #replaceHere(seatId: string, order: number): void {
    const connection = this.#bySeat.get(seatId);
    if (connection !== undefined && connection.seatOrder < order) this.#endHere(seatId, 'replaced');
  }

  /** Best effort, as everything that goes through the adapter: who misses it finds out when it compares with the store. */
  #tellInstances<E extends keyof InterServerEvents>(event: E, ...args: Parameters<InterServerEvents[E]>): void {
    if (this.#isShared) this.#io.serverSideEmit(event, ...args);
  }

  #unseat(connection: Connection): HeldSeat | null {
    const { seat, socket } = connection;
    if (seat === null) return null;
    connection.seat = null;
    connection.held = null;
    const here = this.#bySession.get(seat.sessionId);
    here?.delete(connection);
    if (here?.size === 0) {
      this.#bySession.delete(seat.sessionId);
      this.#closed.delete(seat.sessionId);
    }
    if (this.#bySeat.get(seat.seatId) === connection) this.#bySeat.delete(seat.seatId);
    this.#forgetHeld(connection, seat.sessionId);
    void socket.leave(sessionRoom(seat.sessionId));
    void socket.leave(seatRoom(seat.seatId));
    return seat;
  }

  #forgetHeld(connection: Connection, sessionId: string): void {
    const waiting = this.#held.get(sessionId);
    waiting?.delete(connection);
    if (waiting?.size === 0) this.#held.delete(sessionId);
  }
}

export function emitTo(connection: Connection, event: EventName, payload: unknown): void {
  (connection.socket.emit as (event: EventName, payload: unknown) => boolean).call(connection.socket, event, payload);
}

function sessionRoom(sessionId: string): string {
  return `s:${sessionId}`;
}

function seatRoom(seatId: string): string {
  return `p:${seatId}`;
}
