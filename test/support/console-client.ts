import { io, type Socket } from 'socket.io-client';
import type { ConsoleAck, ConsoleCommandName, ConsoleCommands, ConsoleEvents } from '../../protocol/console.ts';
import type { WireError } from '../../protocol/errors.ts';
import { Mailbox } from './mailbox.ts';

type Arrivals = ConsoleEvents & { connect: undefined; disconnect: string; connect_error: Error & { data?: WireError } };

interface Arrival {
  readonly event: string;
  readonly payload: unknown;
}

/** Longer than any command may take. */
const ACK_DEADLINE_MS = 8000;
const EVENT_DEADLINE_MS = 20_000;

/** A stock Socket.IO client in the namespace of the console. */
export class ConsoleClient {
  readonly socket: Socket;
  readonly #mailbox = new Mailbox<Arrival>(({ event }) => event);

  constructor(url: string, auth: object, headers: Record<string, string> = {}) {
    const options = { transports: ['websocket'], forceNew: true, reconnection: false, auth, extraHeaders: headers };
    this.socket = io(`${url}/console`, options);
    this.socket.onAny((event: string, payload: unknown) => this.#mailbox.put({ event, payload }));
    this.socket.on('connect', () => this.#mailbox.put({ event: 'connect', payload: undefined }));
    this.socket.on('disconnect', (reason) => this.#mailbox.put({ event: 'disconnect', payload: reason }));
    this.socket.on('connect_error', (error) => this.#mailbox.put({ event: 'connect_error', payload: error }));
  }

  /** Null when the handshake was accepted, else the code of its refusal. */
  async opened(): Promise<string | null> {
    const isAnswer = ({ event }: Arrival) => event === 'connect' || event === 'connect_error';
    const { payload } = await this.#mailbox.next('connect or connect_error', isAnswer, EVENT_DEADLINE_MS);
    return payload instanceof Error ? payload.message : null;
  }

  async send<C extends ConsoleCommandName>(
    command: C,
    payload: ConsoleCommands[C]['payload'],
  ): Promise<ConsoleAck<ConsoleCommands[C]['result']>> {
    const answer: unknown = await this.socket.timeout(ACK_DEADLINE_MS).emitWithAck(command, payload);
    return answer as ConsoleAck<ConsoleCommands[C]['result']>; // The tests are what holds the server to this type.
  }

  /** The result of a command that must succeed. */
  async do<C extends ConsoleCommandName>(
    command: C,
    payload: ConsoleCommands[C]['payload'],
  ): Promise<ConsoleCommands[C]['result']> {
    const answer = await this.send(command, payload);
    if (!answer.ok) throw new Error(`${command} was refused: ${JSON.stringify(answer.error)}`);
    return answer;
  }

  /** The error of a command that must be refused, with whatever arguments. */
  async refusal(command: string, ...args: unknown[]): Promise<WireError> {
    const answer: unknown = await this.socket.timeout(ACK_DEADLINE_MS).emitWithAck(command, ...args);
    const { ok, error } = answer as { ok: boolean; error?: WireError }; // As in send.
    if (ok || error === undefined) throw new Error(`${command} was expected to be refused: ${JSON.stringify(answer)}`);
    return error;
  }

  async next<E extends keyof Arrivals>(
    event: E,
    matches: (payload: Arrivals[E]) => boolean = () => true,
  ): Promise<Arrivals[E]> {
    const isWanted = (arrival: Arrival) => arrival.event === event && matches(arrival.payload as Arrivals[E]);
    const { payload } = await this.#mailbox.next(event, isWanted, EVENT_DEADLINE_MS);
    return payload as Arrivals[E]; // As in send.
  }

  close(): void {
    this.socket.disconnect();
  }
}
