import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import type { ClosingReason } from '../protocol/closings.ts';
import type { Ack, CommandName, CommandPayload, CommandResult, HandshakeAuth } from '../protocol/commands.ts';
import type { ErrorCode, WireError } from '../protocol/errors.ts';
import type { Events, ServerToClientEvents } from '../protocol/events.ts';
import { backoffMs } from './backoff.ts';

/** What the link to the server is doing, for the status line. Times are milliseconds since 1970 on this device. */
export type Link =
  | { kind: 'off' }
  | { kind: 'connecting' }
  | { kind: 'online' }
  /** The transport is lost, or the server cannot be reached; tried again without end. */
  | { kind: 'reconnecting' }
  /** The server asked to stay away until `retryAt`. */
  | { kind: 'paused'; cause: ErrorCode; retryAt: number }
  | { kind: 'draining' }
  /** The server ended the connection and does not want this seat back on it. */
  | { kind: 'ended'; reason: ClosingReason };

export type Outcome<C extends CommandName> =
  | { kind: 'ok'; result: CommandResult<C> }
  | { kind: 'refused'; error: WireError }
  /** No answer: whether the server has done it is unknown. */
  | { kind: 'lost' };

export interface ConnectionEvents {
  /** `auth` of the next handshake; asked before each one. */
  auth: () => HandshakeAuth;
  connected: () => void;
  /** The transport is gone; `connected` follows if it comes back. */
  lost: () => void;
  /** The handshake was refused for good. */
  refused: (error: WireError) => void;
  linkChanged: () => void;
}

type Outgoing = Record<string, (payload: unknown, ack: (answer: unknown) => void) => void>;

/** The server answers within 5 s, or has lost the answer. */
const ACK_TIMEOUT_MS = 7_000;
/** The server ends a connection that floods it; a person who types does not get there again at once. */
const AFTER_FLOOD_MS = 10_000;

/**
 * One Socket.IO connection that stays up until it is stopped: what the stock client does by itself after a lost
 * transport, and what it does not: coming back after a handshake that was refused for the moment.
 */
export class Connection {
  link: Link = { kind: 'off' };

  private readonly events: ConnectionEvents;
  private readonly socket: Socket<ServerToClientEvents, Outgoing>;
  private refusals = 0;
  private closing: Events['connection:closing'] | null = null;
  private readonly waiting = new Set<(isConnected: boolean) => void>();
  private retry: ReturnType<typeof setTimeout> | undefined;

  constructor(events: ConnectionEvents) {
    this.events = events;
    this.socket = io({
      autoConnect: false,
      transports: ['websocket'],
      reconnectionDelay: 500,
      reconnectionDelayMax: 5_000,
      timeout: 10_000,
      auth: (give) => give({ ...this.events.auth() }),
    });
    this.socket.on('connect', () => this.onConnect());
    this.socket.on('connect_error', (error) => this.onConnectError(error));
    this.socket.on('disconnect', (reason) => this.onDisconnect(reason));
    this.socket.on('connection:closing', (closing) => {
      this.closing = closing;
    });
    this.socket.on('server:draining', () => this.setLink({ kind: 'draining' }));
  }

  start(): void {
    clearTimeout(this.retry);
    if (this.socket.active) return;
    this.setLink({ kind: 'connecting' });
    this.socket.connect();
  }

  stop(): void {
    clearTimeout(this.retry);
    this.setLink({ kind: 'off' });
    this.socket.disconnect();
  }

  /** True as soon as there is a connection, false when there will be none: stopped, refused for good, or given up. */
  whenConnected(giveUp: AbortSignal): Promise<boolean> {
    if (this.socket.connected) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.waiting.add(resolve);
      giveUp.addEventListener('abort', () => resolve(false), { once: true });
    });
  }

  /** Drops the transport and comes back through a new handshake: what this page holds does not fit the server's state. */
  restart(): void {
    this.socket.io.engine.close();
  }

  on<E extends keyof ServerToClientEvents>(event: E, listener: (payload: Events[E]) => void): void {
    // A name that is not known to be none of the client's own events ("connect" and so on) has no typed overload.
    const plain: Socket = this.socket;
    const name: string = event;
    plain.on(name, listener);
  }

  request<C extends CommandName>(command: C, payload: CommandPayload<C>): Promise<Outcome<C>> {
    // The stock client would keep the packet and send it later, behind the back of whoever repeats it.
    if (!this.socket.connected) return Promise.resolve({ kind: 'lost' });
    return new Promise((resolve) => {
      this.socket.timeout(ACK_TIMEOUT_MS).emit(command, payload, (failure: Error | null, answer: unknown) => {
        resolve(failure === null ? outcomeOf<C>(answer) : { kind: 'lost' });
      });
    });
  }

  private onConnect(): void {
    this.refusals = 0;
    this.closing = null;
    this.setLink({ kind: 'online' });
    this.events.connected();
  }

  private onConnectError(error: Error): void {
    if (this.socket.active) {
      // The server cannot be reached, or answered the upgrade with 503: the stock client goes on trying.
      this.setLink({ kind: 'reconnecting' });
      return;
    }
    const refusal = refusalOf(error);
    if (refusal.retryable) {
      this.refusals += 1;
      this.comeBackIn(backoffMs(this.refusals, refusal.retryAfterMs), refusal.code);
      return;
    }
    this.setLink({ kind: 'off' });
    this.events.refused(refusal);
  }

  private onDisconnect(reason: Socket.DisconnectReason): void {
    const closing = this.closing;
    this.closing = null;
    // While this page stops by itself the link is off, and stays so.
    if (reason === 'io server disconnect') this.afterServerDisconnect(closing);
    else if (reason !== 'io client disconnect') this.setLink({ kind: 'reconnecting' });
    this.events.lost();
  }

  private afterServerDisconnect(closing: Events['connection:closing'] | null): void {
    if (closing === null || closing.reconnect) this.comeBackIn(backoffMs(1), 'UNAVAILABLE');
    else if (closing.reason === 'rate_limited') this.comeBackIn(closing.retryAfterMs ?? AFTER_FLOOD_MS, 'RATE_LIMITED');
    else this.setLink({ kind: 'ended', reason: closing.reason });
  }

  private comeBackIn(delayMs: number, cause: ErrorCode): void {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => {
      this.setLink({ kind: 'reconnecting' });
      this.socket.connect();
    }, delayMs);
    this.setLink({ kind: 'paused', cause, retryAt: Date.now() + delayMs });
  }

  private setLink(link: Link): void {
    this.link = link;
    if (link.kind === 'online' || link.kind === 'off' || link.kind === 'ended') {
      for (const resolve of this.waiting) resolve(link.kind === 'online');
      this.waiting.clear();
    }
    this.events.linkChanged();
  }
}

function outcomeOf<C extends CommandName>(answer: unknown): Outcome<C> {
  if (typeof answer !== 'object' || answer === null || !('ok' in answer)) return { kind: 'lost' };
  // The page and its server are one release, so an answer that has `ok` has the shape of this command's answer.
  const ack = answer as Ack<C>;
  return ack.ok ? { kind: 'ok', result: ack } : { kind: 'refused', error: ack.error };
}

/** `data` of a refused handshake. Anything without it does not come from Tandem: worth another try. */
function refusalOf(error: Error & { data?: unknown }): WireError {
  const { data } = error;
  const isRefusal = typeof data === 'object' && data !== null && 'code' in data && 'retryable' in data;
  return isRefusal ? (data as WireError) : { code: 'UNAVAILABLE', message: error.message, retryable: true };
}
