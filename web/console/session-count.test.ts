import { describe, expect, it } from '@jest/globals';
import { sessionCountText } from './session-count.ts';

describe('how many sessions the list shows', () => {
  it.each([
    [{ count: 0, skipped: 0, hasMore: false }, 'No session fits, at 12.'],
    [{ count: 0, skipped: 0, hasMore: true }, 'None on this page fits, at 12. There are more pages.'],
    [{ count: 0, skipped: 500, hasMore: true }, 'None on this page fits, at 12. There are more pages.'],
    [{ count: 0, skipped: 500, hasMore: false }, 'No session after the first 500, at 12.'],
    [{ count: 1, skipped: 0, hasMore: false }, '1 session, at 12.'],
    [{ count: 50, skipped: 0, hasMore: true }, 'The newest 50 sessions, at 12. There are more.'],
    [{ count: 50, skipped: 500, hasMore: true }, '50 sessions after the first 500, at 12.'],
  ])('%j reads "%s"', (shown, expected) => {
    expect(sessionCountText(shown, '12')).toBe(expected);
  });
});
