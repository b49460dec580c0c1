import { TandemError } from '../../../protocol/errors.ts';
import type { LimitRequest } from '../../../protocol/limits.ts';
import type { LimitCount, Limits, LimitVerdict } from '../../sessions/ports.ts';
import { SlidingWindows } from '../../limits/sliding-window.ts';
import type { Redis } from './client.ts';
import type { Keys } from './keys.ts';
import { arrayOf, numberOf } from './reply.ts';
import { loadScript } from './script.ts';

const TAKE = loadScript('take_limits');
const COUNT = loadScript('count_request');
const GIVE_BACK = loadScript('give_back_point');
const RECORD = loadScript('record_failure');
const READ_WAIT = loadScript('read_wait');

/** What holds while Redis does not answer. */
export type FailPolicy = 'memory' | 'closed' | 'open';

export interface RedisLimitsOptions {
  redis: Pick<Redis, 'kind' | 'run'>;
  keys: Keys;
  /** `memory`: this instance allows its share; `closed`: refused with `UNAVAILABLE`; `open`: allowed. */
  failPolicy: FailPolicy;
  /** Instances that share the limits: what one of them may allow alone is its share. */
  instanceCount: () => number;
  now: () => number;
  /** Unix ms as text, or '' for the time of Redis. */
  clock: () => string;
}

/** Points taken, to give back what turns out to be for nothing. */
export interface TakenPoints {
  readonly requests: readonly LimitRequest[];
  /** When, by the clock of Redis, for each. */
  readonly takenAt: readonly number[];
}

/** Limits that hold across instances, by the clock of Redis. */
export class RedisLimits implements Limits {
  readonly #options: RedisLimitsOptions;
  readonly #shares = new SlidingWindows();

  constructor(options: RedisLimitsOptions) {
    this.#options = options;
  }

  async take(requests: readonly LimitRequest[]): Promise<LimitVerdict> {
    return this.#orElse(
      async () => {
        const verdict = await this.takePoints(requests);
        return verdict.kind === 'taken' ? { kind: 'taken' } : verdict;
      },
      () =>
        this.#shares.takeAll(
          requests.map((request) => this.#shareOf(request)),
          this.#options.now(),
        ),
      { kind: 'taken' },
    );
  }

  async recordFailure(request: LimitRequest): Promise<void> {
    const { info, bucket, blockMs } = request;
    const args = [this.#options.clock(), String(info.points), String(info.durationSeconds * 1000), String(blockMs)];
    await this.#orElse(
      async () => {
        await this.#options.redis.run(RECORD, this.#names(info.name, bucket), args);
      },
      () => this.#shares.record(this.#shareOf(request), this.#options.now()),
      undefined,
    );
  }

  async count(request: LimitRequest): Promise<LimitCount> {
    const { info, bucket, blockMs } = request;
    const args = [this.#options.clock(), String(info.points), String(info.durationSeconds * 1000), String(blockMs)];
    const now = this.#options.now();
    return this.#orElse(
      async () => {
        const reply = arrayOf(await this.#options.redis.run(COUNT, this.#names(info.name, bucket), args)).map(numberOf);
        const [taken = 0, remaining = 0, resetMs = 0, takenAt = 0] = reply;
        return { isTaken: taken === 1, remaining, resetMs, takenAt };
      },
      () => this.#shares.count(this.#shareOf(request), now),
      { isTaken: true, remaining: info.points, resetMs: info.durationSeconds * 1000, takenAt: now },
    );
  }

  async giveBack(request: LimitRequest, takenAt: number): Promise<void> {
    await this.#orElse(
      () => this.giveBackAll({ requests: [request], takenAt: [takenAt] }),
      () => this.#shares.giveBack([request], takenAt),
      undefined,
    );
  }

  async waitOf(request: LimitRequest): Promise<number> {
    const { info, bucket } = request;
    const args = [this.#options.clock(), String(info.points), String(info.durationSeconds * 1000)];
    return this.#orElse(
      async () => numberOf(await this.#options.redis.run(READ_WAIT, this.#names(info.name, bucket), args)),
      () => this.#shares.waitOf(this.#shareOf(request), this.#options.now()),
      0,
    );
  }

  /**
   * A point of each or of none. In a cluster the buckets lie in several slots, so they are asked in turn, and what was
   * taken is given back when a later one refuses. Throws `UNAVAILABLE`.
   */
  async takePoints(
    requests: readonly LimitRequest[],
  ): Promise<({ kind: 'taken' } & TakenPoints) | Extract<LimitVerdict, { kind: 'refused' }>> {
    if (requests.length === 0) return { kind: 'taken', requests, takenAt: [] };
    if (this.#options.redis.kind !== 'cluster') {
      const result = await this.#takeTogether(requests);
      return typeof result === 'number'
        ? { kind: 'taken', requests, takenAt: requests.map(() => result) }
        : { kind: 'refused', ...result };
    }
    const takenAt: number[] = [];
    for (const request of requests) {
      const result = await this.#takeTogether([request]);
      if (typeof result !== 'number') {
        await this.giveBackAll({ requests: requests.slice(0, takenAt.length), takenAt });
        return { kind: 'refused', ...result };
      }
      takenAt.push(result);
    }
    return { kind: 'taken', requests, takenAt };
  }

  async giveBackAll({ requests, takenAt }: TakenPoints): Promise<void> {
    const { redis, keys } = this.#options;
    await Promise.all(
      requests.map(({ info, bucket }, index) =>
        redis.run(GIVE_BACK, [keys.limit(info.name, bucket)], [String(takenAt[index] ?? 0)]),
      ),
    );
  }

  /** The time at which the points were taken, or the refusal. */
  async #takeTogether(requests: readonly LimitRequest[]) {
    const { redis, clock } = this.#options;
    const names = requests.flatMap(({ info, bucket }) => this.#names(info.name, bucket));
    const rules = requests.flatMap(({ info, blockMs }) =>
      [info.points, info.durationSeconds * 1000, blockMs].map(String),
    );
    const [number = 0, value = 0] = arrayOf(await redis.run(TAKE, names, [clock(), ...rules])).map(numberOf);
    if (number === 0) return value;
    const refused = requests[number - 1];
    if (refused === undefined) throw new RangeError(`Redis refused by limit ${number} of ${requests.length}`);
    return { limit: refused.info, retryAfterMs: value };
  }

  #names(name: string, bucket: string): [string, string] {
    const key = this.#options.keys.limit(name, bucket);
    return [key, `${key}:block`];
  }

  #shareOf(request: LimitRequest): LimitRequest {
    const points = Math.max(1, Math.floor(request.info.points / Math.max(1, this.#options.instanceCount())));
    return { ...request, info: { ...request.info, points } };
  }

  async #orElse<T>(ask: () => Promise<T>, share: () => T, open: T): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof TandemError) || error.code !== 'UNAVAILABLE') throw error;
      const { failPolicy } = this.#options;
      if (failPolicy === 'closed') throw error;
      return failPolicy === 'open' ? open : share();
    }
  }
}
