import type { Redis } from './client.ts';
import { arrayOf, numberOf } from './reply.ts';

/** The time of Redis, as well as it can be told without asking each time: instances' own clocks differ. */
export class RedisClock {
  readonly #redis: Pick<Redis, 'send'>;
  #offsetMs = 0;

  constructor(redis: Pick<Redis, 'send'>) {
    this.#redis = redis;
  }

  readonly now = (): number => Date.now() + this.#offsetMs;

  /** Asks; the answer is taken for the middle of the wait. */
  async look(): Promise<void> {
    const askedAt = Date.now();
    const [seconds = 0, micros = 0] = arrayOf(await this.#redis.send(['TIME'])).map(numberOf);
    const middle = askedAt + (Date.now() - askedAt) / 2;
    const offsetMs = Math.round(seconds * 1000 + micros / 1000 - middle);
    // Below it, it is the wait that is measured.
    if (Math.abs(offsetMs - this.#offsetMs) > 2) this.#offsetMs = offsetMs;
  }
}
