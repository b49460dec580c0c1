import type { LimitRequest } from '../../../protocol/limits.ts';
import { SlidingWindows } from '../../limits/sliding-window.ts';
import type { LimitCount, Limits, LimitVerdict } from '../../sessions/ports.ts';

/** The deployment is this process: its windows are the limits. */
export class MemoryLimits implements Limits {
  readonly #windows = new SlidingWindows();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  take(requests: readonly LimitRequest[]): Promise<LimitVerdict> {
    return Promise.resolve(this.takeAll(requests, this.#now()));
  }

  recordFailure(request: LimitRequest): Promise<void> {
    this.#windows.record(request, this.#now());
    return Promise.resolve();
  }

  waitOf(request: LimitRequest): Promise<number> {
    return Promise.resolve(this.#windows.waitOf(request, this.#now()));
  }

  /** For an append, which decides in one turn. */
  takeAll(requests: readonly LimitRequest[], now: number): LimitVerdict {
    return this.#windows.takeAll(requests, now);
  }

  count(request: LimitRequest): Promise<LimitCount> {
    return Promise.resolve(this.#windows.count(request, this.#now()));
  }

  giveBack(request: LimitRequest, takenAt: number): Promise<void> {
    this.giveBackAll([request], takenAt);
    return Promise.resolve();
  }

  /** Of an append. */
  giveBackAll(requests: readonly LimitRequest[], takenAt: number): void {
    this.#windows.giveBack(requests, takenAt);
  }
}
