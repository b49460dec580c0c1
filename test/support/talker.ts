import { isDeepStrictEqual } from 'node:util';
import type { JsonValue, Message } from '../../protocol/session.ts';
import { Client } from './client.ts';
import { resumeOf } from './seat.ts';
import type { Seat } from './seat.ts';

/** What one participant of a fault test knows: the ground on which the invariants are judged. */
export class Talker {
  readonly name: string;
  /** Sent and answered ok: id to seq. */
  readonly acknowledged = new Map<string, number>();
  /** Sent, and the answer never came. */
  readonly unknown = new Map<string, JsonValue>();
  /** Everything that it saw of the others, and of itself after a resume: seq to message. */
  readonly seen = new Map<number, Message>();
  /** What must never be: told at once, with what led to it. */
  readonly violations: string[] = [];
  readonly #seat: Pick<Seat, 'session' | 'self'>;
  #client: Client;
  #sent = 0;
  #taken = 0;

  constructor(name: string, { client, session, self }: Seat) {
    this.name = name;
    this.#client = client;
    this.#seat = { session, self };
  }

  get client(): Client {
    return this.#client;
  }

  get sessionId(): string {
    return this.#seat.session.id;
  }

  /** Comes back to a server that was started again: reads what it missed, and settles what it does not know. */
  async comeBack(url: string): Promise<void> {
    this.#take();
    this.#client.close();
    let lastSeq = 0;
    while (this.seen.has(lastSeq + 1)) lastSeq += 1;
    const lastId = this.seen.get(lastSeq)?.id;
    const auth = resumeOf(this.#seat, { lastSeq, ...(lastId === undefined ? {} : { lastId }) });
    this.#client = new Client(url, { auth });
    this.#taken = 0;
    const refused = await this.#client.opened();
    if (refused !== null) throw new Error(`${this.name} was refused: ${refused.message}`);
    const resumed = await this.#client.next('session:resumed');
    if (resumed.reset || resumed.gap !== null) {
      this.violations.push(`${this.name} was told of a loss: ${JSON.stringify({ ...resumed, messages: [] })}`);
    }
    this.#take();
    let { hasMore } = resumed;
    let afterSeq = resumed.messages.at(-1)?.seq ?? lastSeq;
    while (hasMore) {
      const page = await this.#client.do('message:history', { afterSeq, limit: 200 });
      for (const message of page.messages) this.#see(message);
      afterSeq = page.messages.at(-1)?.seq ?? afterSeq;
      hasMore = page.hasMore;
    }
    for (const [id, body] of this.unknown) await this.#send(id, body);
  }

  /** Sends, a few at a time, until the connection ends. `onAck` is called for each answer. */
  async talk(onAck: () => void): Promise<void> {
    const voice = async () => {
      while (this.#client.socket.connected) {
        this.#sent += 1;
        if (await this.#send(`${this.name}-${this.#sent}`, { by: this.name, n: this.#sent })) onAck();
        else return;
      }
    };
    await Promise.all([voice(), voice(), voice()]);
    this.#take();
  }

  /** The whole session as the server tells it now. */
  async readLog(): Promise<Message[]> {
    const messages: Message[] = [];
    for (let afterSeq = 0; ;) {
      const page = await this.#client.do('message:history', { afterSeq, limit: 200 });
      messages.push(...page.messages);
      if (!page.hasMore) return messages;
      afterSeq = page.messages.at(-1)?.seq ?? afterSeq;
    }
  }

  async #send(id: string, body: JsonValue): Promise<boolean> {
    this.unknown.set(id, body);
    const answer = await this.#client.send('message:send', { id, body }).catch(() => null);
    if (answer === null) return false;
    if (!answer.ok) {
      if (!answer.error.retryable) this.violations.push(`${id} was refused: ${answer.error.code}`);
      return false;
    }
    this.unknown.delete(id);
    this.acknowledged.set(id, answer.seq);
    return true;
  }

  #take(): void {
    const messages = this.#client.messages();
    for (const message of messages.slice(this.#taken)) this.#see(message);
    this.#taken = messages.length;
  }

  #see(message: Message): void {
    const before = this.seen.get(message.seq);
    if (before !== undefined && before.id !== message.id) {
      this.violations.push(`${this.name} saw ${before.id} and ${message.id} as number ${message.seq}`);
    }
    this.seen.set(message.seq, message);
  }
}

/** What a participant knows, to be held against the log. */
export type Knowledge = Pick<Talker, 'name' | 'acknowledged' | 'unknown' | 'seen' | 'violations'>;

/** Everything in which the log of a session, and what its participants know of it, contradict the promise. */
export function violationsOf(log: readonly Message[], talkers: readonly Knowledge[]): string[] {
  const found: string[] = talkers.flatMap(({ violations }) => violations);
  const seqById = new Map<string, number>();
  for (const [index, { seq, id }] of log.entries()) {
    if (seq !== index + 1) found.push(`number ${seq} stands where ${index + 1} is due`);
    if (seqById.has(id)) found.push(`${id} is doubled: ${String(seqById.get(id))} and ${seq}`);
    seqById.set(id, seq);
  }
  const sent = new Set<string>();
  for (const talker of talkers) {
    for (const id of talker.unknown.keys()) found.push(`${id} was never settled`);
    for (const [id, seq] of talker.acknowledged) {
      sent.add(id);
      if (seqById.get(id) !== seq) found.push(`${id} was acknowledged as ${seq}, and is ${String(seqById.get(id))}`);
    }
    for (const [seq, message] of talker.seen) {
      if (!isDeepStrictEqual(log[seq - 1], message)) {
        found.push(`${talker.name} saw ${message.id} as number ${seq}, and that is ${String(log[seq - 1]?.id)}`);
      }
    }
  }
  for (const id of seqById.keys()) if (!sent.has(id)) found.push(`${id} was never sent`);
  return found;
}
