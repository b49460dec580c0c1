import { CLOSINGS, type ClosingReason } from '../../protocol/closings.ts';
import type { EventName, Events } from '../../protocol/events.ts';
import type { Message } from '../../protocol/session.ts';
import type { Connection as ConnectionId, SessionEvents } from '../sessions/ports.ts';
import type { HeldSeat } from '../sessions/seating.ts';
import type { SeatHolder } from '../sessions/session.ts';
import type { Connection, TandemServer } from './connection.ts';

/** Sockets whose peer reads too slowly: signals pass them by. */
const SLOW_ROOM = 'slow';
/** How long an ended connection may take to read why, before it is cut. */
const LINGER_MS = 2000;

export interface RoomsOptions {
  io: TandemServer;
  /** A seat was given to a connection that is gone: nobody else will say so. */
  onOrphan: (seat: HeldSeat) => void;
}

/**
 * Which connection holds which seat, and how an event reaches it. Broadcasts go through Socket.IO's rooms, so a packet
 * is encoded once however many receive it. A connection that just took its seat gets nothing before the answer that
 * tells it so: its events are held, and follow when `release` is called.
 */
export class Rooms implements SessionEvents {
  readonly #io: TandemServer;
  readonly #onOrphan: (seat: HeldSeat) => void;
  readonly #connections = new Map<string, Connection>();
  readonly #bySeat = new Map<string, Connection>();
  /** Connections whose events are held, by session. */
  readonly #held = new Map<string, Set<Connection>>();

  constructor({ io, onOrphan }: RoomsOptions) {
    this.#io = io;
    this.#onOrphan = onOrphan;
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
    return this.#unseat(connection);
  }

  attach({ id }: ConnectionId, sessionId: string, holder: SeatHolder): void {
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
    this.#unseat(connection);
    connection.seat = seat;
    this.#bySeat.set(holder.seatId, connection);
    connection.held = [];
    const held = this.#held.get(sessionId) ?? new Set();
    this.#held.set(sessionId, held.add(connection));
  }

  detach(_sessionId: string, seatId: string): void {
    const connection = this.#bySeat.get(seatId);
    if (connection !== undefined) this.#unseat(connection);
  }

  /** The answer is out: what was held follows, without messages up to `seenSeq`, and from now on events go straight. */
  release(connection: Connection, seenSeq = 0): void {
    const { held, seat, socket } = connection;
    if (held === null) return;
    connection.held = null;
    if (seat === null) return;
    this.#forgetHeld(connection, seat.sessionId);
    void socket.join([sessionRoom(seat.sessionId), seatRoom(seat.seatId)]);
    for (const { event, payload } of held) {
      if (event === 'message:new' && (payload as Message).seq <= seenSeq) continue;
      emitTo(connection, event, payload);
    }
  }

  toAll<E extends EventName>(sessionId: string, event: E, payload: Events[E]): void {
    this.#broadcast(sessionId, null, event, payload);
  }

  toOthers<E extends EventName>(sessionId: string, seatId: string, event: E, payload: Events[E]): void {
    this.#broadcast(sessionId, seatId, event, payload);
  }

  /** A message reaches all but the connection that sent it; a later one of the same seat has not seen it. */
  deliver(message: Message, sender: SeatHolder): void {
    const isStillSender = this.#bySeat.get(sender.seatId)?.seat?.generation === sender.generation;
    this.#broadcast(message.sessionId, isStillSender ? sender.seatId : null, 'message:new', message);
  }

  signal(sessionId: string, from: string, payload: Events['signal:new'], to: string | null): void {
    const room = to === null ? sessionRoom(sessionId) : seatRoom(to);
    this.#io
      .to(room)
      .except([seatRoom(from), SLOW_ROOM])
      .emit('signal:new', payload);
    this.#hold(
      sessionId,
      'signal:new',
      payload,
      ({ seat }) => seat?.seatId !== from && (to === null || seat?.seatId === to),
    );
  }

  closeSeat(_sessionId: string, seatId: string, reason: ClosingReason): void {
    const connection = this.#bySeat.get(seatId);
    if (connection === undefined) return;
    this.#unseat(connection);
    this.end(connection, reason);
  }

  setSlow(connection: Connection, isSlow: boolean): void {
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

  #broadcast<E extends EventName>(sessionId: string, exceptSeatId: string | null, event: E, payload: Events[E]): void {
    const room = this.#io.to(sessionRoom(sessionId));
    const addressed = exceptSeatId === null ? room : room.except(seatRoom(exceptSeatId));
    (addressed.emit as (event: EventName, payload: unknown) => boolean).call(addressed, event, payload);
    this.#hold(sessionId, event, payload, ({ seat }) => exceptSeatId === null || seat?.seatId !== exceptSeatId);
  }

  #hold(sessionId: string, event: EventName, payload: unknown, isAddressed: (connection: Connection) => boolean): void {
    const waiting = this.#held.get(sessionId);
    if (waiting === undefined) return;
    for (const connection of waiting) if (isAddressed(connection)) connection.held?.push({ event, payload });
  }

  #unseat(connection: Connection): HeldSeat | null {
    const { seat, socket } = connection;
    if (seat === null) return null;
    connection.seat = null;
    connection.held = null;
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
