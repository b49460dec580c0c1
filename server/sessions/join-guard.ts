import { setTimeout as delay } from 'node:timers/promises';
import type { LimitRequest } from '../../protocol/limits.ts';
import type { Limits } from './ports.ts';
import { rateLimited } from './refusals.ts';

/** How long every join waits while the whole deployment misses too often. */
const SLOWED_JOIN_MS = 2000;

export interface JoinGuardOptions {
  limits: Limits;
  /** The request of `JOIN_FAILURES_IP` for an address; null when it is switched off. */
  failuresOfIp: (ip: string) => LimitRequest | null;
  /** `JOIN_FAILURES_TOTAL`; null when it is switched off. */
  failuresInTotal: LimitRequest | null;
  sleep?: (ms: number) => Promise<unknown>;
}

/** Makes guessing codes hopeless: blocks an address that misses, and slows all joins while everybody misses. */
export class JoinGuard {
  readonly #options: JoinGuardOptions;

  constructor(options: JoinGuardOptions) {
    this.#options = options;
  }

  /** Before a code is looked at, right or wrong: throws `RATE_LIMITED`, or waits, or returns at once. */
  async admit(ip: string, onDelay?: (delayMs: number) => void): Promise<void> {
    const { limits, failuresOfIp, failuresInTotal, sleep = delay } = this.#options;
    const own = failuresOfIp(ip);
    await this.#refuseBlocked(own);
    if (failuresInTotal === null || (await limits.waitOf(failuresInTotal)) === 0) return;
    onDelay?.(SLOWED_JOIN_MS);
    await sleep(SLOWED_JOIN_MS);
    // Guesses that waited side by side: those that woke first may have used up what this address had left.
    await this.#refuseBlocked(own);
  }

  /** A code that leads nowhere. */
  async miss(ip: string): Promise<void> {
    const { limits, failuresOfIp, failuresInTotal } = this.#options;
    for (const request of [failuresOfIp(ip), failuresInTotal]) {
      if (request !== null) await limits.recordFailure(request);
    }
  }

  async #refuseBlocked(own: LimitRequest | null): Promise<void> {
    const waitMs = own === null ? 0 : await this.#options.limits.waitOf(own);
    if (own !== null && waitMs > 0) throw rateLimited(own.info, waitMs);
  }
}
