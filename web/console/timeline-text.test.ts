import { describe, expect, it } from '@jest/globals';
import type { TimelineItem } from '../../protocol/console.ts';
import { timelineText } from './timeline-text.ts';

const nameOf = (): string => 'Ada';

function text(own: Partial<TimelineItem> & Pick<TimelineItem, 'kind'>): string {
  const item = { at: '2026-01-31T12:00:00.000Z', participantId: 'p', reason: null, count: 1, ...own };
  return timelineText(item, nameOf);
}

describe('what happened to a session', () => {
  it.each([
    ['created', null, 'The session was created.'],
    ['joined', null, 'Ada joined.'],
    ['paired', null, 'The session was paired: two are in it.'],
    ['away', null, 'Ada lost the connection.'],
    ['resumed', null, 'Ada came back.'],
    ['resumed', 'reset', 'Ada came back, and had to read anew what the store had lost or changed.'],
    ['left', 'left', 'Ada left.'],
    ['left', 'kicked', 'Ada was removed.'],
    ['left', 'timeout', 'Ada was away for too long and lost the seat.'],
    ['host_changed', null, 'Ada became the host.'],
    ['locked', null, 'The session was locked.'],
    ['unlocked', null, 'The session was unlocked.'],
    ['code_changed', null, 'The code changed or ended.'],
    ['rebuilt', null, 'The session was rebuilt from Postgres, because Redis had lost it.'],
    ['closed', 'closed', 'The session was closed.'],
    ['closed', 'idle', 'The session was closed: nothing had happened in it for too long.'],
    ['closed', 'expired', 'The session was closed: its time was over.'],
    ['closed', 'empty', 'The session was closed: everybody had left.'],
  ] as const)('%s (%s) reads "%s"', (kind, reason, expected) => {
    expect(text({ kind, reason })).toBe(expected);
  });

  it('is counted where it is', () => {
    expect(text({ kind: 'limited', reason: 'messages_user' })).toBe('Ada was refused by the limit messages_user.');
    expect(text({ kind: 'limited', reason: 'messages_user', count: 12 })).toBe(
      'Ada was refused by the limit messages_user, 12 times.',
    );
  });

  it('is told of nobody in particular, and of kinds that the page does not know', () => {
    expect(text({ kind: 'limited', reason: 'joins', participantId: null })).toMatch(/^Somebody was refused/);
    expect(text({ kind: 'merged' as TimelineItem['kind'] })).toBe('merged.');
  });
});
