import type { CommandResult } from '../protocol/commands.ts';
import { TandemError } from '../protocol/errors.ts';
import type { JsonValue } from '../protocol/session.ts';
import { backoffMs } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Connection } from './connection.ts';
import type { Outbox, OutboxEntry } from './outbox.ts';

export interface SenderHandlers {
  changed: () => void;
  /** Encrypts a body; null in a session that is not encrypted. */
  seal: ((entry: OutboxEntry) => Promise<JsonValue>) | null;
  /** The server has stored it; false when the answer cannot be used, and the message must be repeated. */
  stored: (entry: OutboxEntry, answer: CommandResult<'message:send'>) => boolean;
}

/**
 * Empties the queue while it runs: one message at a time, each repeated under its id until an answer settles it. So the
 * messages of this participant are numbered in the order in which they were written, and none twice. More than one under
 * way could not promise that: a limit may refuse the first and let the second pass.
 */
export class Sender {
  readonly #outbox: Outbox;
  readonly #requests: Pick<Connection, 'request'>;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #handlers: SenderHandlers;
  isRunning = false;
  #current: OutboxEntry | null = null;
  #stopTimer: () => void = () => undefined;

  constructor(
    outbox: Outbox,
    requests: Pick<Connection, 'request'>,
    parts: { clock: Clock; random: () => number },
    handlers: SenderHandlers,
  ) {
    this.#outbox = outbox;
    this.#requests = requests;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#handlers = handlers;
  }

  /** The connection has the seat, and everything that the server has is known. */
  run(): void {
    this.isRunning = true;
    this.pump();
  }

  /** The connection is gone: what has no answer yet is repeated on the next one. */
  pause(): void {
    this.isRunning = false;
    this.#stopTimer();
    // A new connection is a new chance; what a limit refused has to wait all the same.
    for (const entry of this.#outbox.queue) if (entry.state.kind !== 'limited') entry.notBefore = 0;
  }

  /** No wait is worth it any more. */
  hurry(): void {
    for (const entry of this.#outbox.queue) entry.notBefore = 0;
    this.pump();
  }

  /** There is something to send, or the wait for it is over. */
  pump(): void {
    const [entry] = this.#outbox.queue;
    if (!this.isRunning || this.#current !== null || entry === undefined) return;
    this.#stopTimer();
    const waitMs = entry.notBefore - this.#clock.monotonic();
    if (waitMs > 0) this.#stopTimer = this.#clock.after(waitMs, () => this.pump());
    else void this.#sendOne(entry);
  }

  async #sendOne(entry: OutboxEntry): Promise<void> {
    this.#current = entry;
    try {
      await this.#attempt(entry);
    } catch (cause) {
      // Only the encryption can fail here, and it will not succeed with the same key and body later.
      this.#outbox.fail(entry, new TandemError('INVALID_PAYLOAD', 'The message could not be encrypted.', { cause }));
    } finally {
      this.#current = null;
    }
    this.#handlers.changed();
    this.pump();
  }

  async #attempt(entry: OutboxEntry): Promise<void> {
    if (this.#handlers.seal !== null && entry.sealed === undefined) {
      entry.sealed = await this.#handlers.seal(entry);
      const { queue } = this.#outbox;
      // Discarded while it was encrypted: it must not come back with a reload.
      if (!queue.includes(entry)) return;
      this.#outbox.save(entry);
      // The connection was lost, or older ones were put back in front.
      if (!this.isRunning || queue[0] !== entry) return;
    }
    entry.isUncertain = true;
    entry.state = { kind: entry.attempts === 0 ? 'sending' : 'repeating' };
    this.#handlers.changed();
    const { id, type, body, sealed } = entry;
    const outcome = await this.#requests.request('message:send', { id, type, body: sealed ?? body });
    if (outcome.kind === 'ok') {
      if (!this.#handlers.stored(entry, outcome.result)) this.#repeatLater(entry, null);
    } else if (outcome.kind === 'refused' && !outcome.error.retryable) this.#outbox.fail(entry, outcome.error);
    else this.#repeatLater(entry, outcome.kind === 'refused' ? outcome.error : null);
  }

  #repeatLater(entry: OutboxEntry, error: TandemError | null): void {
    const askedMs = error?.retryAfterMs ?? 0;
    if (error?.code === 'RATE_LIMITED') {
      // Refused before anything was done, so the wait is exact and its number says nothing about trouble.
      const delayMs = askedMs > 0 ? askedMs : backoffMs(1, 0, this.#random);
      entry.isUncertain = false;
      entry.state = { kind: 'limited', error, retryAt: this.#clock.now() + delayMs };
      entry.notBefore = this.#clock.monotonic() + delayMs;
      return;
    }
    entry.attempts += 1;
    entry.state = { kind: 'repeating' };
    // As in `pause`: the answer of an attempt that a lost connection took along comes after it.
    entry.notBefore = this.isRunning ? this.#clock.monotonic() + backoffMs(entry.attempts, askedMs, this.#random) : 0;
  }
}
