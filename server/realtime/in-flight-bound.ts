/** Commands that take longer than this wait for each other: their callers are told `UNAVAILABLE` after 2 s. */
const SLOW_MS = 1000;
/** And those that take less than this could have had more company. */
const QUICK_MS = 500;
/** How often the bound is settled anew, at most. */
const PERIOD_MS = 500;
/** Less is no evidence of anything. */
const LEAST_LANDINGS = 8;

export interface BoundRange {
  readonly most: number;
  readonly least: number;
  /** Before anything is known of the store. */
  readonly first: number;
}

/**
 * How many commands an instance works on before it reads no more. A store that does a hundred a second cannot have two
 * thousand waiting: each would be answered too late, and the work on it be wasted. So the bound is halved while most
 * commands are slow, and grows by half while it is in use and nearly all are quick. That is judged by what began under the
 * present bound alone.
 */
export class InFlightBound {
  readonly #range: BoundRange;
  readonly #now: () => number;
  #value: number;
  #changedAt = Number.NEGATIVE_INFINITY;
  #since: number;
  #landings = 0;
  #slow = 0;
  #quick = 0;
  #wasReached = false;

  constructor(range: BoundRange, now: () => number) {
    this.#range = range;
    this.#now = now;
    this.#value = range.first;
    this.#since = now();
  }

  get value(): number {
    return this.#value;
  }

  /** So many are in flight that the bound makes a difference. */
  reached(): void {
    this.#wasReached = true;
  }

  landed(startedAt: number): void {
    const now = this.#now();
    this.#landings += 1;
    if (now - startedAt > SLOW_MS) this.#slow += 1;
    else if (now - startedAt < QUICK_MS && startedAt >= this.#changedAt) this.#quick += 1;
    if (now - this.#since < PERIOD_MS || this.#landings < LEAST_LANDINGS) return;
    const before = this.#value;
    this.#settle();
    if (this.#value !== before) this.#changedAt = now;
    this.#since = now;
    this.#landings = 0;
    this.#slow = 0;
    this.#quick = 0;
    this.#wasReached = false;
  }

  #settle(): void {
    const { most, least } = this.#range;
    if (this.#slow * 2 > this.#landings) this.#value = Math.max(least, Math.floor(this.#value / 2));
    else if (this.#wasReached && this.#quick * 10 > this.#landings * 9) {
      this.#value = Math.min(most, Math.ceil(this.#value * 1.5));
    }
  }
}
