import {
  commandFrame,
  errorOf,
  FRAME,
  hasKey,
  readAnswer,
  readDelivery,
  readEvent,
  sendFrame,
  type Delivery,
} from './frames.ts';
import { WebSocket } from './web-socket.ts';

const CONNECT_DEADLINE_MS = 10_000;
const ANSWER_DEADLINE_MS = 10_000;

export interface ConnectOptions {
  /** What the handshake says; nothing unless given. */
  auth?: object;
  /** Every event but `message:new`, from the first on: what follows a handshake at once is not missed. */
  onEvent?: (name: string, payload: unknown) => void;
  onDelivery?: (delivery: Delivery) => void;
}

/**
 * One Socket.IO connection at the least cost. The official client spends several times the CPU per message, which on a
 * machine shared with the server would be taken from the server.
 */
export class BenchClient {
  /** Replace them before traffic starts. */
  onDelivery: (delivery: Delivery) => void;
  /** The connection ended without `close`; `reason` is the server's word, if it gave one. */
  onLost: (reason: string) => void = ignore;
  readonly #socket: WebSocket;
  readonly #auth: object;
  readonly #onEvent: (name: string, payload: unknown) => void;
  readonly #answers = new Map<number, (answer: unknown) => void>();
  readonly #events = new Map<string, (payload: unknown) => void>();
  #nextAckId = 0;
  #closingReason: string | null = null;
  #isClosing = false;

  #onClosed: () => void = ignore;

  private constructor(address: string, { auth = {}, onEvent = ignore, onDelivery = ignore }: ConnectOptions) {
    this.#socket = new WebSocket(address, '/socket.io/?EIO=4&transport=websocket', {
      onText: (frame) => this.#read(frame),
      onClose: (reason) => {
        this.#onClosed();
        if (!this.#isClosing) this.onLost(this.#closingReason ?? reason ?? 'no reason given');
      },
    });
    this.#auth = auth;
    this.#onEvent = onEvent;
    this.onDelivery = onDelivery;
  }

  /** Connects to the root namespace. `address` is `host:port`. */
  static async connect(address: string, options: ConnectOptions = {}): Promise<BenchClient> {
    const client = new BenchClient(address, options);
    try {
      await client.#connected();
    } catch (cause) {
      client.#socket.terminate();
      throw new Error(`no connection to ${address}`, { cause });
    }
    return client;
  }

  get isOpen(): boolean {
    return this.#socket.isOpen;
  }

  /** Sends any command and gives its result; rejects with the error's code. Not for the hot path. */
  async request(command: string, payload: object): Promise<unknown> {
    const ackId = this.#nextAckId++;
    const answered = withDeadline<unknown>(ANSWER_DEADLINE_MS, `no answer to ${command}`, (resolve) =>
      this.#answers.set(ackId, resolve),
    );
    this.#socket.send(commandFrame(ackId, command, payload));
    const answer = await answered;
    const code = errorOf(answer);
    if (code !== null) throw new Error(`${command} was refused: ${code}`);
    return answer;
  }

  /** `message:send`; `answered` gets null or the code of the error. The body holds nothing that JSON escapes. */
  send(id: string, body: string, answered: (errorCode: string | null) => void): void {
    const ackId = this.#nextAckId++;
    this.#answers.set(ackId, (answer) => answered(errorOf(answer)));
    this.#socket.send(sendFrame(ackId, id, body));
  }

  /** Payload of the next such event. Call it before what causes the event. */
  next(event: string): Promise<unknown> {
    return withDeadline(ANSWER_DEADLINE_MS, `${event} did not come`, (resolve) => this.#events.set(event, resolve));
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#socket.isClosed) return;
    const closed = new Promise<void>((resolve) => (this.#onClosed = resolve));
    this.#socket.close();
    await closed;
  }

  #connected(): Promise<unknown> {
    return withDeadline(CONNECT_DEADLINE_MS, 'the handshake did not end', (resolve, reject) => {
      this.#events.set(FRAME.connect, resolve);
      this.onLost = (reason) => reject(new Error(reason));
    }).finally(() => (this.onLost = ignore));
  }

  #read(frame: string): void {
    if (frame.startsWith(FRAME.event)) {
      const { name, payload } = readEvent(frame);
      if (name === 'message:new') this.onDelivery(readDelivery(payload));
      else this.#raise(name, payload);
      if (name !== 'message:new') this.#onEvent(name, payload);
      if (name === 'connection:closing' && hasKey(payload, 'reason')) this.#closingReason = String(payload.reason);
    } else if (frame.startsWith(FRAME.ack)) {
      const { ackId, answer } = readAnswer(frame);
      const answered = this.#answers.get(ackId);
      this.#answers.delete(ackId);
      answered?.(answer);
    } else if (frame === FRAME.ping) {
      this.#socket.send(FRAME.pong);
    } else if (frame.startsWith(FRAME.connectError)) {
      this.#closingReason = `refused: ${frame.slice(FRAME.connectError.length)}`;
      this.#socket.terminate();
    } else if (frame.startsWith(FRAME.connect)) {
      this.#raise(FRAME.connect, null);
    } else if (frame.startsWith(FRAME.open)) {
      this.#socket.send(FRAME.connect + JSON.stringify(this.#auth));
    }
  }

  #raise(name: string, payload: unknown): void {
    const resolve = this.#events.get(name);
    this.#events.delete(name);
    resolve?.(payload);
  }
}

function ignore(): void {
  // Nothing listens yet.
}

function withDeadline<T>(
  deadlineMs: number,
  complaint: string,
  executor: (resolve: (value: T) => void, reject: (reason: Error) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${complaint} within ${deadlineMs} ms`)), deadlineMs);
    executor(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (reason) => {
        clearTimeout(timer);
        reject(reason);
      },
    );
  });
}
