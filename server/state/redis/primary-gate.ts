import { TandemError } from '../../../protocol/errors.ts';
import type { Guard, RedisPrimary } from './client.ts';

/** With what an unreachable Redis takes to be noticed, less than the 2 s in which a refusal must be there. */
const WAIT_MS = 1000;
const RETRY_AFTER_MS = 500;
/** Each waits with what it wants to write. */
const MOST_WAITING = 10_000;
/** A primary is another one after each start of its process, and after each promotion. */
const MOST_REMEMBERED = 1000;

/**
 * Keeps what relies on the memory of Redis away from a primary that may have lost some of it, until it was compared with
 * the archive. A primary is unknown here before its connection can be used, so the gate is closed for it from its first
 * command on; for one that is trusted it costs a look into a set.
 */
export class PrimaryGate implements Guard {
  readonly #trusted = new Set<string>();
  /** When somebody first waited for each that is not trusted. */
  readonly #waitedSince = new Map<string, number>();
  readonly #waiting = new Set<() => boolean>();
  readonly #clock: () => number;

  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  isOpen({ id }: RedisPrimary): boolean {
    return this.#trusted.has(id);
  }

  pass<T>(primary: () => RedisPrimary | null, go: () => Promise<T>): Promise<T> {
    const asked = primary();
    // Where there is none, `go` says why.
    if (asked === null || this.isOpen(asked)) return go();
    const restMs = this.#restMs(asked.id);
    if (restMs <= 0 || this.#waiting.size >= MOST_WAITING) return Promise.reject(closed());
    return new Promise<T>((resolve, reject) => {
      const tryAgain = () => {
        const now = primary();
        if (now !== null && !this.isOpen(now)) return false;
        clearTimeout(timer);
        resolve(go());
        return true;
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(tryAgain);
        reject(closed());
      }, restMs);
      timer.unref();
      this.#waiting.add(tryAgain);
    });
  }

  /** It has all that it should. Whoever waits goes on before this returns, so nobody who comes later overtakes. */
  open(id: string): void {
    remember(this.#trusted, id);
    this.#waitedSince.delete(id);
    for (const tryAgain of this.#waiting) if (tryAgain()) this.#waiting.delete(tryAgain);
  }

  /** What was trusted has lost something after all. */
  closeAll(): void {
    this.#trusted.clear();
  }

  /**
   * One wait for all who come while it is closed: those of a session go one after the other, and the last of them would
   * wait for the sum.
   */
  #restMs(id: string): number {
    const now = this.#clock();
    const since = this.#waitedSince.get(id) ?? now;
    this.#waitedSince.set(id, since);
    const [oldest] = this.#waitedSince.keys();
    if (this.#waitedSince.size > MOST_REMEMBERED && oldest !== undefined) this.#waitedSince.delete(oldest);
    return since + WAIT_MS - now;
  }
}

function closed(): TandemError {
  return new TandemError(
    'UNAVAILABLE',
    'The store came back, and is being compared with the archive: repeat with the same id or key.',
    { retryAfterMs: RETRY_AFTER_MS },
  );
}

function remember(ids: Set<string>, id: string): void {
  ids.add(id);
  const [oldest] = ids;
  if (ids.size > MOST_REMEMBERED && oldest !== undefined) ids.delete(oldest);
}
