/** Mulberry32: small, fast, and the same sequence for the same seed everywhere. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** 0 up to, not including, `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('there is nothing to pick from');
    return item;
  }
}

/** Of a change nobody asks more than of what was there before: a find by a new seed would be no fault of it. */
const SEED_IN_CI = 1;

/** `TEST_SEED` repeats a failed run; without it every run is a new one, but for CI. Every failure's text has the seed. */
export function seedOfRun(): number {
  const { TEST_SEED: wanted, CI: isCi } = process.env;
  if (wanted !== undefined) return Number(wanted);
  return isCi === undefined ? Date.now() % 1_000_000 : SEED_IN_CI;
}
