/**
 * Sliding windows, exactly: a point that was taken at `t` counts until `t + duration`, so no window of the duration
 * ever holds more points than the limit has. (A fixed window lets twice the limit through around its edge.)
 *
 * Memory: 8 bytes a point that was taken within the duration, and a bound on the number of buckets.
 */
import type { LimitInfo } from '../../protocol/errors.ts';
import type { LimitCount, LimitRequest } from '../../protocol/limits.ts';

/** `blockMs` 0: what is refused waits for room alone. */
export interface WindowRule {
  readonly points: number;
  readonly durationMs: number;
  readonly blockMs: number;
}

/** Points of one bucket. `now` never goes back further than the callers' clock does. */
export class SlidingWindow {
  /** Times of the points, ascending; those before `#start` are over. */
  #times: number[] = [];
  #start = 0;
  #blockedUntil = 0;

  /** Milliseconds until a point can be taken; 0 when one can. */
  waitMs(points: number, durationMs: number, now: number): number {
    const blockedMs = Math.max(0, this.#blockedUntil - now);
    this.#forget(now - durationMs);
    if (this.#times.length - this.#start < points) return blockedMs;
    // With `points` in the window, there is room again when the oldest of the newest `points` is over.
    const oldest = this.#times[this.#times.length - points];
    // A block may be shorter than the window.
    return Math.max(blockedMs, oldest === undefined ? 0 : oldest + durationMs - now);
  }

  /** As `waitMs`, of one that wants a point now: what is refused blocks the window, unless it is blocked already. */
  refusalMs({ points, durationMs, blockMs }: WindowRule, now: number): number {
    const waitMs = this.waitMs(points, durationMs, now);
    if (waitMs === 0 || blockMs === 0 || this.isBlocked(now)) return waitMs;
    this.block(now + blockMs);
    return Math.max(waitMs, blockMs);
  }

  take(now: number): void {
    this.#times.push(now);
  }

  /** Points of the duration before now. */
  countOf(durationMs: number, now: number): number {
    this.#forget(now - durationMs);
    return this.#times.length - this.#start;
  }

  /** When the oldest of them was taken; now when there is none. */
  oldestOf(durationMs: number, now: number): number {
    this.#forget(now - durationMs);
    return this.#times[this.#start] ?? now;
  }

  /** Takes back the newest point that was taken at that time. */
  giveBack(takenAt: number): void {
    const index = this.#times.lastIndexOf(takenAt);
    if (index >= this.#start) this.#times.splice(index, 1);
  }

  block(until: number): void {
    this.#blockedUntil = Math.max(this.#blockedUntil, until);
  }

  isBlocked(now: number): boolean {
    return this.#blockedUntil > now;
  }

  /** True when nothing of it counts any more. */
  isOver(durationMs: number, now: number): boolean {
    const newest = this.#times[this.#times.length - 1];
    return this.#blockedUntil <= now && (newest === undefined || newest + durationMs <= now);
  }

  #forget(upTo: number): void {
    while (this.#start < this.#times.length && (this.#times[this.#start] ?? 0) <= upTo) this.#start += 1;
    if (this.#start > 64 && this.#start * 2 > this.#times.length) {
      this.#times = this.#times.slice(this.#start);
      this.#start = 0;
    }
  }
}

export type Verdict =
  { readonly kind: 'taken' } | { readonly kind: 'refused'; readonly limit: LimitInfo; readonly retryAfterMs: number };

interface Bucket {
  readonly window: SlidingWindow;
  readonly durationMs: number;
  /** Whether it counts for everybody: there are as many of these as there are such limits. */
  readonly isShared: boolean;
}

/** How many buckets are looked at to find one that may be forgotten. */
const LOOKS = 32;

/**
 * Buckets of many limits. Above `maxBuckets` an old bucket is forgotten, so that a flood of addresses costs no memory;
 * one that is blocked only when there is nothing else, lest the flood frees whoever is blocked.
 */
export class SlidingWindows {
  readonly #buckets = new Map<string, Bucket>();
  readonly #maxBuckets: number;
  #nextSweepAt = 0;

  constructor(maxBuckets = 200_000) {
    this.#maxBuckets = maxBuckets;
  }

  /**
   * A point of each limit, or of none when one refuses; the refusal names the limit with the longest wait. Those that
   * refuse are blocked from then on, as `count` does it.
   */
  takeAll(requests: readonly LimitRequest[], now: number): Verdict {
    let refusal: { limit: LimitInfo; retryAfterMs: number } | null = null;
    for (const request of requests) {
      const retryAfterMs = this.#buckets.get(keyOf(request))?.window.refusalMs(ruleOf(request), now) ?? 0;
      if (retryAfterMs > (refusal?.retryAfterMs ?? 0)) refusal = { limit: request.info, retryAfterMs };
    }
    if (refusal !== null) return { kind: 'refused', ...refusal };
    for (const request of requests) this.#windowOf(request, now).take(now);
    return { kind: 'taken' };
  }

  /** Takes a point and tells what is left; a refusal blocks the bucket, unless it is blocked already. */
  count(request: LimitRequest, now: number): LimitCount {
    const rule = ruleOf(request);
    const { points, durationMs } = rule;
    const window = this.#windowOf(request, now);
    const waitMs = window.refusalMs(rule, now);
    if (waitMs === 0) window.take(now);
    const remaining = waitMs === 0 ? Math.max(0, points - window.countOf(durationMs, now)) : 0;
    const resetMs = waitMs === 0 ? window.oldestOf(durationMs, now) + durationMs - now : waitMs;
    return { isTaken: waitMs === 0, remaining, resetMs, takenAt: now };
  }

  giveBack(requests: readonly LimitRequest[], takenAt: number): void {
    for (const request of requests) this.#buckets.get(keyOf(request))?.window.giveBack(takenAt);
  }

  /** Counts without refusing; with the last point the bucket is blocked. */
  record(request: LimitRequest, now: number): void {
    const window = this.#windowOf(request, now);
    window.take(now);
    const isExhausted = window.waitMs(request.info.points, request.info.durationSeconds * 1000, now) > 0;
    if (isExhausted && request.blockMs > 0) window.block(now + request.blockMs);
  }

  waitOf(request: LimitRequest, now: number): number {
    const bucket = this.#buckets.get(keyOf(request));
    return bucket === undefined ? 0 : bucket.window.waitMs(request.info.points, bucket.durationMs, now);
  }

  get size(): number {
    return this.#buckets.size;
  }

  #windowOf(request: LimitRequest, now: number): SlidingWindow {
    const key = keyOf(request);
    const known = this.#buckets.get(key);
    if (known !== undefined) return known.window;
    this.#makeRoom(now);
    const window = new SlidingWindow();
    const { durationSeconds, scope } = request.info;
    this.#buckets.set(key, { window, durationMs: durationSeconds * 1000, isShared: scope === 'deployment' });
    return window;
  }

  #makeRoom(now: number): void {
    if (now >= this.#nextSweepAt) {
      this.#nextSweepAt = now + 10_000;
      for (const [key, { window, durationMs }] of this.#buckets) {
        if (window.isOver(durationMs, now)) this.#buckets.delete(key);
      }
    }
    if (this.#buckets.size >= this.#maxBuckets) this.#forgetOne(now);
  }

  #forgetOne(now: number): void {
    let blocked: string | null = null;
    const passed: [string, Bucket][] = [];
    let forgotten: string | null = null;
    for (const [key, bucket] of this.#buckets) {
      if (passed.length === LOOKS) break;
      if (!bucket.isShared && !bucket.window.isBlocked(now)) {
        forgotten = key;
        break;
      }
      if (!bucket.isShared) blocked ??= key;
      passed.push([key, bucket]);
    }
    // What stays goes to the end: the next look begins behind it.
    for (const [key, bucket] of passed) {
      this.#buckets.delete(key);
      this.#buckets.set(key, bucket);
    }
    const victim = forgotten ?? blocked;
    if (victim !== null) this.#buckets.delete(victim);
  }
}

function ruleOf({ info, blockMs }: LimitRequest): WindowRule {
  return { points: info.points, durationMs: info.durationSeconds * 1000, blockMs };
}

function keyOf(request: LimitRequest): string {
  return `${request.info.name}:${request.bucket}`;
}
