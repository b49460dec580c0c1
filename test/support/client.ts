import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import type { Ack, CommandName, CommandPayload, CommandResult, HandshakeAuth } from '../../protocol/commands.ts';
import type { WireError } from '../../protocol/errors.ts';
import type { Events } from '../../protocol/events.ts';
import type { Message } from '../../protocol/session.ts';
import { Mailbox } from './mailbox.ts';

export interface ClientOptions {
  auth?: HandshakeAuth | (() => object);
  transports?: ('websocket' | 'polling')[];
  reconnection?: boolean;
  headers?: Record<string, string>;
}

/** What Socket.IO itself tells, beside the events of the server. */
interface Lifecycle {
  connect: undefined;
  disconnect: string;
  connect_error: Error & { data?: WireError };
}
type Arrivals = Events & Lifecycle;
interface Arrival {
  event: string;
  payload: unknown;
}

/** An answer to a command that the types do not know, or whose payload they forbid. */
export type LooseAck = { ok: true; [field: string]: unknown } | { ok: false; error: WireError };

/** Longer than the 5 s in which every command is answered. */
const ACK_DEADLINE_MS = 8000;
const EVENT_DEADLINE_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5000;

/** A stock Socket.IO client that remembers everything it was sent. */
export class Client {
  readonly socket: Socket;
  readonly #mailbox = new Mailbox<Arrival>(({ event }) => event);

  constructor(url: string, options: ClientOptions = {}) {
    this.socket = io(url, {
      transports: options.transports ?? ['websocket'],
      forceNew: true,
      reconnection: options.reconnection ?? false,
      reconnectionDelay: 50,
      reconnectionDelayMax: 500,
      // Socket.IO's client hears nothing of a connection that ends between the upgrade and the first packet; then this
      // is what ends its waiting.
      timeout: CONNECT_TIMEOUT_MS,
      auth: typeof options.auth === 'function' ? callbackOf(options.auth) : (options.auth ?? {}),
      extraHeaders: options.headers ?? {},
    });
    this.socket.onAny((event: string, payload: unknown) => this.#mailbox.put({ event, payload }));
    this.socket.on('connect', () => this.#mailbox.put({ event: 'connect', payload: undefined }));
    this.socket.on('disconnect', (reason) => this.#mailbox.put({ event: 'disconnect', payload: reason }));
    this.socket.on('connect_error', (error) => this.#mailbox.put({ event: 'connect_error', payload: error }));
  }

  /** Null when the handshake was accepted, else the `connect_error`, or that the connection ended before. */
  async opened(): Promise<Lifecycle['connect_error'] | null> {
    const isAnswer = ({ event }: Arrival) => ['connect', 'connect_error', 'disconnect'].includes(event);
    const { event, payload } = await this.#mailbox.next('connect or connect_error', isAnswer, EVENT_DEADLINE_MS);
    if (event === 'disconnect') return new Error(`the connection ended before it was answered: ${String(payload)}`);
    return payload instanceof Error ? payload : null;
  }

  /** The answer of a command. Rejects when none comes, or when the connection ends before. */
  async send<C extends CommandName>(command: C, payload: CommandPayload<C>): Promise<Ack<C>> {
    const answer: unknown = await this.socket.timeout(ACK_DEADLINE_MS).emitWithAck(command, payload);
    return answer as Ack<C>; // The tests are what holds the server to this type.
  }

  /** The result of a command that must succeed. */
  async do<C extends CommandName>(command: C, payload: CommandPayload<C>): Promise<CommandResult<C>> {
    const answer = await this.send(command, payload);
    if (!answer.ok) throw new Error(`${command} was refused: ${JSON.stringify(answer.error)}`);
    return answer;
  }

  /** Any command with any arguments, as a client may send that does not care. */
  async sendLoose(command: string, ...args: unknown[]): Promise<LooseAck> {
    const answer: unknown = await this.socket.timeout(ACK_DEADLINE_MS).emitWithAck(command, ...args);
    return answer as LooseAck; // As in send.
  }

  /** The error of a command that must be refused. */
  async refusal(command: string, ...args: unknown[]): Promise<WireError> {
    const answer = await this.sendLoose(command, ...args);
    if (answer.ok) throw new Error(`${command} was expected to be refused: ${JSON.stringify(answer)}`);
    return answer.error;
  }

  /** The oldest arrival of this event that no earlier call took; waits for it when there is none yet. */
  async next<E extends keyof Arrivals>(
    event: E,
    matches: (payload: Arrivals[E]) => boolean = () => true,
    deadlineMs = EVENT_DEADLINE_MS,
  ): Promise<Arrivals[E]> {
    const isWanted = (arrival: Arrival) => arrival.event === event && matches(arrival.payload as Arrivals[E]);
    const arrival = await this.#mailbox.next(event, isWanted, deadlineMs);
    return arrival.payload as Arrivals[E]; // As in send: what the server put under this name.
  }

  /** Every arrival of this event so far. */
  received<E extends keyof Arrivals>(event: E): Arrivals[E][] {
    return this.#mailbox.all
      .filter((arrival) => arrival.event === event)
      .map((arrival) => arrival.payload as Arrivals[E]);
  }

  /** Names of everything that arrived, in order. */
  arrivals(): string[] {
    return this.#mailbox.all.map(({ event }) => event);
  }

  /** Every message so far, live and resumed, in the order of arrival. */
  messages(): Message[] {
    return this.#mailbox.all.flatMap(({ event, payload }) => {
      if (event === 'message:new') return [payload as Events['message:new']];
      if (event === 'session:resumed') return (payload as Events['session:resumed']).messages;
      return [];
    });
  }

  /** Resolves when everything that the server sent to this connection before is here. Without a session it serves, too. */
  async barrier(): Promise<void> {
    await this.send('session:get', {});
  }

  close(): void {
    this.socket.disconnect();
  }

  /** As when the network is gone: no farewell packet, the seat stays. */
  async drop(): Promise<void> {
    const gone = this.next('disconnect');
    this.socket.io.engine.close();
    await gone;
  }
}

function callbackOf(auth: () => object): (give: (auth: object) => void) => void {
  return (give) => give(auth());
}
