import { z } from 'zod';
import type { Cache } from '../cache/cache.ts';
import type { DailyAnalytics, DurableStore } from './ports.ts';

const DAYS = z.array(
  z.object({
    day: z.string(),
    sessions: z.number(),
    pairings: z.number(),
    timeToPairMs: z.number(),
    messages: z.number(),
    closed: z.object({ closed: z.number(), idle: z.number(), expired: z.number(), empty: z.number() }),
    durationMs: z.number(),
  }),
);

/** The archive is behind by a second, in a bad hour by more; a day that ended before this is counted. */
const SETTLING_MS = 3_600_000;

/** Counts by day. */
export class CachedAnalytics implements Pick<DurableStore, 'analytics'> {
  readonly #durable: Pick<DurableStore, 'analytics'>;
  readonly #cache: Pick<Cache, 'getOrSet'>;
  readonly #now: () => number;

  constructor(durable: Pick<DurableStore, 'analytics'>, cache: Pick<Cache, 'getOrSet'>, now: () => number) {
    this.#durable = durable;
    this.#cache = cache;
    this.#now = now;
  }

  async analytics(fromDay: string, toDay: string): Promise<DailyAnalytics[]> {
    const isMoving = toDay >= new Date(this.#now() - SETTLING_MS).toISOString().slice(0, 10);
    return this.#cache.getOrSet<DailyAnalytics[]>({
      kind: 'analytics',
      subject: 'days',
      key: `${fromDay} ${toDay}`,
      parse: (kept) => DAYS.parse(kept),
      load: () => this.#durable.analytics(fromDay, toDay),
      // Whoever counts what just happened must see it; a crowd that asks at once shares one answer all the same.
      isKept: () => !isMoving,
    });
  }
}
