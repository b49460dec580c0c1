import type { DurationCounts } from './duration-histogram.ts';

/**
 * Half and 99 in 100 of what was observed between two looks, in seconds; null where nothing was. Within a bucket the
 * observations are taken for evenly spread; above the last bound, for that bound: more is not known of them.
 */
export function quantilesSince(
  before: DurationCounts | null,
  now: DurationCounts,
): { p50: number; p99: number } | null {
  const within = now.within.map((count, index) => count - (before?.within[index] ?? 0));
  const total = now.total - (before?.total ?? 0);
  if (total <= 0) return null;
  const at = (share: number) => quantile(now.bounds, within, share * total);
  return { p50: at(0.5), p99: at(0.99) };
}

function quantile(bounds: readonly number[], within: readonly number[], rank: number): number {
  let below = 0;
  let from = 0;
  for (const [index, to] of bounds.entries()) {
    const count = within[index] ?? 0;
    if (count > 0 && below + count >= rank) return from + ((to - from) * (rank - below)) / count;
    below += count;
    from = to;
  }
  return from;
}
