import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Ack, CommandName, CommandPayload, CommandResult, HandshakeAuth } from '../../protocol/commands.ts';
import type { Events } from '../../protocol/events.ts';
import { within } from './deadline.ts';
import { Mailbox } from './mailbox.ts';

const DEADLINE_MS = 15_000;

type Line = { event: string; payload?: unknown } | { ack: number; answer: unknown };
type Arrivals = Events & { connect: null; disconnect: null; connect_error: unknown };

/** A stock client of another language: Debian's python3-socketio, in a process of its own. */
export class PythonClient {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines = new Mailbox<Line>((line) => JSON.stringify(line).slice(0, 120));
  readonly #exited: Promise<unknown>;
  #nextId = 1;

  constructor() {
    const script = path.join(import.meta.dirname, 'python_client.py');
    this.#child = spawn('/usr/bin/python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#exited = once(this.#child, 'close');
    createInterface({ input: this.#child.stdout }).on('line', (text) => {
      this.#lines.put(JSON.parse(text, reviveBytes) as Line); // Our own script wrote it.
    });
  }

  async connect(url: string, auth: HandshakeAuth = {}): Promise<void> {
    this.#write({ do: 'connect', url, auth });
    await this.next('connect');
  }

  /** What the server answers to a handshake that it must refuse. */
  async connectRefusal(url: string, auth: HandshakeAuth): Promise<unknown> {
    this.#write({ do: 'connect', url, auth });
    return this.next('connect_error');
  }

  async send<C extends CommandName>(command: C, payload: CommandPayload<C>): Promise<Ack<C>> {
    const id = this.#nextId++;
    this.#write({ do: 'send', id, command, payload });
    const line = await this.#lines.next(`the ack of ${command}`, (candidate) => isAckOf(candidate, id), DEADLINE_MS);
    return ('answer' in line ? line.answer : null) as Ack<C>; // The tests are what holds the server to this type.
  }

  async do<C extends CommandName>(command: C, payload: CommandPayload<C>): Promise<CommandResult<C>> {
    const answer = await this.send(command, payload);
    if (!answer.ok) throw new Error(`${command} was refused: ${JSON.stringify(answer.error)}`);
    return answer;
  }

  async next<E extends keyof Arrivals>(event: E): Promise<Arrivals[E]> {
    const line = await this.#lines.next(
      event,
      (candidate) => 'event' in candidate && candidate.event === event,
      DEADLINE_MS,
    );
    return ('payload' in line ? line.payload : null) as Arrivals[E]; // As in send.
  }

  received(event: string): number {
    return this.#lines.all.filter((line) => 'event' in line && line.event === event).length;
  }

  async disconnect(): Promise<void> {
    this.#write({ do: 'disconnect' });
    await this.next('disconnect');
  }

  async stop(): Promise<void> {
    this.#child.stdin.end();
    await within(DEADLINE_MS, () => 'the Python client does not end', this.#exited);
  }

  #write(line: object): void {
    this.#child.stdin.write(`${JSON.stringify(line, describeBytes)}\n`);
  }
}

function isAckOf(line: Line, id: number): boolean {
  return 'ack' in line && line.ack === id;
}

/** Buffers have a toJSON that runs before a replacer sees them. */
function describeBytes(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[key]; // JSON.stringify calls it on the holder of the key.
  return Buffer.isBuffer(original) ? { $bytes: original.toString('base64') } : value;
}

function reviveBytes(_key: string, value: unknown): unknown {
  if (typeof value === 'object' && value !== null && '$bytes' in value && typeof value.$bytes === 'string') {
    return Buffer.from(value.$bytes, 'base64');
  }
  return value;
}
