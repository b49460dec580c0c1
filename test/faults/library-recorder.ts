import { TandemClient } from '../../client/client.ts';
import type { TandemSession } from '../../client/session.ts';
import type { ReceivedMessage } from '../../client/types.ts';
import type { JsonValue, Message } from '../../protocol/session.ts';
import { within } from '../support/deadline.ts';
import { RecordBook } from './record.ts';
import type { Opening, Recorder } from './recorder.ts';

const OPEN_DEADLINE_MS = 20_000;

/** The client library as an application uses it: what it hands out is written down in the order in which it does. */
export class LibraryRecorder implements Recorder {
  readonly record: RecordBook;
  readonly code: string | null;
  onOk: (id: string) => void = () => undefined;
  readonly #client: TandemClient;
  readonly #session: TandemSession;
  #count = 0;
  #wake: () => void = () => undefined;

  private constructor(name: string, client: TandemClient, session: TandemSession) {
    const self = session.info.participants.find(({ id }) => id === session.participantId);
    this.#client = client;
    this.code = session.info.code;
    this.#session = session;
    this.record = new RecordBook({
      client: name,
      kind: 'library',
      sessionId: session.id,
      participantId: session.participantId,
      joinedSeq: self?.joinedSeq ?? 0,
    });
    this.record.add({ kind: 'connected' });
    this.#listen();
  }

  static async open(name: string, url: string, opening: Opening): Promise<LibraryRecorder> {
    const client = new TandemClient({ url, storage: null });
    const signal = AbortSignal.timeout(OPEN_DEADLINE_MS);
    try {
      const session =
        opening.kind === 'create'
          ? await client.create({ name, capacity: opening.capacity ?? 2, signal })
          : await client.join(opening.code, { name, signal });
      return new LibraryRecorder(name, client, session);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  get participantId(): string {
    return this.#session.participantId;
  }

  get unsettled(): string[] {
    return this.#session.queue.map(({ id }) => id);
  }

  get completeSeq(): number {
    return this.#session.lastSeq;
  }

  get isOnline(): boolean {
    return this.#client.connection.kind === 'online' || this.#client.connection.kind === 'draining';
  }

  get epoch(): number {
    return this.#session.info.epoch;
  }

  say(body?: JsonValue): string {
    this.#count += 1;
    const id = `${this.record.client}-${String(this.#count).padStart(6, '0')}`;
    const said = body ?? { by: this.record.client, n: this.#count };
    this.record.bodies.set(id, said);
    this.record.add({ kind: 'invoke', id, attempt: 1 });
    // Its outcome is told as an event too, and there it also is when the message is sent again after a loss.
    this.#session.send('text', said, { id }).catch(() => undefined);
    return id;
  }

  async settled(lastSeq: number, deadlineMs: number): Promise<void> {
    const what = () =>
      `${this.record.client} has ${this.completeSeq} of ${lastSeq} messages and ${this.unsettled.length} unsettled sends` +
      `, and is ${this.#client.connection.kind}`;
    const arrived = async () => {
      while (this.unsettled.length > 0 || this.completeSeq < lastSeq) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    };
    await within(deadlineMs, what, arrived());
  }

  async history(): Promise<Message[]> {
    const messages: Message[] = [];
    for (let afterSeq = this.record.joinedSeq; ;) {
      const page = await this.#session.history({ afterSeq, limit: 200 });
      messages.push(...page.messages.map(asStored));
      if (!page.hasMore) return messages;
      afterSeq = page.messages.at(-1)?.seq ?? afterSeq;
    }
  }

  noteNetwork(isCut: boolean): void {
    this.record.add({ kind: 'network', isCut });
  }

  noteRevoked(): void {
    this.record.add({ kind: 'revoked' });
  }

  endSession(): Promise<void> {
    return this.#session.closeSession();
  }

  close(): void {
    this.#client.close();
  }

  #listen(): void {
    const session = this.#session;
    session.on('message', (message) => {
      this.record.add({ kind: 'seen', way: 'handed', message: asStored(message) });
      // `lastSeq` and the queue are what they are once the listeners are through.
      queueMicrotask(() => this.#wake());
    });
    session.on('gap', (gap) => {
      this.record.add({ kind: 'gap', ...gap });
      queueMicrotask(() => this.#wake());
    });
    session.on('reset', ({ afterSeq }) => this.record.add({ kind: 'reset', afterSeq, epoch: session.info.epoch }));
    session.on('sent', ({ id, seq, duplicate }) => {
      this.record.add({ kind: 'ok', id, attempt: 1, seq, epoch: session.info.epoch, duplicate });
      this.onOk(id);
      queueMicrotask(() => this.#wake());
    });
    session.on('failed', ({ id, error }) => this.record.add({ kind: 'fail', id, attempt: 1, code: error.code }));
    session.on('queue', () => this.#wake());
    session.on('ended', ({ reason }) => this.record.add({ kind: 'closing', reason }));
    this.#client.on('connection', (state) => {
      if (state.kind === 'online') this.record.add({ kind: 'connected' });
      if (state.kind === 'reconnecting' && state.retryAt !== null) {
        this.record.add({ kind: 'disconnected', reason: state.cause?.code ?? 'lost' });
      }
    });
  }
}

function asStored({ isOwn: _isOwn, ...message }: ReceivedMessage): Message {
  return message;
}
