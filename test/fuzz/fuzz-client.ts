import type { Duplex } from 'node:stream';
import { ERRORS, type ErrorCode } from '../../protocol/errors.ts';
import { FrameReader, textFrame } from './frames.ts';
import type { Input } from './packets.ts';

const CLOSE = 8;
const TEXT = 1;

export interface FuzzClientOptions {
  /** Whether the domain behind takes everything that has the right form: then what is valid must be answered `ok`. */
  readonly takesAll: boolean;
  /** Sent before the first frame, where there is an HTTP server. */
  readonly upgrade: string;
  readonly onFailure: (failure: string) => void;
}

/** What a domain that is real may say to a command of the right form. */
const NEVER: ReadonlySet<string> = new Set(['INTERNAL', 'UNKNOWN_COMMAND']);

/** A client that sends anything, and knows what it must be answered. */
export class FuzzClient {
  isOpen = true;
  wasRefusedForLoad = false;
  #hasUpgraded = false;
  #mayEnd = false;
  /** What it was last told, for the text of a failure. */
  #lastEvent = '';
  readonly #stream: Duplex;
  readonly #options: FuzzClientOptions;
  readonly #reader = new FrameReader();
  readonly #pending = new Map<number, Input>();
  readonly #waiters = new Set<() => void>();
  readonly #sent: string[] = [];
  #isConnected = false;
  #head: Buffer = Buffer.alloc(0);

  constructor(stream: Duplex, options: FuzzClientOptions) {
    this.#stream = stream;
    this.#options = options;
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    stream.on('error', () => undefined);
    const onEnd = () => {
      if (!this.isOpen) return;
      this.isOpen = false;
      if (!this.#mayEnd) this.#fail(`the connection was ended for nothing that it sent, after ${this.#lastEvent}`);
      this.#pending.clear();
      this.#look();
      stream.destroy();
    };
    stream.on('close', onEnd);
    stream.on('end', onEnd);
    if (options.upgrade !== '') stream.write(options.upgrade);
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Says CONNECT; true when it was accepted. `mayRefuse`: what it sends need not be. */
  async connect(auth: string, mayRefuse: boolean): Promise<boolean> {
    if (mayRefuse) this.#mayEnd = true;
    // What comes with the request of an upgrade is no client's (RFC 6455, 4.1), and Engine.IO does not hear it.
    await this.until(() => this.#hasUpgraded || !this.isOpen);
    if (!this.isOpen) return false;
    this.#stream.write(textFrame(`40${auth}`));
    await this.until(() => this.#isConnected || !this.isOpen);
    return this.#isConnected && this.isOpen;
  }

  send(inputs: readonly Input[]): void {
    for (const input of inputs) {
      if (input.mayEnd) this.#mayEnd = true;
      if (input.ackId !== null) this.#pending.set(input.ackId, input);
      if (this.#sent.push(input.what) > 40) this.#sent.shift();
    }
    if (this.isOpen) this.#stream.write(Buffer.concat(inputs.map(({ bytes }) => bytes)));
  }

  /** From now on an end is expected. */
  allowEnd(): void {
    this.#mayEnd = true;
  }

  /** Resolves when it holds; looked at whenever something arrives. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiters.add(resolve));
  }

  /** What must be answered was, or the connection has ended. */
  async settled(): Promise<void> {
    await this.until(() => this.#pending.size === 0 || !this.isOpen);
  }

  /** What was never answered. */
  unanswered(): string[] {
    return [...this.#pending.values()].map(({ what }) => what);
  }

  close(): void {
    this.isOpen = false;
    this.#pending.clear();
    this.#look();
    this.#stream.destroy();
  }

  #take(chunk: Buffer): void {
    let bytes = chunk;
    if (!this.#hasUpgraded) {
      this.#head = Buffer.concat([this.#head, chunk]);
      const end = this.#head.indexOf('\r\n\r\n');
      if (end === -1) return;
      const status = this.#head.toString('latin1', 0, 30);
      if (status.includes(' 503 ') && !this.#options.takesAll) {
        // More than an instance can do goes elsewhere; here there is nowhere else.
        this.wasRefusedForLoad = true;
        this.close();
        return;
      }
      if (!status.includes(' 101 ')) this.#fail(`the upgrade was answered ${status}`);
      this.#hasUpgraded = true;
      bytes = this.#head.subarray(end + 4);
    }
    for (const { opcode, payload } of this.#reader.read(bytes)) {
      if (opcode === TEXT) this.#hear(payload.toString());
      else if (opcode === CLOSE) {
        this.#stream.end();
      }
    }
    this.#look();
  }

  #hear(text: string): void {
    if (text === '2') {
      if (this.isOpen) this.#stream.write(textFrame('3'));
      return;
    }
    if (text.startsWith('40')) this.#isConnected = true;
    if (text.startsWith('42')) this.#lastEvent = text.slice(0, 120);
    if (text.startsWith('43')) this.#judge(text);
  }

  #judge(text: string): void {
    const start = text.indexOf('[');
    const ackId = Number(text.slice(2, start));
    const input = this.#pending.get(ackId);
    // Its id was not one to be answered by.
    if (input === undefined) return;
    this.#pending.delete(ackId);
    const [answer] = JSON.parse(text.slice(start)) as [{ ok?: unknown; error?: { code?: unknown } } | undefined];
    const code = answer?.ok === true ? 'ok' : answer?.error?.code;
    if (typeof code !== 'string' || (code !== 'ok' && !Object.hasOwn(ERRORS, code))) {
      this.#fail(`${input.what} was answered ${text.slice(0, 200)}`);
    } else if (!this.#isRight(input, code as ErrorCode | 'ok')) {
      this.#fail(
        `${input.what} was to be answered ${input.expected}, and was ${code}: ${JSON.stringify(input.bytes.toString('latin1', 0, 300))} -> ${text.slice(0, 300)}`,
      );
    }
  }

  #isRight({ expected }: Input, code: ErrorCode | 'ok'): boolean {
    // More than an instance can do is refused as that, whatever it is.
    if (code === 'UNAVAILABLE') return !this.#options.takesAll;
    if (expected === 'anything') return code !== 'INTERNAL';
    if (expected === 'ok') return this.#options.takesAll ? code === 'ok' : !NEVER.has(code);
    return code === expected;
  }

  #fail(what: string): void {
    this.#options.onFailure(`${what}; before: ${this.#sent.slice(-8).join(', ')}`);
  }

  #look(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const resolve of waiters) resolve();
  }
}
