/**
 * Closed sessions whose ids were read back, and how many ids each of them holds. Nobody sends there any more, so they
 * are kept only against a flood of repetitions: above the bound the oldest have to give theirs up.
 */
export class RecalledSends<T extends object> {
  readonly #counts = new Map<T, number>();
  readonly #maxSends: number;
  #total = 0;

  constructor(maxSends: number) {
    this.#maxSends = maxSends;
  }

  /** Returns who has to give up what it holds. */
  add(holder: T, count: number): T[] {
    this.delete(holder);
    this.#counts.set(holder, count);
    this.#total += count;
    const given: T[] = [];
    for (const oldest of this.#counts.keys()) {
      if (this.#total <= this.#maxSends) break;
      // The one that was just added stays, whatever it holds: a single session has a bound of its own.
      if (oldest === holder) break;
      this.delete(oldest);
      given.push(oldest);
    }
    return given;
  }

  delete(holder: T): void {
    this.#total -= this.#counts.get(holder) ?? 0;
    this.#counts.delete(holder);
  }
}
