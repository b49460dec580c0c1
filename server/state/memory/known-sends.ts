/** A send that was accepted: what its repetition is answered with. */
export interface KnownSend {
  readonly seq: number;
  readonly sentAt: number;
  readonly fingerprint: string;
  /** Pending while it is not yet stored: a repetition waits for the same commit. */
  stored: Promise<void> | null;
}

/**
 * Ids of one session's sends within the retry horizon. Bounded: what does not fit is forgotten, and `knowsAllSince`
 * then tells from when on an id that is not here was never sent. Older ones are looked up in the durable store.
 */
export class KnownSends {
  readonly #sends = new Map<string, KnownSend>();
  readonly #maxSends: number;
  #completeSince: number;

  /** `completeSince`: the time from which on every accepted send will be added here. */
  constructor(completeSince: number, maxSends = 20_000) {
    this.#completeSince = completeSince;
    this.#maxSends = maxSends;
  }

  static key(seatId: string, id: string): string {
    return `${seatId}/${id}`;
  }

  find(key: string): KnownSend | undefined {
    return this.#sends.get(key);
  }

  /** Adds a send; sends come in the order of their time. */
  add(key: string, send: KnownSend, horizonStart: number): void {
    this.#put(key, send);
    for (const [oldKey, old] of this.#sends) {
      const isOver = old.sentAt < horizonStart;
      if (!isOver && this.#sends.size <= this.#maxSends) break;
      // A pending send stays: its repetition must find the same commit.
      if (old.stored !== null) break;
      this.#sends.delete(oldKey);
      if (!isOver) this.#completeSince = Math.max(this.#completeSince, old.sentAt + 1);
    }
  }

  /** Sends read back from the durable store, in the order of their time, all since `completeSince`. */
  restore(sends: readonly (readonly [string, KnownSend])[], completeSince: number): void {
    const later = [...this.#sends];
    this.#sends.clear();
    for (const [key, send] of [...sends, ...later]) this.#put(key, send);
    this.#completeSince = Math.min(this.#completeSince, completeSince);
  }

  knowsAllSince(time: number): boolean {
    return this.#completeSince <= time;
  }

  get size(): number {
    return this.#sends.size;
  }

  /** At the end: an id that was used before the horizon has a place of its own time there. */
  #put(key: string, send: KnownSend): void {
    this.#sends.delete(key);
    this.#sends.set(key, send);
  }
}
