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

/** A code that is being looked at. */
export interface Guess {
  /** It leads nowhere. */
  miss(): Promise<void>;
  /** Whatever came of it, it is known now. May be called twice. */
  end(): void;
}

/** The guesses of one address that are being looked at here, and those that wait for one of them to end. */
interface Address {
  open: number;
  readonly waiting: (() => void)[];
}

/** Makes guessing codes hopeless: blocks an address that misses, and slows all joins while everybody misses. */
export class JoinGuard {
  readonly #options: JoinGuardOptions;
  readonly #addresses = new Map<string, Address>();

  constructor(options: JoinGuardOptions) {
    this.#options = options;
  }

  /**
   * Before a code is looked at, right or wrong: throws `RATE_LIMITED`, or waits, or resolves at once. No address has more
   * guesses under way at once than it may miss: the others wait until it is known what came of those, so that of many at
   * the same instant less than twice the limit are looked at. They are not refused for being many: a class that joins has one address.
   */
  async admit(ip: string, onDelay?: (delayMs: number) => void): Promise<Guess> {
    const { limits, failuresOfIp, failuresInTotal, sleep = delay } = this.#options;
    const own = failuresOfIp(ip);
    await this.#refuseBlocked(own);
    const isSlow = failuresInTotal !== null && (await limits.waitOf(failuresInTotal)) > 0;
    if (isSlow) {
      onDelay?.(SLOWED_JOIN_MS);
      await sleep(SLOWED_JOIN_MS);
    }
    const hasWaited = own !== null && (await this.#enter(ip, own.info.points));
    const guess = this.#guess(ip, own);
    try {
      // Those before it may have used up what this address had left.
      if (isSlow || hasWaited) await this.#refuseBlocked(own);
    } catch (error) {
      guess.end();
      throw error;
    }
    return guess;
  }

  #guess(ip: string, own: LimitRequest | null): Guess {
    const { limits, failuresInTotal } = this.#options;
    let isOpen = own !== null;
    return {
      miss: async () => {
        for (const request of [own, failuresInTotal]) {
          if (request !== null) await limits.recordFailure(request);
        }
      },
      end: () => {
        if (isOpen) this.#leave(ip);
        isOpen = false;
      },
    };
  }

  /** Whether it had to wait. */
  async #enter(ip: string, most: number): Promise<boolean> {
    const address = this.#addresses.get(ip) ?? { open: 0, waiting: [] };
    this.#addresses.set(ip, address);
    if (address.open < most) {
      address.open += 1;
      return false;
    }
    // Whoever ends hands its place on.
    await new Promise<void>((resolve) => void address.waiting.push(resolve));
    return true;
  }

  #leave(ip: string): void {
    const address = this.#addresses.get(ip);
    if (address === undefined) return;
    const next = address.waiting.shift();
    if (next !== undefined) {
      next();
      return;
    }
    address.open -= 1;
    if (address.open === 0) this.#addresses.delete(ip);
  }

  async #refuseBlocked(own: LimitRequest | null): Promise<void> {
    const waitMs = own === null ? 0 : await this.#options.limits.waitOf(own);
    if (own !== null && waitMs > 0) throw rateLimited(own.info, waitMs);
  }
}
