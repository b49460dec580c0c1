import { describe, expect, it } from '@jest/globals';
import type { TimelineItem } from '../../protocol/console.ts';
import { NO_PAGES, withNewest, withOlder } from './timeline-pages.ts';
import type { TimelinePages } from './timeline-pages.ts';

const item = (second: number, own: Partial<TimelineItem> = {}): TimelineItem => ({
  at: `2026-01-31T12:00:${String(second).padStart(2, '0')}.000Z`,
  kind: 'joined',
  participantId: null,
  reason: null,
  count: 1,
  ...own,
});
const seconds = ({ items, cursor }: TimelinePages): (number | string | null)[] => [
  ...items.map(({ at }) => Number(at.slice(17, 19))),
  cursor,
];

describe('pages of a timeline', () => {
  const loaded = withOlder(withNewest(NO_PAGES, { events: [item(9), item(8)], nextCursor: 'b' }), {
    events: [item(7), item(6)],
    nextCursor: 'c',
  });

  it('follow one another', () => {
    expect(seconds(loaded)).toEqual([9, 8, 7, 6, 'c']);
  });

  it('keep what is older when the newest is looked up again', () => {
    expect(seconds(withNewest(loaded, { events: [item(10), item(9)], nextCursor: 'b2' }))).toEqual([
      10,
      9,
      8,
      7,
      6,
      'c',
    ]);
    expect(seconds(withNewest(loaded, { events: [item(9), item(8)], nextCursor: 'b' }))).toEqual([9, 8, 7, 6, 'c']);
  });

  it('keep what happened in the same millisecond, and what counts on', () => {
    const same = withNewest(NO_PAGES, { events: [item(9), item(8), item(8, { kind: 'paired' })], nextCursor: 'x' });
    const counted = withNewest(same, { events: [item(10), item(9), item(8, { count: 5 })], nextCursor: 'y' });
    expect(counted.items.map(({ kind, count }) => [kind, count])).toEqual([
      ['joined', 1],
      ['joined', 1],
      ['joined', 5],
      ['paired', 1],
    ]);
    expect(counted.cursor).toBe('x');
  });

  it('begin anew where they would have a hole, and where all is on one', () => {
    expect(seconds(withNewest(loaded, { events: [item(20), item(19)], nextCursor: 'z' }))).toEqual([20, 19, 'z']);
    expect(seconds(withNewest(loaded, { events: [item(9)], nextCursor: null }))).toEqual([9, null]);
  });
});
