import type { Arena } from '../arena.ts';
import { entriesSince } from '../record.ts';

/** How many sends were refused since then and may come again. */
export function refusals({ clients }: Arena, since: number): number {
  let count = 0;
  for (const { record } of clients.recorders) {
    for (const entry of entriesSince(record, since)) {
      if (entry.kind === 'unknown' && entry.why === 'refused_for_now') count += 1;
    }
  }
  return count;
}
