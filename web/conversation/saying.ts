import type { ReceivedMessage, SessionEvents } from '../../client/index.ts';
import type { Saying } from './transcript.ts';

export function sayingOf({ seq, id, from, type, body, sentAt, isOwn }: ReceivedMessage): Saying {
  return { seq, id, from, type, body, sentAt, isOwn, unreadable: null };
}

export function unreadableSaying({ message, reason }: SessionEvents['undecipherable'], self: string): Saying {
  const { seq, id, from, type, body, sentAt } = message;
  return { seq, id, from, type, body, sentAt, isOwn: from === self, unreadable: reason };
}
