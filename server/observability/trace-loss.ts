import type { Logger } from './logger.ts';

const EVERY_MS = 60_000;

/** Told of spans that did not reach the collector, it writes one line a minute: an outage of the collector is no flood. */
export class TraceLoss {
  readonly #logger: Pick<Logger, 'warn'>;
  readonly #now: () => number;
  #toldAt = Number.NEGATIVE_INFINITY;
  #count = 0;
  #reason = '';

  constructor(logger: Pick<Logger, 'warn'>, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  add(count: number, reason: string): void {
    this.#count += count;
    this.#reason = reason;
    if (this.#now() - this.#toldAt >= EVERY_MS) this.tell();
  }

  /** What nobody was told of yet. */
  tell(): void {
    if (this.#count === 0) return;
    this.#toldAt = this.#now();
    this.#logger.warn('traces_lost', { count: this.#count, reason: this.#reason });
    this.#count = 0;
  }
}
