/**
 * Every measured value, kept as it is: a run of a minute at 20,000 messages/s is 10 MB, so there is no need for buckets
 * and their rounding. Percentiles are nearest rank: each is a value that was really measured.
 */
export class Samples {
  #values = new Float64Array(4096);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(this.#values.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count] = value;
    this.#count += 1;
  }

  /** Null without a sample: no percentile is better than a flattering 0. */
  summary(): Summary | null {
    if (this.#count === 0) return null;
    const sorted = this.#values.slice(0, this.#count).sort();
    const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
    return { count: this.#count, p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), max: rank(1) };
  }
}

export interface Summary {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}
