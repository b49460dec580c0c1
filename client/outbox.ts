import { TandemError } from '../protocol/errors.ts';
import type { JsonValue } from '../protocol/session.ts';
import type { Clock } from './clock.ts';
import type { SeatStore, StoredMessage } from './seat-store.ts';
import type { QueueBounds, QueueState, SentMessage } from './types.ts';

/** A message of this participant that is not settled yet, or not yet durable. */
export interface OutboxEntry {
  readonly order: number;
  readonly id: string;
  readonly type: string;
  readonly body: JsonValue;
  /** What goes over the wire instead of `body` in an encrypted session; the same at each repetition. */
  sealed: JsonValue | undefined;
  readonly bytes: number;
  readonly writtenAt: number;
  /** On the monotonic clock; earlier than now also for one that was written before a reload. */
  readonly since: number;
  state: QueueState;
  /** Attempts without a settling answer, one after another. */
  attempts: number;
  /** On the monotonic clock: not to be sent before. */
  notBefore: number;
  /** The server may have stored it: only its answer, or the whole sequence after the attempt, tells. */
  isUncertain: boolean;
  /** Set as soon as it is acknowledged. */
  seq: number | null;
}

export interface OutboxHandlers {
  changed: () => void;
  sent: (message: SentMessage) => void;
  failed: (entry: OutboxEntry, error: TandemError) => void;
  /** Something could not be stored. */
  unstored: () => void;
}

interface Waiter {
  resolve: (message: SentMessage) => void;
  reject: (reason: unknown) => void;
}

const DEFAULT_BOUNDS: Required<QueueBounds> = {
  maxMessages: 1_000,
  maxBytes: 2 * 1024 * 1024,
  maxAgeMs: 24 * 60 * 60 * 1000,
};

/**
 * What this participant has sent: first the queue of what the server has not acknowledged, in the order of writing, then
 * what it has, until that is durable: if the store loses it, only this device still holds it.
 */
export class Outbox {
  #order = 0;
  #queued: OutboxEntry[] = [];
  #kept: OutboxEntry[] = [];
  readonly #waiters = new Map<string, Waiter[]>();
  readonly #store: SeatStore;
  readonly #bounds: Required<QueueBounds>;
  readonly #clock: Clock;
  readonly #handlers: OutboxHandlers;
  #stopTimer: () => void = () => undefined;

  constructor(store: SeatStore, bounds: QueueBounds | undefined, clock: Clock, handlers: OutboxHandlers) {
    this.#store = store;
    this.#bounds = { ...DEFAULT_BOUNDS, ...bounds };
    this.#clock = clock;
    this.#handlers = handlers;
  }

  get queue(): readonly OutboxEntry[] {
    return this.#queued;
  }

  /** What was stored before a reload. Whether the server has got it is not known. */
  restore(messages: readonly { order: number; message: StoredMessage }[]): void {
    for (const { order, message } of messages) {
      const entry = this.#entryOf(order, message);
      this.#order = Math.max(this.#order, order);
      (entry.seq === null ? this.#queued : this.#kept).push(entry);
    }
    this.#watchAge();
  }

  /** Queues a message at the end; the same id with the same content joins the one that is queued. */
  add(message: { id: string; type: string; body: JsonValue }): Promise<SentMessage> {
    const text = JSON.stringify(message.body);
    const same = this.#queued.find(({ id }) => id === message.id);
    if (same !== undefined && (same.type !== message.type || JSON.stringify(same.body) !== text)) {
      return Promise.reject(new TandemError('ID_REUSED', `The message ${message.id} is queued with other content.`));
    }
    if (same === undefined) {
      const entry = this.#entryOf(this.#order + 1, { ...message, writtenAt: this.#clock.now() });
      const fault = this.#faultOf(entry.bytes);
      if (fault !== null) return Promise.reject(fault);
      this.#order = entry.order;
      entry.isUncertain = false;
      this.#queued.push(entry);
      this.save(entry);
      this.#watchAge();
      this.#handlers.changed();
    }
    return new Promise((resolve, reject) => {
      this.#waiters.set(message.id, [...(this.#waiters.get(message.id) ?? []), { resolve, reject }]);
    });
  }

  /** To be called when something of an entry that must survive a reload has changed. */
  save(entry: OutboxEntry): void {
    const { id, type, body, sealed, writtenAt, seq } = entry;
    const isStored = this.#store.putMessage(entry.order, {
      id,
      type,
      body,
      writtenAt,
      ...(sealed === undefined ? {} : { sealed }),
      ...(seq === null ? {} : { seq }),
    });
    if (!isStored) this.#handlers.unstored();
  }

  /** The message with this id is stored on the server; true when it was one of the queue. */
  settle(sent: SentMessage, durableSeq: number): boolean {
    const entry = this.#queued.find(({ id }) => id === sent.id);
    if (entry === undefined) return false;
    this.#queued = this.#queued.filter((other) => other !== entry);
    entry.seq = sent.seq;
    this.keep(entry, durableSeq);
    this.#handlers.sent(sent);
    for (const { resolve } of this.#claimWaiters(entry.id)) resolve(sent);
    this.#watchAge();
    this.#handlers.changed();
    return true;
  }

  /** Everything up to here is safe on the server. */
  release(durableSeq: number): void {
    for (const entry of this.#kept)
      if ((entry.seq ?? 0) <= durableSeq) this.#store.removeMessage(entry.order, entry.id);
    this.#kept = this.#kept.filter(({ seq }) => (seq ?? 0) > durableSeq);
  }

  /** The store may have lost what is above `seq`, and has, so far as it does not turn up again: these are in doubt. */
  doubt(seq: number): OutboxEntry[] {
    const doubted = this.#kept.filter((entry) => (entry.seq ?? 0) > seq);
    this.#kept = this.#kept.filter((entry) => !doubted.includes(entry));
    // A page that dies before it is known finds them in its queue: under the new numbering their seq says nothing.
    for (const entry of doubted) this.save({ ...entry, seq: null });
    return doubted;
  }

  /** A message in doubt has turned up again under this seq. */
  keep(entry: OutboxEntry, durableSeq: number): void {
    if ((entry.seq ?? 0) <= durableSeq) {
      this.#store.removeMessage(entry.order, entry.id);
      return;
    }
    this.#kept.push(entry);
    this.save(entry);
    // As much again as may be queued: the archive is behind for long, and the oldest are the likeliest to be safe.
    while (this.#kept.length > this.#bounds.maxMessages || bytesOf(this.#kept) > this.#bounds.maxBytes) {
      const oldest = this.#kept.shift();
      if (oldest !== undefined) this.#store.removeMessage(oldest.order, oldest.id);
    }
  }

  /** Puts messages that the server lost back in front of everything, in the order that they had. */
  putBack(entries: readonly OutboxEntry[]): void {
    if (entries.length === 0) return;
    const lost = [...entries].sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0));
    for (const entry of lost) Object.assign(entry, { seq: null, state: { kind: 'waiting' }, notBefore: 0 });
    this.#queued = [...lost, ...this.#queued];
    this.#handlers.changed();
  }

  /** The whole sequence was seen: what is still queued is not stored. */
  makeCertain(): void {
    for (const entry of this.#queued) entry.isUncertain = false;
    this.dropOld();
  }

  /** Gives a message up. */
  fail(entry: OutboxEntry, error: TandemError, reason: unknown = error): void {
    if (!this.#queued.includes(entry)) return;
    this.#queued = this.#queued.filter((other) => other !== entry);
    this.#store.removeMessage(entry.order, entry.id);
    this.#handlers.failed(entry, error);
    for (const { reject } of this.#claimWaiters(entry.id)) reject(reason);
    this.#watchAge();
    this.#handlers.changed();
  }

  failAll(error: TandemError): void {
    for (const entry of [...this.#queued]) this.fail(entry, error);
  }

  stop(): void {
    this.#stopTimer();
  }

  /** Gives up what has waited too long, as far as it is certain that the server does not have it. */
  dropOld(): void {
    for (const entry of [...this.#queued]) {
      if (entry.isUncertain || this.#ageOf(entry) < this.#bounds.maxAgeMs) continue;
      const text = `Not sent within ${this.#bounds.maxAgeMs} ms.`;
      this.fail(entry, new TandemError('UNAVAILABLE', text));
    }
    this.#watchAge();
  }

  #watchAge(): void {
    this.#stopTimer();
    const waiting = this.#queued.filter(({ isUncertain }) => !isUncertain);
    if (waiting.length === 0) return;
    const oldest = Math.max(...waiting.map((entry) => this.#ageOf(entry)));
    this.#stopTimer = this.#clock.after(Math.max(1, this.#bounds.maxAgeMs - oldest), () => this.dropOld());
  }

  #ageOf({ since }: OutboxEntry): number {
    return this.#clock.monotonic() - since;
  }

  #faultOf(bytes: number): TandemError | null {
    const { maxMessages, maxBytes } = this.#bounds;
    if (this.#queued.length < maxMessages && bytesOf(this.#queued) + bytes <= maxBytes) return null;
    const text = `The queue is full (${maxMessages} messages, ${maxBytes} bytes): send again later.`;
    return new TandemError('UNAVAILABLE', text);
  }

  #entryOf(order: number, { id, type, body, sealed, writtenAt, seq }: StoredMessage): OutboxEntry {
    // A clock that was set back meanwhile makes a message young, not one from the future.
    const ageMs = Math.max(0, this.#clock.now() - writtenAt);
    return {
      order,
      id,
      type,
      body,
      sealed,
      bytes: jsonBytes(body),
      writtenAt,
      since: this.#clock.monotonic() - ageMs,
      state: { kind: 'waiting' },
      attempts: 0,
      notBefore: 0,
      isUncertain: true,
      seq: seq ?? null,
    };
  }

  #claimWaiters(id: string): Waiter[] {
    const waiters = this.#waiters.get(id) ?? [];
    this.#waiters.delete(id);
    return waiters;
  }
}

/** Bytes of the value as UTF-8 JSON. */
export function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}

function bytesOf(entries: readonly OutboxEntry[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes, 0);
}
