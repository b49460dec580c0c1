/** How long a look may take, and how long its result counts as fresh. */
const DEADLINE_MS = 1000;
const FRESH_MS = 1000;

export interface Looked<T> {
  readonly value: T;
  readonly latencyMs: number;
}

/**
 * A look that costs something, made when somebody asks and not more often than once a second. Whoever asks waits for it
 * no longer than a second, and a look that is still under way is not made a second time.
 */
export class Lookup<T> {
  readonly #ask: () => Promise<T>;
  #running: Promise<Looked<T> | null> | null = null;
  #last: Looked<T> | null = null;
  #endedAt = Number.NEGATIVE_INFINITY;

  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  /** Null when it failed, or has no answer in time. */
  async look(): Promise<Looked<T> | null> {
    if (this.#running === null) {
      if (performance.now() - this.#endedAt < FRESH_MS) return this.#last;
      this.#running = this.#run().finally(() => (this.#running = null));
    }
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), DEADLINE_MS);
    });
    try {
      return await Promise.race([this.#running, deadline]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #run(): Promise<Looked<T> | null> {
    const startedAt = performance.now();
    try {
      const value = await this.#ask();
      const latencyMs = Math.round((performance.now() - startedAt) * 100) / 100;
      this.#last = { value, latencyMs };
    } catch {
      // The report says that it failed; why, the logs of whoever owns the connection say.
      this.#last = null;
    }
    this.#endedAt = performance.now();
    return this.#last;
  }
}
