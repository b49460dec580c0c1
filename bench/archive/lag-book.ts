import { Samples, type Summary } from '../engine/samples.ts';

/** When each message was appended, until the archive has it. */
export class LagBook {
  readonly #lags = new Samples();
  /** Of each session; by seq. */
  readonly #waiting = new Map<number, Map<number, number>>();
  readonly #durable = new Map<number, number>();
  #open = 0;

  /** Messages that are not known to be archived. */
  get open(): number {
    return this.#open;
  }

  /** `appendedAt` is when it was handed over, `knownAt` when that was answered: the archive may have been quicker. */
  appended(session: number, seq: number, appendedAt: number, knownAt: number): void {
    if (seq <= (this.#durable.get(session) ?? 0)) {
      this.#lags.add(knownAt - appendedAt);
      return;
    }
    const waiting = this.#waiting.get(session) ?? new Map<number, number>();
    this.#waiting.set(session, waiting.set(seq, appendedAt));
    this.#open += 1;
  }

  /** The archive of the session was seen to reach to `durableSeq`. */
  archived(session: number, durableSeq: number, seenAt: number): void {
    if (durableSeq <= (this.#durable.get(session) ?? 0)) return;
    this.#durable.set(session, durableSeq);
    for (const [seq, appendedAt] of this.#waiting.get(session) ?? []) {
      if (seq > durableSeq) continue;
      this.#lags.add(seenAt - appendedAt);
      this.#waiting.get(session)?.delete(seq);
      this.#open -= 1;
    }
  }

  summary(): Summary | null {
    return this.#lags.summary();
  }
}
