import { setTimeout as delay } from 'node:timers/promises';
import type { Redis, RedisPrimary } from './client.ts';
import type { PrimaryGate } from './primary-gate.ts';
import type { RunClaim, RunStage } from './run-claim.ts';

const LOOK_AGAIN_MS = 100;
/** While another instance puts back what is missing, which nobody waits for. */
const CALM_MS = 1000;
/** The archive cannot be asked: until it can, what Redis has is not known to be all. */
const FAILED_MS = 500;
const RENEW_MS = 500;

export interface PrimaryComparisonOptions {
  redis: Pick<Redis, 'primaries' | 'onPrimary'>;
  gate: PrimaryGate;
  claim: RunClaim;
  /**
   * Puts right what is behind, wherever it lies: in a cluster that is found by asking, because right after a failover the
   * map may not tell yet what a primary owns. Gives the work that is left, which nothing has to wait for.
   */
  compare: () => Promise<() => Promise<void>>;
  /** What waited goes on. */
  onOpened: () => void;
  /** Told of the first failure of several. */
  onFault: (error: unknown) => void;
}

/**
 * Has each primary that was reached compared with the archive, by this instance or another, and opens the gate for it
 * then. While Postgres is away the gate stays closed for one that was not compared: what is appended to a log that has
 * lost its end gets numbers that were given before.
 */
export class PrimaryComparison {
  readonly #options: PrimaryComparisonOptions;
  readonly #done = new Set<string>();
  readonly #stopping = new AbortController();
  readonly #waiting = new Set<() => void>();
  #running: Promise<void> | null = null;
  #hasFailed = false;

  constructor(options: PrimaryComparisonOptions) {
    this.#options = options;
    options.redis.onPrimary(() => this.start());
  }

  /** Looks at what was reached; of primaries that are reached later it hears by itself. */
  start(): void {
    if (this.#isStopped() || this.#undone().length === 0) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      // One that was reached in this very moment.
      this.start();
    });
  }

  /** Whether all primaries that can be asked are open. */
  get isOpen(): boolean {
    return this.#options.redis.primaries().every((primary) => this.#options.gate.isOpen(primary));
  }

  /** Whether what was missing is put back in all of them. */
  get isDone(): boolean {
    return this.#undone().length === 0;
  }

  /** Resolves when all are open, or after that time. */
  async opened(deadlineMs: number): Promise<void> {
    if (this.isOpen) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, deadlineMs);
      this.#waiting.add(done);
    });
  }

  /** Redis was emptied while it ran: nothing of it is trusted any more. */
  doubt(): void {
    this.#done.clear();
    this.#options.gate.closeAll();
    this.start();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const done of this.#waiting) done();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let undone = this.#undone(); undone.length > 0; undone = this.#isStopped() ? [] : this.#undone()) {
      let pauseMs = FAILED_MS;
      try {
        pauseMs = await this.#look(undone);
        this.#hasFailed = false;
      } catch (error) {
        if (!this.#hasFailed && !this.#isStopped()) this.#options.onFault(error);
        this.#hasFailed = true;
      }
      // Cut short by stop, which the loop looks at.
      if (this.#undone().length > 0) await delay(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** A function, because the compiler does not see that it changes during an await. */
  #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  #undone(): RedisPrimary[] {
    return this.#options.redis.primaries().filter(({ id }) => !this.#done.has(id));
  }

  /** Gives how long to wait for the next look. */
  async #look(undone: readonly RedisPrimary[]): Promise<number> {
    const mine: RedisPrimary[] = [];
    let pauseMs = CALM_MS;
    for (const primary of undone) {
      const turn = await this.#options.claim.take(primary);
      if (turn === 'mine') mine.push(primary);
      else if (turn === 'comparing') pauseMs = LOOK_AGAIN_MS;
      else this.#open([primary], turn === 'done');
    }
    if (mine.length > 0) await this.#compare(mine);
    return pauseMs;
  }

  async #compare(mine: readonly RedisPrimary[]): Promise<void> {
    const { claim, compare } = this.#options;
    let stage: RunStage = 'comparing';
    const say = () => Promise.all(mine.map(async (primary) => claim.mark(primary, stage)));
    // One that fails is followed by another, or by somebody else's claim.
    const renewing = setInterval(() => void say().catch(() => undefined), RENEW_MS);
    renewing.unref();
    try {
      const putBack = await compare();
      stage = 'compared';
      this.#open(mine, false);
      await say();
      await putBack();
      stage = 'done';
      this.#open(mine, true);
    } catch (error) {
      clearInterval(renewing);
      await Promise.allSettled(mine.map(async (primary) => claim.release(primary)));
      throw error;
    } finally {
      clearInterval(renewing);
    }
    await say();
  }

  #open(primaries: readonly RedisPrimary[], isDone: boolean): void {
    const { gate, onOpened } = this.#options;
    const wasOpen = primaries.every((primary) => gate.isOpen(primary));
    for (const { id } of primaries) {
      gate.open(id);
      if (isDone) this.#done.add(id);
    }
    if (!wasOpen) onOpened();
    if (this.isOpen) for (const done of this.#waiting) done();
  }
}
