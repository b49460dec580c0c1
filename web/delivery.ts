import type { CommandResult } from '../protocol/commands.ts';
import type { Events } from '../protocol/events.ts';
import type { Message } from '../protocol/session.ts';
import { backoffMs } from './backoff.ts';
import type { Connection } from './connection.ts';
import { MessageLog } from './message-log.ts';
import type { Outbox, UnsentMessage } from './outbox.ts';
import { randomId } from './random-id.ts';
import { Sender } from './sender.ts';

/** The part of `resume` that says what this page has. */
export interface Position {
  epoch: number;
  lastSeq: number;
  lastId?: string;
  durableSeq: number;
}

export interface DeliveryEvents {
  /** What is shown or stored has changed. */
  changed: () => void;
  /** The store lost or changed messages that this page had seen. */
  rolledBack: (dropped: readonly Message[]) => void;
}

/** A message that is on its way needs no help; only after this does a hole count as one. */
const HOLE_PATIENCE_MS = 800;
const PAGE_LIMIT = 200;
/** Messages kept in the page. */
const LOG_CAPACITY = 2_000;

/**
 * The messages of one seat, both ways: what is written here is stored once and in order, what the others write is shown
 * once and in order, across lost connections and a store that lost its tail.
 */
export class Delivery {
  readonly log = new MessageLog();
  epoch: number;
  /** Whether messages older than those in the log were dropped from the page. */
  hasForgotten = false;

  private readonly seat: { readonly sessionId: string; readonly participantId: string };
  private readonly requests: Pick<Connection, 'request' | 'restart'>;
  private readonly events: DeliveryEvents;
  private readonly sender: Sender;
  private durableSeq = 0;
  /** The connection has this seat: what is asked on it is answered. */
  private isLive = false;
  /** What the last handshake said that this page has. */
  private told: Position | null = null;
  /** Own messages that a rollback took away, until it is known which of them the store still has. */
  private suspects: Message[] | null = null;
  private isHealing = false;
  private healRound = 0;
  private healAttempts = 0;
  private healTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    seat: { sessionId: string; participantId: string; epoch: number },
    requests: Pick<Connection, 'request' | 'restart'>,
    events: DeliveryEvents,
  ) {
    this.seat = seat;
    this.epoch = seat.epoch;
    this.requests = requests;
    this.events = events;
    this.sender = new Sender(requests, {
      changed: events.changed,
      stored: (message, answer) => this.onStored(message, answer),
    });
  }

  get outbox(): Outbox {
    return this.sender.outbox;
  }

  /** For the next handshake. A page that was reloaded has nothing, and says so with `lastSeq` 0. */
  position(): Position {
    const { lastSeq, lastId } = this.log;
    this.told = {
      epoch: this.epoch,
      lastSeq,
      durableSeq: this.durableSeq,
      ...(lastId === undefined ? {} : { lastId }),
    };
    return this.told;
  }

  send(body: string): void {
    this.outbox.add({ id: randomId(22), type: 'text', body });
    this.events.changed();
    this.sender.pump();
  }

  /** The writer gives a message up that was refused for good. */
  discard(id: string): void {
    this.outbox.remove(id);
    this.events.changed();
  }

  receive(message: Message): void {
    this.take([message]);
    this.watchForHoles();
  }

  /** The seat was taken on this connection by create or join. */
  opened(session: { lastSeq: number; durableSeq: number; epoch: number }, visibleAfterSeq: number): void {
    this.log.startAfter(visibleAfterSeq);
    this.isLive = true;
    this.headSeen(session);
    this.catchUpDone();
  }

  resumed(event: Events['session:resumed'], visibleAfterSeq: number): void {
    // The server tells again what follows the position of the resume; above its own head there is nothing any more.
    if (event.reset) {
      this.rollBack(Math.min(this.told?.durableSeq ?? 0, this.told?.lastSeq ?? 0, event.session.lastSeq));
    }
    this.epoch = event.session.epoch;
    this.log.startAfter(visibleAfterSeq);
    if (event.gap !== null) this.log.noteGap(event.gap);
    this.take(event.messages);
    this.isLive = true;
    this.headSeen(event.session);
    // Which own messages the store has lost is known only when nothing is missing here any more.
    if (this.suspects === null || !(event.hasMore || this.log.isBehind)) this.catchUpDone();
    if (event.hasMore || this.suspects !== null) void this.heal();
  }

  /** Something said how far the session is. */
  headSeen(head: { epoch: number; lastSeq: number; durableSeq: number }): void {
    if (!this.isLive || !this.isSameEpoch(head.epoch)) return;
    this.durableSeq = Math.max(this.durableSeq, head.durableSeq);
    this.log.noteHead(head.lastSeq);
    this.watchForHoles();
  }

  /** The connection is gone. Also ends all that is under way. */
  interrupted(): void {
    this.isLive = false;
    this.sender.pause();
    this.isHealing = false;
    this.healRound += 1;
    clearTimeout(this.healTimer);
    this.healTimer = undefined;
  }

  private catchUpDone(): void {
    const lost = (this.suspects ?? []).filter(({ from, id }) => !this.log.has(from, id));
    this.outbox.putBack(lost.map(({ id, type, body }): UnsentMessage => ({ id, type, body })));
    this.suspects = null;
    this.watchForHoles();
    this.events.changed();
    this.sender.run();
  }

  private isSameEpoch(epoch: number): boolean {
    // The hot state was rebuilt behind this connection: a resume tells what became of the messages.
    if (epoch > this.epoch) this.requests.restart();
    return epoch === this.epoch;
  }

  private onStored({ id, type, body }: UnsentMessage, stored: CommandResult<'message:send'>): boolean {
    // A seq of an epoch that this page does not know yet says nothing here; after the resume the repeated send does.
    if (!this.isSameEpoch(stored.epoch)) return false;
    this.durableSeq = Math.max(this.durableSeq, stored.durableSeq);
    const { sessionId, participantId } = this.seat;
    this.take([{ id, type, body, seq: stored.seq, sessionId, from: participantId, sentAt: stored.sentAt }]);
    this.watchForHoles();
    return true;
  }

  private take(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.sessionId !== this.seat.sessionId) continue;
      this.log.add(message);
      if (message.from === this.seat.participantId) this.outbox.remove(message.id);
    }
    if (this.log.keepNewest(LOG_CAPACITY, this.durableSeq)) this.hasForgotten = true;
    this.events.changed();
  }

  private rollBack(seq: number): void {
    const dropped = this.log.rewind(seq);
    const own = dropped.filter(({ from }) => from === this.seat.participantId);
    this.suspects = [...(this.suspects ?? []), ...own];
    this.durableSeq = Math.min(this.durableSeq, seq);
    // Nothing newer may overtake what has to be sent again.
    this.sender.pause();
    this.events.rolledBack(dropped);
  }

  private watchForHoles(): void {
    if (!this.isLive || this.isHealing || this.healTimer !== undefined || !this.log.isBehind) return;
    this.healIn(HOLE_PATIENCE_MS + (this.healAttempts === 0 ? 0 : backoffMs(this.healAttempts)));
  }

  private healIn(delayMs: number): void {
    clearTimeout(this.healTimer);
    this.healTimer = setTimeout(() => {
      this.healTimer = undefined;
      if (this.log.isBehind || this.suspects !== null) void this.heal();
    }, delayMs);
  }

  /** Fetches what is missing, page after page. */
  private async heal(): Promise<void> {
    if (this.isHealing) return;
    this.isHealing = true;
    const round = this.healRound;
    const afterSeq = this.log.lastSeq;
    const outcome = await this.requests.request('message:history', { afterSeq, limit: PAGE_LIMIT });
    // Interrupted meanwhile: the resume takes over.
    if (round !== this.healRound) return;
    this.isHealing = false;
    if (outcome.kind !== 'ok') {
      this.healLater(outcome.kind === 'refused' ? outcome.error.retryAfterMs : 0);
      return;
    }
    const { messages, hasMore, lastSeq, epoch } = outcome.result;
    if (!this.isSameEpoch(epoch)) return;
    this.log.addPage(afterSeq, messages, hasMore ? (messages.at(-1)?.seq ?? afterSeq) : lastSeq);
    this.take(messages);
    const isStuck = this.log.lastSeq === afterSeq;
    this.healAttempts = isStuck ? this.healAttempts + 1 : 0;
    if (!hasMore) this.catchUpDone();
    else if (isStuck) this.healLater(0);
    else void this.heal();
  }

  private healLater(askedMs: number | undefined): void {
    this.healAttempts += 1;
    this.healIn(backoffMs(this.healAttempts, askedMs));
  }
}
