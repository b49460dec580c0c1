import { countText, numberText } from './format.ts';

export interface ShownSessions {
  readonly count: number;
  /** How many are before the first that is shown. */
  readonly skipped: number;
  readonly hasMore: boolean;
}

/** A page can be empty and not the last: the server filters what it has read. */
export function sessionCountText({ count, skipped, hasMore }: ShownSessions, time: string): string {
  const at = `at ${time}`;
  if (count === 0 && hasMore) return `None on this page fits, ${at}. There are more pages.`;
  if (count === 0 && skipped === 0) return `No session fits, ${at}.`;
  if (count === 0) return `No session after the first ${numberText(skipped)}, ${at}.`;
  if (skipped > 0) return `${countText(count, 'session')} after the first ${numberText(skipped)}, ${at}.`;
  return hasMore
    ? `The newest ${countText(count, 'session')}, ${at}. There are more.`
    : `${countText(count, 'session')}, ${at}.`;
}
