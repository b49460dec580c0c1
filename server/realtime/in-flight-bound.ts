/** Commands that take longer than this wait for each other: their callers are told `UNAVAILABLE` after 2 s. */
const SLOW_MS = 1000;
/** How often the bound is settled anew, at most. */
const PERIOD_MS = 500;
/** Less is no evidence of anything. */
const LEAST_LANDINGS = 8;

export interface BoundRange {
  readonly most: number;
  readonly least: number;
}

/**
 * How many commands an instance works on before it reads no more. A store that does a hundred a second cannot have two
 * thousand waiting: each would be answered too late, and the work on it be wasted. So the bound is halved while most
 * commands are slow, and grows by half while it is in use and hardly any are.
 */
export class InFlightBound {
  readonly #range: BoundRange;
  readonly #now: () => number;
  #value: number;
  #since: number;
  #landings = 0;
  #slow = 0;
  #wasReached = false;

  constructor(range: BoundRange, now: () => number) {
    this.#range = range;
    this.#now = now;
    this.#value = range.most;
    this.#since = now();
  }

  get value(): number {
    return this.#value;
  }

  /** So many are in flight that the bound makes a difference. */
  reached(): void {
    this.#wasReached = true;
  }

  landed(durationMs: number): void {
    this.#landings += 1;
    if (durationMs > SLOW_MS) this.#slow += 1;
    const now = this.#now();
    if (now - this.#since < PERIOD_MS || this.#landings < LEAST_LANDINGS) return;
    if (this.#slow * 2 > this.#landings) this.#value = Math.max(this.#range.least, this.#value >> 1);
    else if (this.#wasReached && this.#slow * 10 < this.#landings) {
      this.#value = Math.min(this.#range.most, Math.ceil(this.#value * 1.5));
    }
    this.#since = now;
    this.#landings = 0;
    this.#slow = 0;
    this.#wasReached = false;
  }
}
