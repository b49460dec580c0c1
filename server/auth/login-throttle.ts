import { setTimeout as delay } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { TandemError } from '../../protocol/errors.ts';

/** Typing it wrong a few times costs nobody anything. */
const FREE_FAILURES = 3;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 2000;
/** Without a failure for so long, all is forgotten. */
const MEMORY_MS = 15 * 60_000;
const ACCOUNTS = 50_000;
const MOST_WAITING = 500;

export interface LoginThrottleOptions {
  readonly now: () => number;
  readonly wait?: (ms: number) => Promise<unknown>;
}

/**
 * After failures, attempts at one account are answered later and later, whether there is such an account or not.
 *
 * It slows and never refuses: an account that could be locked by failures would be locked by whoever knows its address.
 * What bounds guesses from many addresses at once is the limit of each address, and the turns in which passwords are
 * checked. Each process counts for itself; shared counts would only make those waits more alike.
 */
export class LoginThrottle {
  readonly #failures: LRUCache<string, { count: number; at: number }>;
  readonly #now: () => number;
  readonly #wait: (ms: number) => Promise<unknown>;
  #waiting = 0;

  constructor({ now, wait = (ms) => delay(ms, undefined, { ref: false }) }: LoginThrottleOptions) {
    this.#failures = new LRUCache({ max: ACCOUNTS });
    this.#now = now;
    this.#wait = wait;
  }

  /** Resolves when the next attempt may be checked. Rejects with `UNAVAILABLE` when too many wait. */
  async pass(account: string): Promise<void> {
    const delayMs = this.#delayOf(account);
    if (delayMs === 0) return;
    if (this.#waiting >= MOST_WAITING) {
      throw new TandemError('UNAVAILABLE', 'Too many logins are being checked: try again in a moment.', {
        retryAfterMs: LONGEST_DELAY_MS,
      });
    }
    this.#waiting += 1;
    try {
      await this.#wait(delayMs);
    } finally {
      this.#waiting -= 1;
    }
  }

  failed(account: string): void {
    this.#failures.set(account, { count: this.#countOf(account) + 1, at: this.#now() });
  }

  succeeded(account: string): void {
    this.#failures.delete(account);
  }

  #delayOf(account: string): number {
    const beyond = this.#countOf(account) - FREE_FAILURES;
    return beyond < 0 ? 0 : Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** beyond);
  }

  #countOf(account: string): number {
    const known = this.#failures.get(account);
    return known === undefined || known.at + MEMORY_MS <= this.#now() ? 0 : known.count;
  }
}
