import type { ClosingReason } from '../protocol/closings.ts';
import type { Ack, CommandName, CommandPayload, CommandResult, HandshakeAuth } from '../protocol/commands.ts';
import { TandemError } from '../protocol/errors.ts';
import type { WireError } from '../protocol/errors.ts';
import type { Events } from '../protocol/events.ts';
import { backoffMs } from './backoff.ts';
import type { Clock } from './clock.ts';
import { faultOfSize } from './json-body.ts';
import type { OpenSocket, WireSocket } from './socket.ts';
import type { ClientOptions, ConnectionState } from './types.ts';
import { parseAnswer, parseEvent, parseRefusal } from './wire.ts';

export type Outcome<C extends CommandName> =
  | { kind: 'ok'; result: CommandResult<C> }
  | { kind: 'refused'; error: TandemError }
  /** No answer, or none that can be read: whether the server has done it is unknown. */
  | { kind: 'lost' };

export interface ConnectionHandlers {
  /** The seat that the next handshake asks for. */
  resume: () => HandshakeAuth['resume'];
  opened: () => void;
  /** A connection that was open is gone; unless `ended` or `refused` follows, the next one is under way. */
  lost: () => void;
  /** The handshake was refused for good. */
  refused: (error: TandemError) => void;
  /** The server ended the connection, and it is not meant to come back. */
  ended: (reason: ClosingReason) => void;
  event: (name: string, payload: unknown) => void;
  changed: (state: ConnectionState) => void;
}

export interface ConnectionParts {
  readonly url: string | undefined;
  readonly token: ClientOptions['token'];
  readonly openSocket: OpenSocket;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Transport and handshake together; a server that takes the transport and then says nothing is left after this. */
const HANDSHAKE_MS = 15_000;
const TOKEN_MS = 10_000;
/** The server answers within 5 s, or has lost the answer. */
const ANSWER_MS = 7_000;
const PROBE_MS = 3_000;
/** Unanswered requests in a row after which the transport counts as dead, whatever it says. */
const SILENCES = 2;
/** A connection that lived shorter does not count as a success: the wait before the next one goes on growing. */
const STABLE_MS = 5_000;
/** The server ends a connection that floods it, and says that it shall stay away; the seat is still there. */
const AFTER_FLOOD_MS = 10_000;

/** One connection after another, for as long as one is wanted. What is lost on the way is the caller's to repeat. */
export class Connection {
  state: ConnectionState = { kind: 'closed' };

  readonly #parts: ConnectionParts;
  readonly #handlers: ConnectionHandlers;
  #socket: WireSocket | null = null;
  #isOpen = false;
  #openedAt = 0;
  /** Grows with every attempt, so that what belongs to an older one is recognised. */
  #round = 0;
  #attempts = 0;
  #silences = 0;
  #closing: Events['connection:closing'] | null = null;
  #drainHintMs: number | null = null;
  #isTokenRefused = false;
  /** The server asked for the wait that is under way. */
  #isWaitAsked = false;
  #stopTimer: () => void = () => undefined;
  readonly #lose = new Set<() => void>();

  constructor(parts: ConnectionParts, handlers: ConnectionHandlers) {
    this.#parts = parts;
    this.#handlers = handlers;
  }

  get isOnline(): boolean {
    return this.#isOpen;
  }

  /** Connects unless it does already; a wait that the server did not ask for is cut short. */
  start(): void {
    if (this.state.kind === 'closed') {
      this.#attempts = 0;
      void this.#open({ kind: 'connecting' });
    } else this.#hurry();
  }

  stop(): void {
    if (this.state.kind === 'closed') return;
    const isOpen = this.#isOpen;
    this.#drop();
    this.#setState({ kind: 'closed' });
    if (isOpen) this.#handlers.lost();
  }

  /** Drops the transport and comes back through a new handshake: what this client holds does not fit the server's state. */
  restart(): void {
    if (this.#socket !== null) this.#onClosed();
  }

  /** The device may have slept, or changed its network: finds out at once what would otherwise take until a timeout. */
  wake(): void {
    if (this.#isOpen) void this.#probe();
    else this.#hurry();
  }

  request<C extends CommandName>(
    command: C,
    payload: CommandPayload<C>,
    deadlineMs: number = ANSWER_MS,
  ): Promise<Outcome<C>> {
    const socket = this.#socket;
    if (socket === null || !this.#isOpen) return Promise.resolve({ kind: 'lost' });
    const fault = faultOfSize(payload);
    if (fault !== null) return Promise.resolve({ kind: 'refused', error: fault });
    return new Promise((resolve) => {
      const settle = (outcome: Outcome<C>): void => {
        stopTimer();
        this.#lose.delete(lose);
        resolve(outcome);
      };
      const lose = (): void => settle({ kind: 'lost' });
      const stopTimer = this.#parts.clock.after(deadlineMs, () => {
        lose();
        this.#silences += 1;
        if (this.#silences >= SILENCES && this.#socket === socket) this.restart();
      });
      this.#lose.add(lose);
      socket.request(command, payload, (answer) => {
        this.#silences = 0;
        settle(outcomeOf(parseAnswer(command, answer)));
      });
    });
  }

  /** Gives the seat up. While the server may still have it on this connection, no other is asked for there. */
  async leave(): Promise<boolean> {
    const socket = this.#socket;
    const outcome = await this.request('session:leave', {});
    const isLeft = outcome.kind === 'ok' || (outcome.kind === 'refused' && !outcome.error.retryable);
    if (!isLeft && this.#socket === socket) this.restart();
    return isLeft;
  }

  #hurry(): void {
    const { state } = this;
    if (state.kind === 'reconnecting' && state.retryAt !== null && !this.#isWaitAsked) {
      void this.#open({ ...state, retryAt: null });
    }
  }

  async #probe(): Promise<void> {
    const socket = this.#socket;
    const outcome = await this.request('session:get', {}, PROBE_MS);
    if (outcome.kind === 'lost' && this.#socket === socket) this.restart();
  }

  async #open(state: ConnectionState): Promise<void> {
    this.#drop();
    const round = (this.#round += 1);
    const isCurrent = (): boolean => round === this.#round;
    this.#setState(state);
    if (!isCurrent()) return;
    const token = await this.#token();
    if (!isCurrent()) return;
    this.#stopTimer();
    if (token instanceof TandemError) {
      this.#comeBack(0, token);
      return;
    }
    this.#stopTimer = this.#parts.clock.after(HANDSHAKE_MS, () => this.#onClosed());
    const auth = (): HandshakeAuth => {
      const resume = this.#handlers.resume();
      return { ...(token === null ? {} : { token }), ...(resume === undefined ? {} : { resume }) };
    };
    // A socket that tells something before it is kept here would find none.
    const early: (() => void)[] = [];
    const whenKept = (tell: () => void): void => {
      if (!isCurrent()) return;
      if (this.#socket === null) early.push(tell);
      else tell();
    };
    this.#socket = this.#parts.openSocket(this.#parts.url, auth, {
      opened: () => whenKept(() => this.#onOpened()),
      refused: (data) => whenKept(() => this.#onRefused(data)),
      closed: () => whenKept(() => this.#onClosed()),
      event: (name, payload) => whenKept(() => this.#onEvent(name, payload)),
    });
    for (const tell of early) if (isCurrent()) tell();
  }

  /** A refusal of the hook, and one that takes too long, are both tried again: the user may be signing in right now. */
  async #token(): Promise<string | null | TandemError> {
    const { token, clock } = this.#parts;
    if (token === undefined) return null;
    const failed = (cause?: unknown): TandemError =>
      cause instanceof TandemError
        ? cause
        : new TandemError('UNAUTHENTICATED', 'The token hook failed; it is asked again.', { cause });
    const late = new Promise<TandemError>((resolve) => {
      this.#stopTimer = clock.after(TOKEN_MS, () => resolve(failed()));
    });
    const asked = (async () => token({ isRefused: this.#isTokenRefused }))();
    return await Promise.race([asked.catch(failed), late]);
  }

  #onOpened(): void {
    this.#stopTimer();
    this.#isOpen = true;
    this.#isTokenRefused = false;
    this.#openedAt = this.#parts.clock.monotonic();
    this.#silences = 0;
    this.#setState({ kind: 'online' });
    // Whoever heard that may have closed it.
    if (this.isOnline) this.#handlers.opened();
  }

  #onRefused(data: unknown): void {
    const refusal: WireError | null = parseRefusal(data);
    this.#drop();
    // Not an answer of Tandem: something in between that does not know better.
    if (refusal === null) {
      this.#comeBack(0, null);
      return;
    }
    const error = TandemError.fromWire(refusal);
    const isNewTokenWorthIt =
      error.code === 'UNAUTHENTICATED' && this.#parts.token !== undefined && !this.#isTokenRefused;
    this.#isTokenRefused = error.code === 'UNAUTHENTICATED';
    if (error.retryable || isNewTokenWorthIt) {
      this.#comeBack(refusal.retryAfterMs ?? 0, error);
      return;
    }
    this.#setState({ kind: 'closed' });
    this.#handlers.refused(error);
  }

  #onEvent(name: string, payload: unknown): void {
    this.#silences = 0;
    if (name === 'connection:closing') this.#closing = parseEvent(name, payload);
    else if (name === 'server:draining') {
      this.#drainHintMs = parseEvent(name, payload)?.reconnectAfterMs ?? null;
      this.#setState({ kind: 'draining' });
    } else this.#handlers.event(name, payload);
  }

  #onClosed(): void {
    const isOpen = this.#isOpen;
    const closing = this.#closing;
    const drainHintMs = this.#drainHintMs;
    if (isOpen && this.#parts.clock.monotonic() - this.#openedAt >= STABLE_MS) this.#attempts = 0;
    this.#drop();
    const isEnded = closing !== null && !closing.reconnect && closing.reason !== 'rate_limited';
    if (isEnded) this.#setState({ kind: 'closed' });
    else if (closing?.reason === 'rate_limited') {
      const waitMs = closing.retryAfterMs ?? AFTER_FLOOD_MS;
      this.#comeBack(waitMs, new TandemError('RATE_LIMITED', undefined, { retryAfterMs: waitMs }));
    } else this.#comeBack(closing?.retryAfterMs ?? drainHintMs ?? 0, null);
    if (isOpen) this.#handlers.lost();
    if (isEnded) this.#handlers.ended(closing.reason);
  }

  #comeBack(askedMs: number, cause: TandemError | null): void {
    const { clock, random } = this.#parts;
    this.#attempts += 1;
    this.#isWaitAsked = askedMs > 0;
    const delayMs = backoffMs(this.#attempts, askedMs, random);
    const waiting = { kind: 'reconnecting', retryAt: clock.now() + delayMs, cause } as const;
    this.#stopTimer = clock.after(delayMs, () => void this.#open({ ...waiting, retryAt: null }));
    this.#setState(waiting);
  }

  /** Forgets the connection of the moment and all that waits for it. */
  #drop(): void {
    this.#round += 1;
    this.#stopTimer();
    const socket = this.#socket;
    this.#socket = null;
    this.#isOpen = false;
    this.#closing = null;
    this.#drainHintMs = null;
    socket?.close();
    for (const lose of [...this.#lose]) lose();
  }

  #setState(state: ConnectionState): void {
    this.state = state;
    this.#handlers.changed(state);
  }
}

function outcomeOf<C extends CommandName>(ack: Ack<C> | null): Outcome<C> {
  if (ack === null) return { kind: 'lost' };
  return ack.ok ? { kind: 'ok', result: ack } : { kind: 'refused', error: TandemError.fromWire(ack.error) };
}

/** Throws what the server refused with, or that nobody knows. */
export function resultOf<C extends CommandName>(outcome: Outcome<C>): CommandResult<C> {
  if (outcome.kind === 'ok') return outcome.result;
  if (outcome.kind === 'refused') throw outcome.error;
  throw new TandemError('UNAVAILABLE', 'No connection, or no answer: whether it was done is unknown.');
}
