/** What one pair said, was told, and heard. A delivery may come twice under the same number: that is no fault. */
export class TalkBook {
  readonly #unanswered = new Set<string>();
  readonly #acknowledged = new Set<string>();
  readonly #idBySeq = new Map<number, string>();
  readonly #seqById = new Map<string, number>();
  #doubled = 0;
  #contiguousSeq = 0;

  sent(id: string): void {
    this.#unanswered.add(id);
  }

  acknowledged(id: string): void {
    this.#unanswered.delete(id);
    this.#acknowledged.add(id);
  }

  received(id: string, seq: number): void {
    const isKnown = this.#seqById.get(id) === seq;
    if (isKnown) return;
    if (this.#seqById.has(id) || this.#idBySeq.has(seq)) this.#doubled += 1;
    this.#seqById.set(id, seq);
    this.#idBySeq.set(seq, id);
    while (this.#idBySeq.has(this.#contiguousSeq + 1)) this.#contiguousSeq += 1;
  }

  /** Everything up to it has come. */
  get contiguousSeq(): number {
    return this.#contiguousSeq;
  }

  /** In the order of sending. */
  unanswered(): string[] {
    return [...this.#unanswered];
  }

  get isSettled(): boolean {
    const { lost, holes } = this.counts();
    return this.#unanswered.size === 0 && lost === 0 && holes === 0;
  }

  counts(): { acknowledged: number; lost: number; doubled: number; holes: number } {
    const lost = [...this.#acknowledged].filter((id) => !this.#seqById.has(id)).length;
    const highest = Math.max(0, ...this.#idBySeq.keys());
    return {
      acknowledged: this.#acknowledged.size,
      lost,
      doubled: this.#doubled,
      holes: highest - this.#idBySeq.size,
    };
  }
}
