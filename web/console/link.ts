import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import { SILENT_AFTER_MS } from '../../protocol/console.ts';
import type { ConsoleAck, ConsoleCommandName, ConsoleCommands, ConsoleEvents } from '../../protocol/console.ts';
import { TandemError } from '../../protocol/errors.ts';
import { refusalOf } from './refusal.ts';

/** The server stops, it says nothing any more, the connection is gone, or there is no room for one more console. */
export type LostReason = 'draining' | 'silent' | 'gone' | 'busy';

export type LinkState =
  | { readonly kind: 'off' }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'online' }
  | { readonly kind: 'lost'; readonly why: LostReason; readonly retryAtMs: number }
  /** Not tried again: the token is not taken. */
  | { readonly kind: 'refused'; readonly error: TandemError };

export interface LinkEvents {
  changed: () => void;
  instances: (report: ConsoleEvents['console:instances']) => void;
}

/** One command of the console; rejects with a `TandemError`. */
export type Ask = <C extends ConsoleCommandName>(
  command: C,
  payload: ConsoleCommands[C]['payload'],
) => Promise<ConsoleCommands[C]['result']>;

/** What the page says where the server says nothing. */
const NO_ANSWER = 'There was no answer in time. It may have happened all the same: look again.';
const NOT_CONNECTED = 'There is no connection to the server, so nothing was asked. Try again when it is back.';
const CONNECT_MS = 5_000;
/** The server answers within five seconds, or has not. */
const ANSWER_MS = 6_000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 8_000;
/** An instance that is frozen keeps its connections open; the next may be one that lives. */
const REPORT_DEADLINE_MS = SILENT_AFTER_MS + 3_000;

/**
 * The connection of the console. It comes back by itself, later and later, until a report arrives; what happens while
 * there is none is asked for by nobody later. The token is kept here and nowhere else: what a browser stores for a tab
 * outlives it, in copies and when it is opened again.
 */
export class ConsoleLink {
  readonly #events: LinkEvents;
  #socket: Socket | null = null;
  #state: LinkState = { kind: 'off' };
  #attempt = 0;
  #isDraining = false;
  /** Whether this token has been taken once. */
  #wasOpen = false;
  /** Whether the next attempt is planned. */
  #isRetrying = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #reportDeadline: ReturnType<typeof setTimeout> | undefined;

  constructor(events: LinkEvents) {
    this.#events = events;
  }

  get state(): LinkState {
    return this.#state;
  }

  open(token: string): void {
    this.close();
    // Its own attempts are off: it makes none after an orderly end, and none where the namespace refuses.
    const socket = io('/console', {
      auth: { token },
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      autoConnect: false,
      timeout: CONNECT_MS,
    });
    this.#socket = socket;
    this.#attempt = 0;
    this.#wasOpen = false;
    socket.on('connect', () => {
      this.#wasOpen = true;
      this.#isDraining = false;
      this.#awaitReport();
      this.#become({ kind: 'online' });
    });
    socket.on('console:instances', (report: ConsoleEvents['console:instances']) => {
      this.#attempt = 0;
      this.#awaitReport();
      this.#events.instances(report);
    });
    socket.on('console:closing', () => {
      this.#isDraining = true;
    });
    socket.on('disconnect', (reason) => {
      // What we ended ourselves, and what was refused before it closed, is told already.
      if (reason !== 'io client disconnect' && !this.#isRetrying) this.#lose(this.#isDraining ? 'draining' : 'gone');
    });
    socket.on('connect_error', (error: Error & { data?: unknown }) => this.#refuse(error));
    this.#become({ kind: 'connecting' });
    socket.connect();
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#isRetrying = false;
    clearTimeout(this.#retry);
    clearTimeout(this.#reportDeadline);
    socket?.removeAllListeners();
    socket?.disconnect();
    if (this.#state.kind !== 'off') this.#become({ kind: 'off' });
  }

  /** Without waiting any longer. */
  retryNow(): void {
    if (!this.#isRetrying) return;
    clearTimeout(this.#retry);
    this.#tryAgain();
  }

  readonly ask: Ask = async (command, payload) => {
    const socket = this.#socket;
    if (socket?.connected !== true) throw new TandemError('UNAVAILABLE', NOT_CONNECTED);
    let answer: unknown;
    try {
      answer = await socket.timeout(ANSWER_MS).emitWithAck(command, payload);
    } catch (cause) {
      throw new TandemError('UNAVAILABLE', NO_ANSWER, { cause });
    }
    // The server's own word, of the same origin as this page: its shape is that of protocol/console.ts.
    const ack = answer as ConsoleAck<ConsoleCommands[typeof command]['result']>;
    if (!ack.ok) throw TandemError.fromWire(ack.error);
    return ack;
  };

  #refuse(error: Error & { data?: unknown }): void {
    const refusal = refusalOf(error, this.#wasOpen);
    if (refusal.kind === 'end') this.#end(refusal.error);
    else this.#lose(refusal.why === 'gone' && this.#isDraining ? 'draining' : refusal.why, refusal.afterMs);
  }

  #end(error: TandemError): void {
    this.close();
    this.#become({ kind: 'refused', error });
  }

  #lose(why: LostReason, askedMs = 0): void {
    clearTimeout(this.#reportDeadline);
    clearTimeout(this.#retry);
    const ceiling = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#attempt, 10));
    this.#attempt += 1;
    // Never sooner than half of it: the answer to a wrong step is not to repeat it at once.
    const waitMs = askedMs + ceiling * (0.5 + Math.random() / 2);
    this.#isRetrying = true;
    this.#retry = setTimeout(() => this.#tryAgain(), waitMs);
    this.#become({ kind: 'lost', why, retryAtMs: Date.now() + waitMs });
  }

  #tryAgain(): void {
    this.#isRetrying = false;
    this.#socket?.connect();
  }

  #awaitReport(): void {
    clearTimeout(this.#reportDeadline);
    this.#reportDeadline = setTimeout(() => {
      this.#lose('silent');
      this.#socket?.disconnect();
    }, REPORT_DEADLINE_MS);
  }

  #become(state: LinkState): void {
    this.#state = state;
    this.#events.changed();
  }
}
