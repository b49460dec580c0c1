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
/** Days that still move: nothing tells when, and whoever counts what just happened must see it. Bounds a crowd of consoles. */
const MOVING_TTL_MS = 2000;

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
      ...(isMoving ? { ttlMs: MOVING_TTL_MS } : {}),
    });
  }
}
