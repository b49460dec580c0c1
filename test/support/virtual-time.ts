import type { Clock } from '../../client/clock.ts';

interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Time that passes only when the test lets it: what is due runs in the order of its time, one after another. */
export class VirtualTime implements Clock {
  #due: Due[] = [];
  #now = 0;
  #order = 0;
  /** How far the device's clock stands from the time that passes. */
  skewMs = Date.parse('2026-01-31T12:00:00.000Z');

  now(): number {
    return this.skewMs + this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const due = { at: this.#now + delayMs, order: (this.#order += 1), run: callback };
    this.#due.push(due);
    return () => {
      this.#due = this.#due.filter((other) => other !== due);
    };
  }

  /** Runs what falls due within `durationMs`, and what that brings about. */
  async pass(durationMs: number): Promise<void> {
    const end = this.#now + durationMs;
    await settled();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#now = next.at;
      this.#due = this.#due.filter((other) => other !== next);
      next.run();
      await settled();
    }
    this.#now = end;
  }

  #next(end: number): Due | undefined {
    return this.#due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
  }
}

/** Until promises that wait for nothing else have run. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
