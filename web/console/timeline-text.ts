import type { TimelineItem } from '../../protocol/console.ts';

/** What happened, in a sentence. `nameOf` gives a participant as it can stand within one. */
export function timelineText(item: TimelineItem, nameOf: (participantId: string) => string): string {
  const who = item.participantId === null ? 'Somebody' : nameOf(item.participantId);
  switch (item.kind) {
    case 'created':
      return 'The session was created.';
    case 'joined':
      return `${who} joined.`;
    case 'paired':
      return 'The session was paired: two are in it.';
    case 'away':
      return `${who} lost the connection.`;
    case 'resumed':
      return item.reason === 'reset'
        ? `${who} came back, and had to read anew what the store had lost or changed.`
        : `${who} came back.`;
    case 'limited':
      return `${who} was refused by the limit ${item.reason ?? 'of the server'}${timesText(item.count)}.`;
    case 'left':
      return leftText(who, item.reason);
    case 'host_changed':
      return `${who} became the host.`;
    case 'locked':
      return 'The session was locked.';
    case 'unlocked':
      return 'The session was unlocked.';
    case 'code_changed':
      return 'The code changed or ended.';
    case 'rebuilt':
      return 'The session was rebuilt from Postgres, because Redis had lost it.';
    case 'closed':
      return closedText(item.reason);
    default:
      // A server that is newer than the page.
      return `${String((item as { kind: unknown }).kind)}.`;
  }
}

export function leftText(who: string, reason: string | null): string {
  switch (reason) {
    case 'kicked':
      return `${who} was removed.`;
    case 'timeout':
      return `${who} was away for too long and lost the seat.`;
    default:
      return `${who} left.`;
  }
}

function closedText(reason: string | null): string {
  switch (reason) {
    case 'idle':
      return 'The session was closed: nothing had happened in it for too long.';
    case 'expired':
      return 'The session was closed: its time was over.';
    case 'empty':
      return 'The session was closed: everybody had left.';
    default:
      return 'The session was closed.';
  }
}

function timesText(count: number): string {
  return count > 1 ? `, ${count} times` : '';
}
