import type { CommandName, CommandPayload, CommandResult, HandshakeAuth } from '../protocol/commands.ts';
import { TandemError } from '../protocol/errors.ts';
import type { EventName, Events } from '../protocol/events.ts';
import type { ActivityState, CloseReason, JsonValue, Message, Session } from '../protocol/session.ts';
import { abortable } from './abortable.ts';
import { Ciphering } from './ciphering.ts';
import type { Clock } from './clock.ts';
import { resultOf } from './connection.ts';
import type { Connection } from './connection.ts';
import { Delivery } from './delivery.ts';
import type { Telling } from './delivery.ts';
import { Emitter } from './emitter.ts';
import type { InboxItem } from './inbox.ts';
import { jsonOf } from './json-body.ts';
import { encodeHandover, pairingLink } from './link.ts';
import type { OutboxEntry } from './outbox.ts';
import { randomId } from './random-id.ts';
import { Receipts } from './receipts.ts';
import type { SeatStore, StoredState } from './seat-store.ts';
import { SessionView } from './session-view.ts';
import type * as api from './types.ts';
import { parseEvent } from './wire.ts';

/** What a session needs of the client that has it. */
export interface SessionParts {
  readonly connection: Connection;
  readonly store: SeatStore;
  readonly clock: Clock;
  readonly random: () => number;
  readonly bounds: api.QueueBounds | undefined;
  readonly base: string;
  /** Connects, unless it is connected. */
  readonly start: () => void;
  /** The seat has ended here. */
  readonly ended: (end: api.SeatEnd) => void;
}

/** What concerns the seat; the rest concerns the connection. */
type Handled = Exclude<EventName, 'connection:closing' | 'server:draining' | 'command:failed'>;

/** The stored copy is only shown until the server has answered, so it need not be the newest at every moment. */
const STORE_INFO_MS = 500;

/** One seat in one session: what is said in it, who is there, and what may be done. Made by a client. */
export class TandemSession<B extends api.Bodies = api.AnyBodies, S extends api.Bodies = api.AnySignals> {
  readonly id: string;
  readonly participantId: string;

  readonly #parts: SessionParts;
  readonly #resumeToken: string;
  readonly #view: SessionView;
  readonly #ciphering: Ciphering;
  // Inside, bodies are JSON; what the application's map says of them is said by `on`, `send` and the like.
  readonly #emitter = new Emitter<api.SessionEvents>();
  readonly #delivery: Delivery;
  readonly #receipts: Receipts;
  #end: api.SeatEnd | null = null;
  #isUnstored = false;
  #isStoring = false;
  #stopTimer: () => void = () => undefined;

  /** @internal */
  constructor(parts: SessionParts, state: StoredState) {
    const { seat, position, messages } = state;
    this.#parts = parts;
    this.id = seat.sessionId;
    this.participantId = seat.participantId;
    this.#resumeToken = seat.resumeToken;
    this.#view = new SessionView(seat.info);
    this.#ciphering = new Ciphering(seat.secret, seat.sessionId);
    const { connection: requests, store, clock, random, bounds } = parts;
    this.#receipts = new Receipts(requests, parts);
    this.#delivery = new Delivery(
      seat,
      position,
      { clock, random, requests, store, bounds },
      {
        isHeard: () => this.#emitter.has('message'),
        prepare: (item) => this.#prepare(item),
        seal: this.isEncrypted
          ? ({ type, id, body }) => this.#ciphering.sealMessage({ from: this.participantId, type, id, body })
          : null,
        reset: (afterSeq) => {
          this.#receipts.rewind(afterSeq);
          this.#emitter.emit('reset', { afterSeq });
        },
        sent: (message) => this.#emitter.emit('sent', message),
        failed: ({ id, type, body }, error) => this.#emitter.emit('failed', { id, type, body, error }),
        changed: () => this.#emitter.emit('queue', this.#entries),
        unstored: () => this.#onUnstored(),
      },
    );
    this.#saveSeat();
    this.#delivery.restore(messages);
  }

  /** The session as the server told it last. */
  get info(): Session {
    return this.#view.info;
  }

  get isHost(): boolean {
    return this.#view.participant(this.participantId)?.role === 'host';
  }

  get isClosed(): boolean {
    return this.info.status === 'closed';
  }

  get isEncrypted(): boolean {
    return this.#ciphering.secret !== null;
  }

  /** Null while it is open, and when it closed while this client was away. */
  get closeReason(): CloseReason | null {
    return this.#view.closeReason;
  }

  /** When the session closes unless something happens (ISO 8601); null while nothing threatens it. */
  get closesAt(): string | null {
    return this.#view.closesAt;
  }

  get ended(): api.SeatEnd | null {
    return this.#end;
  }

  /** Highest seq that was handed out. */
  get lastSeq(): number {
    return this.#delivery.position.lastSeq;
  }

  /** What the server has not acknowledged, in the order of sending. */
  get queue(): readonly api.QueuedMessage<B>[] {
    return this.#entries as unknown as readonly api.QueuedMessage<B>[];
  }

  /** Adds a listener; the returned function removes it. */
  on<E extends keyof api.SessionEvents<B, S>>(
    event: E,
    listener: (payload: api.SessionEvents<B, S>[E]) => void,
  ): () => void {
    // The payload is what came over the wire; that it is of the application's map is the application's word.
    const off = this.#emitter.on(event, listener as unknown as (payload: api.SessionEvents[E]) => void);
    if (event === 'message') queueMicrotask(() => this.#delivery.heard());
    if (event === 'unstored' && this.#isUnstored) queueMicrotask(() => listener(undefined as never));
    return off;
  }

  /**
   * Queues a message. Resolves when the server has stored it at the level that `info.durability` names; until then it is
   * repeated under its id, through lost connections and reloads.
   *
   * @throws TandemError when it is given up: refused for good, too old, no room in the queue, or the seat is gone
   */
  async send<T extends api.TypeOf<B>>(type: T, body: B[T], options: api.SendOptions = {}): Promise<api.SentMessage> {
    const { id = randomId(22), signal } = options;
    signal?.throwIfAborted();
    const plain = jsonOf(body);
    if (this.#isOver) throw this.#noSeat();
    const sent = this.#delivery.outbox.add({ id, type, body: plain });
    this.#delivery.sender.pump();
    const abort = (): void => this.#giveUp(id, new TandemError('UNAVAILABLE', 'Sending was aborted.'), signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    return await sent.finally(() => signal?.removeEventListener('abort', abort));
  }

  /** Gives a queued message up; its promise rejects. One that is on its way may still be stored. */
  discard(id: string): void {
    this.#giveUp(id, new TandemError('UNAVAILABLE', 'The message was discarded.'));
  }

  /** A page of what was said. Nothing that it returns counts as handed out. */
  async history({ signal, ...range }: api.HistoryOptions = {}): Promise<api.HistoryPage<B>> {
    const { messages, hasMore, lastSeq } = await this.#command('message:history', range, signal);
    const opened = await Promise.all(
      messages.map(async (message) => ({ message, opened: await this.#ciphering.openMessage(message) })),
    );
    return {
      messages: opened.flatMap(({ message, opened: result }) =>
        result.kind === 'ok' ? [this.#received(message, result.body) as unknown as api.ReceivedMessage<B>] : [],
      ),
      undecipherable: opened.flatMap(({ message, opened: { kind } }) =>
        kind === 'ok' ? [] : [{ message, reason: kind }],
      ),
      hasMore,
      lastSeq,
    };
  }

  /** The user has read everything up to `seq`. Reported to the others, at most a few times a second. */
  markRead(seq: number = this.lastSeq): void {
    this.#receipts.read(Math.min(seq, this.lastSeq));
  }

  /** Sends something that may be lost: at most once, never stored. */
  async signal<T extends api.TypeOf<S>>(
    type: T,
    body: S[T],
    { to, signal }: api.SignalOptions = {},
  ): Promise<{ recipients: number }> {
    const plain = body instanceof Uint8Array ? body : jsonOf(body);
    const sealed = await this.#ciphering.sealSignal(this.participantId, type, plain);
    const { recipients } = await this.#command(
      'signal:send',
      { type, body: sealed, ...(to === undefined ? {} : { to }) },
      signal,
    );
    return { recipients };
  }

  /** Whether the person does anything. `active` also keeps the session from closing as idle. */
  async reportActivity(state: ActivityState, options?: api.RequestOptions): Promise<void> {
    await this.#command('activity:report', { state }, options?.signal);
    if (state === 'active') this.#setIdle(null);
  }

  /** Host: lets somebody in who knocked, or turns them away. */
  async admit(knockId: string, admit: boolean, options?: api.RequestOptions): Promise<void> {
    await this.#command('session:admit', { knockId, admit }, options?.signal);
  }

  /** Host: a locked session cannot be joined. */
  async lock(locked: boolean, options?: api.RequestOptions): Promise<void> {
    this.#setInfo((await this.#command('session:lock', { locked }, options?.signal)).session);
  }

  /** Host: makes a fresh code; the old one dies. */
  async reopen(options?: api.RequestOptions): Promise<void> {
    this.#setInfo((await this.#command('session:reopen', {}, options?.signal)).session);
  }

  /** Host: takes a seat away for good; the code dies with it. */
  async kick(participantId: string, options?: api.RequestOptions): Promise<void> {
    await this.#command('session:kick', { participantId }, options?.signal);
  }

  /** Host: ends the session for everybody. */
  async closeSession(options?: api.RequestOptions): Promise<void> {
    await this.#command('session:close', {}, options?.signal);
    this.#onClosed('closed');
  }

  /**
   * Gives the seat up, here at once and in any case. `isConfirmed` is false when the server could not be told: then it
   * frees the seat when its grace is over. What is still queued fails.
   */
  async leave(): Promise<{ isConfirmed: boolean }> {
    const isSeated = this.#end === null;
    this.finish({ reason: 'left', canResume: false, error: null });
    return { isConfirmed: isSeated && (await this.#parts.connection.leave()) };
  }

  /** The link that joins, with the key of an encrypted session; null while there is no code. */
  link(base: string = this.#parts.base): string | null {
    const { code } = this.info;
    return code === null ? null : pairingLink(base, code, this.#ciphering.secret);
  }

  /** What `takeOver` wants on another device. A secret: whoever has it has the seat. */
  handOver(): string {
    const { id: sessionId, participantId } = this;
    const resumeToken = this.#resumeToken;
    return encodeHandover({ sessionId, participantId, resumeToken, secret: this.#ciphering.secret });
  }

  /**
   * Asks for the seat again after the client was closed, or after it ended in a way that allows that; the connection that
   * has it now loses it.
   */
  resumeHere(): void {
    if (this.#isOver) return;
    this.#end = null;
    this.#saveSeat();
    this.#parts.start();
    this.#emitter.emit('changed', undefined);
  }

  /** @internal For the next handshake. */
  resume(): NonNullable<HandshakeAuth['resume']> {
    const { id: sessionId, participantId } = this;
    const resumeToken = this.#resumeToken;
    const { epoch, lastSeq, lastId, durableSeq } = this.#delivery.resume();
    return {
      sessionId,
      participantId,
      resumeToken,
      epoch,
      lastSeq,
      durableSeq,
      ...(lastId === null ? {} : { lastId }),
    };
  }

  /** @internal The seat was taken on this connection. */
  onOpened(): void {
    this.#delivery.opened(this.info);
    this.#receipts.run({ delivered: 0, read: 0 });
  }

  /** @internal */
  onLost(): void {
    this.#delivery.interrupted();
    this.#receipts.pause();
  }

  /** @internal The seat has ended; what is queued is kept only where it may come back. */
  finish(end: api.SeatEnd): void {
    if (this.#isOver) return;
    this.#end = end;
    this.onLost();
    if (!end.canResume) {
      this.#delivery.outbox.failAll(this.#noSeat());
      this.#delivery.stop();
      this.#parts.store.forget();
    }
    this.#stopStoring();
    this.#parts.ended(end);
    this.#emitter.emit('ended', end);
  }

  /** @internal No timer runs any more until the seat is resumed. */
  suspend(): void {
    if (this.#isStoring) this.#saveSeat();
    this.#delivery.outbox.stop();
  }

  get #isOver(): boolean {
    return this.#end?.canResume === false;
  }

  #stopStoring(): void {
    this.#stopTimer();
    this.#isStoring = false;
  }

  /** @internal */
  onEvent(name: string, payload: unknown): void {
    if (!Object.hasOwn(this.#handlers, name) || this.#end !== null) return;
    // The name was found among those that are handled.
    const event = parseEvent(name as Handled, payload);
    if (event !== null) this.#handlers[name as Handled](event as never);
  }

  readonly #handlers: { [E in Handled]: (event: Events[E]) => void } = {
    'session:resumed': (event) => this.#onResumed(event),
    'session:paired': ({ session }) => this.#onInfo(session),
    'session:updated': ({ session }) => this.#onInfo(session),
    'session:joined': ({ participant, session }) => {
      this.#onInfo(session);
      this.#emitter.emit('joined', { participant });
    },
    'session:knock': (event) => this.#emitter.emit('knock', event),
    'session:left': ({ participantId, reason, session }) => {
      const participant = this.#view.lastSeen(participantId);
      this.#onInfo(session);
      this.#emitter.emit('left', { participantId, participant, reason });
    },
    'session:presence': (event) => this.#changed(() => this.#view.presence(event)),
    'session:activity': (event) => {
      this.#changed(() => this.#view.activity(event));
      if (event.state === 'active') this.#setIdle(null);
    },
    'session:idle': ({ closesAt }) => this.#setIdle(closesAt),
    'session:closed': ({ sessionId, reason }) => {
      if (sessionId === this.id) this.#onClosed(reason);
    },
    'session:head': (head) => this.#delivery.headSeen(head),
    'message:new': (message) => {
      this.#setIdle(null);
      this.#delivery.receive(message);
    },
    'message:receipt': (event) => this.#changed(() => this.#view.receipt(event)),
    'signal:new': (event) => void this.#onSignal(event),
  };

  get #entries(): readonly api.QueuedMessage[] {
    return this.#delivery.outbox.queue.map(({ id, type, body, state }) => ({ id, type, body, state }));
  }

  #onResumed(event: Events['session:resumed']): void {
    const { session } = event;
    if (session.id !== this.id) return;
    const wasClosed = this.isClosed;
    this.#setInfo(session);
    this.#setIdle(null);
    const me = this.#view.participant(this.participantId);
    this.#delivery.resumed(event, session.shareHistory ? 0 : (me?.joinedSeq ?? 0));
    this.#receipts.run({ delivered: me?.delivered ?? 0, read: me?.read ?? 0 });
    if (this.isClosed && !wasClosed) this.#emitter.emit('closed', { reason: this.closeReason });
  }

  #onInfo(session: Session): void {
    if (session.id !== this.id) return;
    this.#setInfo(session);
    this.#setIdle(null);
    this.#delivery.headSeen(session);
  }

  #onClosed(reason: CloseReason): void {
    const wasClosed = this.isClosed && this.closeReason !== null;
    this.#changed(() => this.#view.close(reason));
    // Nothing that waits for a limit will be taken any more: the server says so at once.
    this.#delivery.sender.hurry();
    if (!wasClosed) this.#emitter.emit('closed', { reason });
  }

  async #onSignal({ from, type, body }: Events['signal:new']): Promise<void> {
    const opened = await this.#ciphering.openSignal(from, type, body);
    // One that cannot be read is lost, as signals may be.
    if (opened.kind === 'ok') this.#emitter.emit('signal', { from, type, body: opened.body });
  }

  #prepare(item: InboxItem): Telling | Promise<Telling> {
    if (item.kind === 'gap') return () => this.#emitter.emit('gap', item.gap);
    const { message } = item;
    if (!this.isEncrypted) return () => this.#hand(message, message.body);
    return this.#ciphering.openMessage(message).then((opened) => () => {
      if (opened.kind === 'ok') this.#hand(message, opened.body);
      else {
        this.#emitter.emit('undecipherable', { message, reason: opened.kind });
        this.#receipts.delivered(message.seq);
      }
    });
  }

  #hand(message: Message, body: JsonValue): void {
    const received = this.#received(message, body);
    this.#emitter.emit('message', received);
    if (!received.isOwn) this.#receipts.delivered(message.seq);
  }

  #received(message: Message, body: JsonValue): api.ReceivedMessage {
    return { ...message, body, isOwn: message.from === this.participantId };
  }

  #giveUp(id: string, error: TandemError, reason?: unknown): void {
    const { outbox } = this.#delivery;
    const entry: OutboxEntry | undefined = outbox.queue.find((queued) => queued.id === id);
    if (entry !== undefined) outbox.fail(entry, error, reason);
  }

  async #command<C extends CommandName>(
    command: C,
    payload: CommandPayload<C>,
    signal: AbortSignal | undefined,
  ): Promise<CommandResult<C>> {
    signal?.throwIfAborted();
    if (this.#end !== null) throw this.#noSeat();
    return resultOf(await abortable(this.#parts.connection.request(command, payload), signal));
  }

  #noSeat(): TandemError {
    return new TandemError('NOT_IN_SESSION', `The seat has ended: ${this.#end?.reason}.`);
  }

  #setInfo(info: Session): void {
    this.#changed(() => this.#view.set(info));
    // Who is there and how it stands is what a reloaded page goes by until the server has answered.
    this.#saveSeat();
  }

  #setIdle(closesAt: string | null): void {
    if (this.#view.closesAt === closesAt) return;
    this.#view.closesAt = closesAt;
    this.#emitter.emit('idle', { closesAt });
  }

  #changed(change: () => void): void {
    change();
    if (!this.#isStoring) {
      this.#isStoring = true;
      this.#stopTimer = this.#parts.clock.after(STORE_INFO_MS, () => this.#saveSeat());
    }
    this.#emitter.emit('changed', undefined);
  }

  #saveSeat(): void {
    this.#stopStoring();
    // The storage is another tab's, or has the next seat, when the answer to an earlier command comes late.
    if (this.#end !== null) return;
    const { id: sessionId, participantId, info } = this;
    const resumeToken = this.#resumeToken;
    const secret = this.#ciphering.secret;
    if (!this.#parts.store.saveSeat({ sessionId, participantId, resumeToken, secret, info })) this.#onUnstored();
  }

  #onUnstored(): void {
    if (this.#isUnstored) return;
    this.#isUnstored = true;
    this.#emitter.emit('unstored', undefined);
  }
}
