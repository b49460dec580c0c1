import { backoffMs } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Connection } from './connection.ts';

export interface Receipt {
  delivered: number;
  read: number;
}

/** Shortest time between two reports: what happens within is reported together, since receipts are cumulative. */
const PAUSE_MS = 200;

/** Tells the server how far messages were handed out and read; the newest state only, one report at a time. */
export class Receipts {
  readonly #requests: Pick<Connection, 'request'>;
  readonly #clock: Clock;
  readonly #random: () => number;
  #wanted: Receipt = { delivered: 0, read: 0 };
  #told: Receipt = { delivered: 0, read: 0 };
  #isRunning = false;
  #isBusy = false;
  #attempts = 0;
  #stopTimer: () => void = () => undefined;

  constructor(requests: Pick<Connection, 'request'>, parts: { clock: Clock; random: () => number }) {
    this.#requests = requests;
    this.#clock = parts.clock;
    this.#random = parts.random;
  }

  delivered(seq: number): void {
    this.#wanted.delivered = Math.max(this.#wanted.delivered, seq);
    this.#pump();
  }

  read(seq: number): void {
    this.#wanted.read = Math.max(this.#wanted.read, seq);
    this.delivered(seq);
  }

  /** The connection has the seat; `told` is what the server knows. */
  run(told: Receipt): void {
    this.#told = { ...told };
    this.#isRunning = true;
    this.#pump();
  }

  pause(): void {
    this.#isRunning = false;
    this.#isBusy = false;
    this.#stopTimer();
  }

  /** Messages above `seq` do not exist any more, so they cannot be reported either. */
  rewind(seq: number): void {
    this.#wanted = { delivered: Math.min(this.#wanted.delivered, seq), read: Math.min(this.#wanted.read, seq) };
  }

  #pump(): void {
    const wanted = this.#wanted;
    const told = this.#told;
    const isNew = wanted.delivered > told.delivered || wanted.read > told.read;
    if (this.#isRunning && !this.#isBusy && isNew) void this.#report({ ...wanted });
  }

  async #report(receipt: Receipt): Promise<void> {
    this.#isBusy = true;
    const { read } = receipt;
    const payload = read > this.#told.read ? receipt : { delivered: receipt.delivered };
    const outcome = await this.#requests.request('message:receipt', payload);
    if (!this.#isRunning) return;
    const isRetried = outcome.kind === 'lost' || (outcome.kind === 'refused' && outcome.error.retryable);
    this.#attempts = isRetried ? this.#attempts + 1 : 0;
    // Refused for good (the session has closed): the same report would be refused again.
    if (!isRetried) this.#told = receipt;
    const askedMs = outcome.kind === 'refused' ? outcome.error.retryAfterMs : undefined;
    this.#stopTimer = this.#clock.after(isRetried ? backoffMs(this.#attempts, askedMs, this.#random) : PAUSE_MS, () => {
      this.#isBusy = false;
      this.#pump();
    });
  }
}
