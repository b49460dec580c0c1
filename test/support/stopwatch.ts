const TICK_MS = 20;

/**
 * How long something takes, without the time in which this process, that of the servers too, could do nothing: a busy
 * machine takes that from whom it measures, and no timer of a server ends in it. Asked for the time, it stops.
 */
export class Stopwatch {
  readonly #startedAt = performance.now();
  #last = this.#startedAt;
  #stalledMs = 0;
  readonly #ticking = setInterval(() => this.#look(), TICK_MS).unref();

  stop(): number {
    clearInterval(this.#ticking);
    return this.#look() - this.#startedAt - this.#stalledMs;
  }

  #look(): number {
    const now = performance.now();
    this.#stalledMs += Math.max(0, now - this.#last - TICK_MS);
    this.#last = now;
    return now;
  }
}
