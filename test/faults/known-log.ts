/** Which numbers of a session a client has: the ground of its resumes, and of its questions for what is missing. */
export class KnownLog {
  readonly #idBySeq = new Map<number, string>();
  readonly #gaps = new Set<number>();
  #completeSeq: number;
  #highestSeq: number;

  constructor(joinedSeq: number) {
    this.#completeSeq = joinedSeq;
    this.#highestSeq = joinedSeq;
  }

  /** Highest seq up to which nothing is missing but what was announced as a gap. */
  get completeSeq(): number {
    return this.#completeSeq;
  }

  get hasHole(): boolean {
    return this.#completeSeq < this.#highestSeq;
  }

  idAt(seq: number): string | undefined {
    return this.#idBySeq.get(seq);
  }

  note(seq: number, id: string): void {
    this.#idBySeq.set(seq, id);
    this.noteHead(seq);
  }

  noteGap(fromSeq: number, toSeq: number): void {
    for (let seq = fromSeq; seq <= toSeq; seq += 1) this.#gaps.add(seq);
    this.noteHead(toSeq);
  }

  /** The session has at least so many messages. */
  noteHead(lastSeq: number): void {
    this.#highestSeq = Math.max(this.#highestSeq, lastSeq);
    while (this.#idBySeq.has(this.#completeSeq + 1) || this.#gaps.has(this.#completeSeq + 1)) this.#completeSeq += 1;
  }

  /** What was known above this seq is void. */
  forgetAfter(afterSeq: number): void {
    for (const seq of this.#idBySeq.keys()) if (seq > afterSeq) this.#idBySeq.delete(seq);
    for (const seq of this.#gaps) if (seq > afterSeq) this.#gaps.delete(seq);
    this.#completeSeq = Math.min(this.#completeSeq, afterSeq);
    this.#highestSeq = afterSeq;
  }
}
