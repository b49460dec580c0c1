import type { TimelineItem } from '../../protocol/console.ts';

export interface TimelinePages {
  /** Newest first. */
  readonly items: readonly TimelineItem[];
  /** Of the page after the oldest that is here; null where there is none. */
  readonly cursor: string | null;
}

interface Page {
  readonly events: readonly TimelineItem[];
  readonly nextCursor: string | null;
}

export const NO_PAGES: TimelinePages = { items: [], cursor: null };

/** With the page that follows. */
export function withOlder(pages: TimelinePages, { events, nextCursor }: Page): TimelinePages {
  return { items: [...pages.items, ...events], cursor: nextCursor };
}

/**
 * With the newest page looked up again: what was loaded before it stays. Where the page does not reach back to what is
 * here, all of that is given up: there would be a hole that nobody sees.
 */
export function withNewest(pages: TimelinePages, { events, nextCursor }: Page): TimelinePages {
  const [newest] = pages.items;
  const oldest = events.at(-1);
  if (nextCursor === null || oldest === undefined || newest === undefined || oldest.at > newest.at) {
    return { items: events, cursor: nextCursor };
  }
  const fresh = new Set(events.map(keyOf));
  const older = pages.items.filter((item) => item.at <= oldest.at && !fresh.has(keyOf(item)));
  return older.length === 0
    ? { items: events, cursor: nextCursor }
    : { items: [...events, ...older], cursor: pages.cursor };
}

/** Without the count, which grows. */
function keyOf({ at, kind, participantId, reason }: TimelineItem): string {
  return JSON.stringify([at, kind, participantId, reason]);
}
