import type { CommandResult } from '../protocol/commands.ts';
import type { WireError } from '../protocol/errors.ts';
import { backoffMs } from './backoff.ts';
import type { Connection } from './connection.ts';
import type { OutboxEntry, UnsentMessage } from './outbox.ts';
import { Outbox } from './outbox.ts';

export interface SenderEvents {
  changed: () => void;
  /** The server has stored it; false when the answer cannot be used, and the message must be repeated. */
  stored: (message: UnsentMessage, answer: CommandResult<'message:send'>) => boolean;
}

/**
 * Empties the outbox while it runs: one message at a time, each repeated under its id until an answer settles it. So the
 * messages of this page are numbered in the order in which they were written, and none twice.
 */
export class Sender {
  readonly outbox = new Outbox();

  private readonly requests: Pick<Connection, 'request'>;
  private readonly events: SenderEvents;
  private isRunning = false;
  private isSending = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(requests: Pick<Connection, 'request'>, events: SenderEvents) {
    this.requests = requests;
    this.events = events;
  }

  /** The connection has the seat. */
  run(): void {
    this.isRunning = true;
    this.pump();
  }

  /** The connection is gone: what has no answer yet is repeated on the next one. */
  pause(): void {
    this.isRunning = false;
    clearTimeout(this.timer);
    // A new connection is a new chance; what a limit refused has to wait all the same.
    for (const entry of this.outbox.entries) if (entry.state.kind !== 'limited') entry.notBefore = 0;
  }

  /** There is something to send, or the wait for it is over. */
  pump(): void {
    const entry = this.outbox.next;
    if (!this.isRunning || this.isSending || entry === undefined) return;
    clearTimeout(this.timer);
    const waitMs = entry.notBefore - Date.now();
    if (waitMs > 0) this.timer = setTimeout(() => this.pump(), waitMs);
    else void this.sendOne(entry);
  }

  private async sendOne(entry: OutboxEntry): Promise<void> {
    const { id, type, body } = entry;
    this.isSending = true;
    entry.state = entry.attempts === 0 ? { kind: 'sending' } : { kind: 'repeating' };
    this.events.changed();
    const outcome = await this.requests.request('message:send', { id, type, body });
    this.isSending = false;
    if (outcome.kind === 'ok') {
      if (this.events.stored(entry, outcome.result)) this.outbox.remove(id);
      else repeatLater(entry, null);
    } else if (outcome.kind === 'refused' && !outcome.error.retryable) {
      entry.state = { kind: 'failed', error: outcome.error };
    } else {
      repeatLater(entry, outcome.kind === 'refused' ? outcome.error : null);
    }
    this.events.changed();
    this.pump();
  }
}

function repeatLater(entry: OutboxEntry, error: WireError | null): void {
  entry.attempts += 1;
  const isLimited = error?.code === 'RATE_LIMITED';
  entry.state = isLimited ? { kind: 'limited', error } : { kind: 'repeating' };
  const delayMs = isLimited ? (error.retryAfterMs ?? 1_000) : backoffMs(entry.attempts, error?.retryAfterMs);
  entry.notBefore = Date.now() + delayMs;
}
