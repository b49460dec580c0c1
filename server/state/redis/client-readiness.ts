import { unavailable } from './client-errors.ts';
import type { RedisHooks } from './client-types.ts';

/** Whether Redis can be asked, and who wants to know when that changes. Told once for each change. */
export class Readiness {
  readonly #onEvent: NonNullable<RedisHooks['onEvent']>;
  readonly #lost = new Set<(error: Error) => void>();
  readonly #recovered = new Set<() => void>();
  readonly #waiting = new Set<() => void>();
  #isReady = false;
  #lostAt: number | null = null;

  constructor({ onEvent }: RedisHooks) {
    this.#onEvent = onEvent ?? (() => undefined);
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  onLost(listener: (error: Error) => void): () => void {
    this.#lost.add(listener);
    return () => void this.#lost.delete(listener);
  }

  onRecovered(listener: () => void): () => void {
    this.#recovered.add(listener);
    return () => void this.#recovered.delete(listener);
  }

  ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    for (const tell of this.#waiting) tell();
    if (this.#lostAt === null) return;
    this.#onEvent('redis_recovered', { downMs: Math.round(performance.now() - this.#lostAt) });
    for (const listener of this.#recovered) listener();
  }

  notReady(error: Error): void {
    if (!this.#isReady) return;
    this.#isReady = false;
    this.#lostAt = performance.now();
    this.#onEvent('redis_lost', { error });
    for (const listener of this.#lost) listener(error);
  }

  /** Closed on purpose: nobody is told. */
  close(): void {
    this.#isReady = false;
    for (const tell of this.#waiting) tell();
  }

  /** Rejects with `UNAVAILABLE` and what `failure` says when it is not ready in time. */
  async whenReady(deadlineMs: number, failure: () => Error): Promise<void> {
    if (this.#isReady) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, deadlineMs);
      this.#waiting.add(done);
    });
    if (!this.isReady) throw unavailable(failure());
  }
}
