import type { Redis } from './client.ts';
import { arrayOf, numberOf } from './reply.ts';

/**
 * The time of Redis, as well as it can be told without asking each time: instances' own clocks differ. Between two looks
 * it is counted by a clock that nobody sets: one that is set by an hour would be an hour of tokens that all others refuse.
 */
export class RedisClock {
  readonly #redis: Pick<Redis, 'send'>;
  /** What `performance.now()` counts from. */
  #originMs = Date.now() - performance.now();

  constructor(redis: Pick<Redis, 'send'>) {
    this.#redis = redis;
  }

  readonly now = (): number => Math.round(performance.now() + this.#originMs);

  /** Asks; the answer is taken for the middle of the wait. */
  async look(): Promise<void> {
    const askedAt = performance.now();
    const [seconds = 0, micros = 0] = arrayOf(await this.#redis.send(['TIME'])).map(numberOf);
    const middle = askedAt + (performance.now() - askedAt) / 2;
    const originMs = seconds * 1000 + micros / 1000 - middle;
    // Below it, it is the wait that is measured.
    if (Math.abs(originMs - this.#originMs) > 2) this.#originMs = originMs;
  }
}
