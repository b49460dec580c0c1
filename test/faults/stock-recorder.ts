import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import type { CommandResult, HandshakeAuth } from '../../protocol/commands.ts';
import type { WireError } from '../../protocol/errors.ts';
import type { Events } from '../../protocol/events.ts';
import type { JsonValue, Message, SelfWithToken, Session } from '../../protocol/session.ts';
import { within } from '../support/deadline.ts';
import { KnownLog } from './known-log.ts';
import { RecordBook } from './record.ts';
import type { Way } from './record.ts';
import type { Opening, Recorder } from './recorder.ts';
import { emit, repeated, request } from './stock-commands.ts';

const OPEN_DEADLINE_MS = 20_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** How long a hole may be one of order only, before the client asks for what is missing. */
const HOLE_PATIENCE_MS = 1_000;
const RETRY_MS = 200;

/**
 * A plain Socket.IO client that does what the protocol asks of one: it resumes by the `auth` of its handshake, sends
 * what has no outcome again under the same id, and asks for what `seq` shows to be missing.
 */
export class StockRecorder implements Recorder {
  readonly record: RecordBook;
  readonly code: string | null;
  onOk: (id: string) => void = () => undefined;
  readonly #socket: Socket;
  readonly #known: KnownLog;
  readonly #self: SelfWithToken;
  readonly #pending = new Map<string, { attempt: number; isUnderWay: boolean }>();
  readonly #acknowledged = new Map<string, { readonly seq: number; readonly attempt: number }>();
  #epoch: number;
  #durableSeq: number;
  #isServed = true;
  #count = 0;
  #wake: () => void = () => undefined;
  #holeTimer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #isAsking = false;
  #isClosed = false;

  private constructor(name: string, socket: Socket, session: Session, self: SelfWithToken) {
    const joinedSeq = session.participants.find(({ id }) => id === self.participantId)?.joinedSeq ?? 0;
    this.#socket = socket;
    this.code = session.code;
    this.#self = self;
    this.#epoch = session.epoch;
    this.#durableSeq = session.durableSeq;
    this.#known = new KnownLog(joinedSeq);
    this.record = new RecordBook({
      client: name,
      kind: 'stock',
      sessionId: session.id,
      participantId: self.participantId,
      joinedSeq,
    });
    this.record.add({ kind: 'connected' });
    this.#listen();
  }

  static async open(name: string, url: string, opening: Opening): Promise<StockRecorder> {
    const taken: { recorder?: StockRecorder } = {};
    const socket = io(url, {
      transports: ['websocket'],
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 500,
      timeout: CONNECT_TIMEOUT_MS,
      auth: (give: (auth: object) => void) => give(taken.recorder?.auth() ?? {}),
    });
    // The key makes a repetition after a lost answer the same seat.
    const key = `${name}-${Math.random().toString(36).slice(2)}`.padEnd(16, '-').replace(/[^\w-]/g, '-');
    const take = async (): Promise<StockRecorder> => {
      const { session, self } =
        opening.kind === 'create'
          ? await request(socket, 'session:create', { key, name, capacity: opening.capacity ?? 2 })
          : await request(socket, 'session:join', { key, name, code: opening.code });
      return new StockRecorder(name, socket, session, self);
    };
    try {
      taken.recorder = await within(OPEN_DEADLINE_MS, () => `${name} got no seat`, repeated(take));
      return taken.recorder;
    } catch (error) {
      socket.disconnect();
      throw error;
    }
  }

  get participantId(): string {
    return this.#self.participantId;
  }

  get unsettled(): string[] {
    return [...this.#pending.keys()];
  }

  get completeSeq(): number {
    return this.#known.completeSeq;
  }

  get isOnline(): boolean {
    return this.#isServed && this.#socket.connected;
  }

  get epoch(): number {
    return this.#epoch;
  }

  auth(): HandshakeAuth {
    const lastSeq = this.#known.completeSeq;
    const lastId = this.#known.idAt(lastSeq);
    return {
      resume: {
        sessionId: this.record.sessionId,
        participantId: this.#self.participantId,
        resumeToken: this.#self.resumeToken,
        epoch: this.#epoch,
        lastSeq,
        ...(lastId === undefined ? {} : { lastId }),
        durableSeq: this.#durableSeq,
      },
    };
  }

  say(body?: JsonValue): string {
    this.#count += 1;
    const id = `${this.record.client}-${String(this.#count).padStart(6, '0')}`;
    this.record.bodies.set(id, body ?? { by: this.record.client, n: this.#count });
    this.#pending.set(id, { attempt: 0, isUnderWay: false });
    if (this.isOnline) void this.#attempt(id);
    return id;
  }

  async settled(lastSeq: number, deadlineMs: number): Promise<void> {
    const what = () =>
      `${this.record.client} has ${this.completeSeq} of ${lastSeq} messages and ${this.#pending.size} unsettled sends` +
      (this.isOnline ? '' : `, and is ${this.#offline()}`);
    const isSettled = () => this.#pending.size === 0 && this.completeSeq >= lastSeq;
    const arrived = async () => {
      while (!isSettled()) await new Promise<void>((resolve) => (this.#wake = resolve));
    };
    // What only `session:head` would reveal is asked for at once: up to 10 s for each session would be the whole run.
    if (!isSettled()) this.#askForHoles();
    await within(deadlineMs, what, arrived());
  }

  /** What the server tells of the session now. Rejects when the client is offline. */
  async head(): Promise<{ epoch: number; lastSeq: number; durableSeq: number; seats: string[] }> {
    if (!this.#socket.connected) throw new Error(`${this.record.client} is ${this.#offline()}`);
    const { session } = await request(this.#socket, 'session:get', {});
    const { epoch, lastSeq, durableSeq, participants } = session;
    return { epoch, lastSeq, durableSeq, seats: participants.map(({ id }) => id).sort() };
  }

  async history(): Promise<Message[]> {
    const messages: Message[] = [];
    for (let afterSeq = this.record.joinedSeq; ;) {
      const page = await request(this.#socket, 'message:history', { afterSeq, limit: 200 });
      messages.push(...page.messages);
      if (!page.hasMore) return messages;
      afterSeq = page.messages.at(-1)?.seq ?? afterSeq;
    }
  }

  /** Puts another participant out; resolves when that is answered ok. */
  async kick(participantId: string): Promise<void> {
    await request(this.#socket, 'session:kick', { participantId });
  }

  /** With what it was told last: after some words a client is not to come back. */
  #offline(): string {
    const told = this.record.entries.findLast(({ kind }) => kind === 'closing' || kind === 'refused');
    return `offline${told === undefined ? '' : `, told ${JSON.stringify(told)}`}`;
  }

  noteNetwork(isCut: boolean): void {
    this.record.add({ kind: 'network', isCut });
  }

  noteRevoked(): void {
    this.record.add({ kind: 'revoked' });
  }

  async endSession(): Promise<void> {
    await request(this.#socket, 'session:close', {});
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#holeTimer);
    clearTimeout(this.#retryTimer);
    this.#socket.disconnect();
  }

  #listen(): void {
    const on = <E extends keyof Events>(event: E, listener: (payload: Events[E]) => void): void => {
      this.#socket.on<string>(event, listener); // The tests are what holds the server to this type.
    };
    on('message:new', (message) => this.#see(message, 'live'));
    on('session:resumed', (event) => this.#onResumed(event));
    on('session:head', ({ epoch, lastSeq, durableSeq }) => {
      this.record.add({ kind: 'head', epoch, lastSeq });
      if (epoch !== this.#epoch) return;
      this.#durableSeq = Math.max(this.#durableSeq, durableSeq);
      this.#known.noteHead(lastSeq);
      this.#watchHoles();
    });
    on('connection:closing', ({ reason }) => this.record.add({ kind: 'closing', reason }));
    this.#socket.on('connect', () => this.record.add({ kind: 'connected' }));
    this.#socket.on('disconnect', (reason) => {
      this.#isServed = false;
      this.record.add({ kind: 'disconnected', reason });
    });
    this.#socket.on('connect_error', (error: Error & { data?: WireError }) => {
      if (error.data === undefined) return;
      this.record.add({ kind: 'refused', code: error.data.code });
      // A stock client does not come back by itself after the handshake itself was refused.
      if (error.data.retryable && !this.#isClosed) setTimeout(() => this.#socket.connect(), RETRY_MS);
    });
  }

  #onResumed({ session, messages, hasMore, gap, reset }: Events['session:resumed']): void {
    this.record.add({ kind: 'resumed', epoch: session.epoch, lastSeq: session.lastSeq });
    if (reset) {
      const afterSeq = Math.min(this.#durableSeq, this.#known.completeSeq);
      this.record.add({ kind: 'reset', afterSeq, epoch: session.epoch });
      this.#known.forgetAfter(afterSeq);
      for (const [id, { seq, attempt }] of this.#acknowledged) {
        if (seq <= afterSeq) continue;
        this.#acknowledged.delete(id);
        this.#pending.set(id, { attempt, isUnderWay: false });
      }
    }
    this.#epoch = session.epoch;
    this.#durableSeq = session.durableSeq;
    if (gap !== null) {
      this.record.add({ kind: 'gap', ...gap });
      this.#known.noteGap(gap.fromSeq, gap.toSeq);
    }
    for (const message of messages) this.#see(message, 'resumed');
    this.#known.noteHead(session.lastSeq);
    this.#isServed = true;
    if (hasMore) this.#askForHoles();
    else this.#watchHoles();
    this.#sendPending();
    this.#wake();
  }

  #see(message: Message, way: Way): void {
    this.record.add({ kind: 'seen', way, message });
    this.#known.note(message.seq, message.id);
    this.#watchHoles();
    this.#wake();
  }

  #sendPending(): void {
    if (!this.isOnline) return;
    for (const [id, { isUnderWay }] of this.#pending) if (!isUnderWay) void this.#attempt(id);
  }

  async #attempt(id: string): Promise<void> {
    const send = this.#pending.get(id);
    const body = this.record.bodies.get(id);
    if (send === undefined || body === undefined) return;
    send.attempt += 1;
    send.isUnderWay = true;
    const { attempt } = send;
    this.record.add({ kind: 'invoke', id, attempt });
    const answer = await emit(this.#socket, 'message:send', { id, body });
    send.isUnderWay = false;
    if (answer === 'disconnected' || answer === 'no_answer') {
      this.record.add({ kind: 'unknown', id, attempt, why: answer });
    } else if (answer.ok) {
      const { seq, epoch, duplicate } = answer;
      this.record.add({ kind: 'ok', id, attempt, seq, epoch, duplicate });
      this.#onAcknowledged(id, attempt, answer);
      return;
    } else if (answer.error.retryable) {
      this.record.add({ kind: 'unknown', id, attempt, why: 'refused_for_now', code: answer.error.code });
    } else {
      this.record.add({ kind: 'fail', id, attempt, code: answer.error.code });
      this.#pending.delete(id);
      this.#wake();
      return;
    }
    // While it is offline, `session:resumed` is what sends again.
    clearTimeout(this.#retryTimer);
    if (!this.#isClosed) this.#retryTimer = setTimeout(() => this.#sendPending(), RETRY_MS);
  }

  #onAcknowledged(id: string, attempt: number, { seq, epoch, durableSeq }: CommandResult<'message:send'>): void {
    this.#pending.delete(id);
    // Also one of an epoch that this client was not told of yet: what is lost again later has to be sent again.
    if (epoch >= this.#epoch) this.#acknowledged.set(id, { seq, attempt });
    // An answer that was on its way when the store was rebuilt says nothing about the log that there is now.
    if (epoch === this.#epoch) {
      this.#durableSeq = Math.max(this.#durableSeq, durableSeq);
      this.#known.note(seq, id);
      this.#watchHoles();
    }
    this.onOk(id);
    this.#wake();
  }

  #watchHoles(): void {
    if (!this.#known.hasHole || this.#holeTimer !== undefined || this.#isClosed) return;
    this.#holeTimer = setTimeout(() => {
      this.#holeTimer = undefined;
      this.#askForHoles();
    }, HOLE_PATIENCE_MS);
  }

  #askForHoles(): void {
    if (!this.isOnline || this.#isAsking) return;
    this.#isAsking = true;
    void this.#fillHoles()
      .catch(() => undefined) // The connection went: the resume brings what is missing, and the next hole is asked for again.
      .finally(() => {
        this.#isAsking = false;
        this.#watchHoles();
      });
  }

  async #fillHoles(): Promise<void> {
    for (;;) {
      const afterSeq = this.#known.completeSeq;
      const page = await request(this.#socket, 'message:history', { afterSeq, limit: 200 });
      if (page.epoch !== this.#epoch) return;
      for (const message of page.messages) this.#see(message, 'history');
      if (!page.hasMore || this.#known.completeSeq === afterSeq) return;
    }
  }
}
