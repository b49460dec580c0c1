import type { CommandResult } from '../protocol/commands.ts';
import type { Events } from '../protocol/events.ts';
import type { Message, Session } from '../protocol/session.ts';
import { backoffMs } from './backoff.ts';
import { CatchUp } from './catch-up.ts';
import type { Clock } from './clock.ts';
import type { Connection } from './connection.ts';
import { Inbox } from './inbox.ts';
import type { InboxItem, Position } from './inbox.ts';
import { Outbox } from './outbox.ts';
import type { OutboxEntry, OutboxHandlers } from './outbox.ts';
import type { SeatStore, StoredMessage } from './seat-store.ts';
import { Sender } from './sender.ts';
import type { SenderHandlers } from './sender.ts';
import type { QueueBounds } from './types.ts';

/** Tells the application of one item. */
export type Telling = () => void;

export interface DeliveryHandlers extends OutboxHandlers {
  seal: SenderHandlers['seal'];
  /** Whether somebody is there to be told. */
  isHeard: () => boolean;
  /** Makes an item ready to be told: at once, or after it was decrypted. */
  prepare: (item: InboxItem) => Telling | Promise<Telling>;
  reset: (afterSeq: number) => void;
}

export interface DeliveryParts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly requests: Pick<Connection, 'request' | 'restart'>;
  readonly store: SeatStore;
  readonly bounds: QueueBounds | undefined;
}

/** A message that is on its way needs no help; only after this does a hole count as one. */
const HOLE_PATIENCE_MS = 500;

/**
 * The messages of one seat, both ways: what is sent here is stored once and in order, what the session holds is handed
 * out once and in order, across lost connections and a store that lost its tail.
 *
 * The queue runs only while everything that the server has is known. So a message whose answer was lost is found in the
 * sequence before it is repeated, and is not doubled even when the server has forgotten its id.
 */
export class Delivery {
  readonly outbox: Outbox;
  readonly sender: Sender;

  readonly #seat: { readonly sessionId: string; readonly participantId: string };
  readonly #parts: DeliveryParts;
  readonly #handlers: DeliveryHandlers;
  readonly #inbox: Inbox;
  readonly #catchUp: CatchUp;
  /** The connection has this seat: what is asked on it is answered. */
  #isLive = false;
  #isHandingOut = false;
  #isStopped = false;
  /** What the last handshake said. */
  #told: Position;
  /** Highest seq that came before the handshake was answered. */
  #earlySeq = 0;
  /** Own messages that a rollback took away, or may have, until it is known which of them the store still has. */
  #doubted: OutboxEntry[] = [];
  #holes = 0;
  #stopTimer: () => void = () => undefined;
  #isWatching = false;

  constructor(
    seat: { sessionId: string; participantId: string },
    position: Position,
    parts: DeliveryParts,
    handlers: DeliveryHandlers,
  ) {
    this.#seat = seat;
    this.#parts = parts;
    this.#handlers = handlers;
    this.#inbox = new Inbox(position);
    this.#told = { ...position };
    this.outbox = new Outbox(parts.store, parts.bounds, parts.clock, handlers);
    this.sender = new Sender(this.outbox, parts.requests, parts, {
      changed: handlers.changed,
      seal: handlers.seal,
      stored: (entry, answer) => this.#onStored(entry, answer),
    });
    this.#catchUp = new CatchUp(parts.requests, parts, {
      page: (afterSeq, answer, upToSeq) => this.#onPage(afterSeq, answer, upToSeq),
      done: () => this.#onCaughtUp(),
    });
  }

  get position(): Readonly<Position> {
    return this.#inbox.position;
  }

  restore(messages: readonly { order: number; message: StoredMessage }[]): void {
    this.outbox.restore(messages);
  }

  /** For the next handshake. */
  resume(): Position {
    this.#told = { ...this.#inbox.position };
    this.#earlySeq = 0;
    return this.#told;
  }

  /** The seat was taken on this connection by create or join. */
  opened(session: Session): void {
    this.#isLive = true;
    this.headSeen(session);
    if (this.#inbox.isBehind) this.#catchUp.start(this.#inbox.settled);
    else this.#onCaughtUp();
  }

  resumed(event: Events['session:resumed'], visibleAfterSeq: number): void {
    // A copy of the answer: it says what was so at the handshake.
    if (this.#isLive) return;
    const { session, gap, messages } = event;
    // The server tells again what follows the position of the resume; above its own head there is nothing any more.
    if (event.reset)
      this.#rollBack(Math.min(this.#told.durableSeq, this.#told.lastSeq, session.lastSeq), session.epoch);
    else if (session.lastSeq < this.#inbox.position.lastSeq) {
      // Handed out since the handshake, and the store does not have it: the next handshake says so.
      this.#parts.requests.restart();
      return;
    } else this.#forgetUntold();
    this.#inbox.skipTo(visibleAfterSeq);
    if (gap !== null) this.#inbox.noteGap(gap);
    this.#isLive = true;
    // What does not fit is the next resume's, and until then nothing is sent.
    if (!this.#take(messages)) return;
    this.headSeen(session);
    this.#inbox.noteHead(this.#earlySeq);
    if (event.hasMore) this.#catchUp.start(messages.at(-1)?.seq ?? this.#inbox.settled);
    else if (this.#inbox.isBehind) this.#catchUp.start(this.#inbox.settled);
    else this.#onCaughtUp();
  }

  receive(message: Message): void {
    // Under which numbering it stands only the answer tells; then it is read from the history.
    if (!this.#isLive) this.#earlySeq = Math.max(this.#earlySeq, message.seq);
    else this.#take([message]);
  }

  /** Something said how far the session is. */
  headSeen({ epoch, lastSeq, durableSeq }: { epoch: number; lastSeq: number; durableSeq: number }): void {
    if (!this.#isLive || !this.#isSameEpoch(epoch)) return;
    this.#inbox.noteHead(lastSeq);
    this.#noteDurable(durableSeq);
    this.#watchForHoles();
  }

  /** Somebody listens now. */
  heard(): void {
    void this.#handOut();
  }

  /** The connection is gone. Also ends all that is under way. */
  interrupted(): void {
    this.#isLive = false;
    this.sender.pause();
    this.#catchUp.stop();
    this.#stopWatching();
  }

  /** Ends for good: hands nothing out any more, and gives nothing up by itself. */
  stop(): void {
    this.#isStopped = true;
    this.interrupted();
    this.outbox.stop();
  }

  #onCaughtUp(): void {
    this.outbox.putBack(this.#doubted);
    this.#doubted = [];
    // While it runs, one message is on its way, and the history may have been read before it came in.
    if (!this.sender.isRunning) this.outbox.makeCertain();
    this.#watchForHoles();
    this.sender.run();
  }

  #isSameEpoch(epoch: number): boolean {
    // The hot state was rebuilt behind this connection: a resume tells what became of the messages.
    if (epoch > this.#inbox.position.epoch) this.#parts.requests.restart();
    return epoch === this.#inbox.position.epoch;
  }

  #onStored(
    { id, type, body, sealed }: OutboxEntry,
    { seq, sentAt, epoch, durableSeq, duplicate }: CommandResult<'message:send'>,
  ): boolean {
    // A seq of an epoch that is not known yet says nothing here; after the resume the repeated send does.
    if (!this.#isSameEpoch(epoch)) return false;
    const { sessionId, participantId } = this.#seat;
    const message = { id, seq, sessionId, from: participantId, type, body: sealed ?? body, sentAt };
    this.#inbox.noteDurable(durableSeq);
    this.#take([message], duplicate);
    this.#noteDurable(durableSeq);
    return true;
  }

  #onPage(afterSeq: number, answer: CommandResult<'message:history'>, upToSeq: number): boolean {
    if (!this.#isSameEpoch(answer.epoch)) return false;
    // Fewer than were read before: the store has lost its tail. The resume finds out where.
    if (answer.lastSeq < afterSeq) {
      this.#parts.requests.restart();
      return false;
    }
    const messages = answer.messages.filter(({ sessionId }) => sessionId === this.#seat.sessionId);
    for (const message of messages) this.#settleOwn(message, false);
    const isSame = this.#inbox.addPage(afterSeq, messages, upToSeq);
    this.#inbox.noteHead(answer.lastSeq);
    this.#noteDurable(answer.durableSeq);
    if (isSame) void this.#handOut();
    else this.#parts.requests.restart();
    return isSame;
  }

  /** False when they do not fit what is known; then the connection is on its way to another resume. */
  #take(messages: readonly Message[], isDuplicate = false): boolean {
    for (const message of messages) {
      if (message.sessionId !== this.#seat.sessionId) continue;
      this.#settleOwn(message, isDuplicate);
      // Another message under a seq that was handed out, or is held.
      if (!this.#inbox.add(message)) {
        this.#parts.requests.restart();
        return false;
      }
    }
    void this.#handOut();
    return true;
  }

  #settleOwn({ id, from, seq, sentAt }: Message, duplicate: boolean): void {
    if (from !== this.#seat.participantId) return;
    const { durableSeq } = this.#inbox.position;
    this.outbox.settle({ id, seq, sentAt, duplicate }, durableSeq);
    const again = this.#doubted.find((entry) => entry.id === id);
    if (again === undefined) return;
    this.#doubted = this.#doubted.filter((entry) => entry !== again);
    again.seq = seq;
    this.outbox.keep(again, durableSeq);
  }

  #noteDurable(durableSeq: number): void {
    this.#inbox.noteDurable(durableSeq);
    this.outbox.release(this.#inbox.position.durableSeq);
  }

  #rollBack(seq: number, epoch: number): void {
    const wasAhead = this.#inbox.position.lastSeq > 0;
    // Nothing newer may overtake what has to be sent again.
    this.sender.pause();
    this.#inbox.rewind(seq, epoch);
    this.#doubted = [...this.#doubted, ...this.outbox.doubt(seq)];
    this.#savePosition();
    if (wasAhead) this.#handlers.reset(seq);
  }

  /**
   * A store that lost its tail keeps its epoch when the server does not notice, and the handshake vouches only for what
   * was handed out. What lies above that counts as unknown until the server has told it again.
   */
  #forgetUntold(): void {
    const { lastSeq, epoch } = this.#inbox.position;
    this.#inbox.rewind(lastSeq, epoch);
    this.#doubted = [...this.#doubted, ...this.outbox.doubt(lastSeq)];
  }

  /** Hands out what is due, one item after another; an item that is void when it is ready is not told. */
  async #handOut(): Promise<void> {
    if (this.#isHandingOut) return;
    this.#isHandingOut = true;
    try {
      for (let item = this.#next(); item !== null; item = this.#next()) {
        const prepared = this.#handlers.prepare(item);
        const tell = typeof prepared === 'function' ? prepared : await prepared;
        const current = this.#next();
        if (current === null || !isSameItem(current, item)) continue;
        this.#inbox.take(item);
        tell();
        this.#savePosition();
      }
    } finally {
      this.#isHandingOut = false;
    }
    this.#watchForHoles();
  }

  #next(): InboxItem | null {
    return !this.#isStopped && this.#handlers.isHeard() ? this.#inbox.peek() : null;
  }

  #savePosition(): void {
    // The storage may have the next seat already.
    if (!this.#isStopped && !this.#parts.store.savePosition(this.#inbox.position)) this.#handlers.unstored();
  }

  #watchForHoles(): void {
    if (!this.#inbox.isBehind) this.#holes = 0;
    else if (this.#isLive && !this.#catchUp.isRunning && !this.#isWatching && this.#inbox.hasRoom) this.#watch();
  }

  #watch(): void {
    const { clock, random } = this.#parts;
    const patienceMs = HOLE_PATIENCE_MS + (this.#holes === 0 ? 0 : backoffMs(this.#holes, 0, random));
    this.#isWatching = true;
    this.#stopTimer = clock.after(patienceMs, () => {
      this.#isWatching = false;
      if (!this.#inbox.isBehind || this.#catchUp.isRunning) return;
      this.#holes += 1;
      this.#catchUp.start(this.#inbox.settled);
    });
  }

  #stopWatching(): void {
    this.#isWatching = false;
    this.#stopTimer();
  }
}

function isSameItem(a: InboxItem, b: InboxItem): boolean {
  if (a.kind === 'message') return b.kind === 'message' && a.message === b.message;
  return b.kind === 'gap' && a.gap.fromSeq === b.gap.fromSeq && a.gap.toSeq === b.gap.toSeq;
}
