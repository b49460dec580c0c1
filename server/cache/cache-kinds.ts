import type { CacheName } from '../observability/metrics.ts';

/** What is kept; the name is also the label of its metric. */
export type CacheKind = CacheName;

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/**
 * How long an entry may be served. Also how long something wrong may be served: when an invalidation reached nobody, or
 * for what nobody invalidates.
 */
export const CACHE_TTL_MS: Readonly<Record<CacheKind, number>> = {
  /** A page never changes; retention alone takes it away, and is measured in days. Readers come back within minutes. */
  history: 5 * MINUTE,
  /** Every change invalidates. A minute is how long a device may show an old name when Redis was away at that moment. */
  user: MINUTE,
  /** Days that are over: only what is archived late still moves them. What includes today is not kept. */
  analytics: 60 * MINUTE,
  /** Moves with each join and lock. Many open one invitation at the same moment; who comes later asks anew. */
  code: 2 * SECOND,
};

/** What is loaded later than this after its version was read is not kept; no request waits nearly as long. */
export const LATEST_WRITE_MS = MINUTE;

/** A version is known for longer than any entry that it rules out: written at the last moment, served to its end. */
export const VERSION_LIFE_MS = 2 * (Math.max(...Object.values(CACHE_TTL_MS)) + LATEST_WRITE_MS);
