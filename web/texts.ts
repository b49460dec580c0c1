import type { WireError } from '../protocol/errors.ts';
import type { CloseReason } from '../protocol/session.ts';
import type { Link } from './connection.ts';
import type { NoteText } from './joined-session.ts';
import type { OutboxState } from './outbox.ts';
import type { Notice } from './session-client.ts';
import type { TypedCode } from './code.ts';

/** Every word of the page that is not in index.html. */
export const TEXTS = {
  start: {
    heading: 'Pair two browsers',
    intro: 'Start a session on one device, and join it from the other with a short code. Then both can talk.',
    name: 'Your name (optional)',
    nameHint: 'Shown to the other side.',
    create: 'Start a session',
    or: 'or',
    code: 'Code',
    codePlaceholder: 'BCD-234',
    join: 'Join with a code',
  },
  opening: {
    create: 'Starting a session',
    join: (code: string) => `Joining ${code}`,
    returning: 'Returning to your session',
    noAnswer: 'The server did not answer. Trying again; nothing is done twice.',
    cancel: 'Cancel',
    giveUpSeat: 'Leave the session',
  },
  invite: {
    waiting: 'Waiting for the other side',
    join: 'Enter this code on the other device, scan the picture, or open the link.',
    code: 'Pairing code',
    qr: (code: string) => `QR code of the link that joins with ${code}`,
    link: 'Link',
    copy: 'Copy link',
    copied: 'Copied.',
    copyByHand: 'The browser does not allow copying here. The link is selected: copy it by hand.',
    thisDeviceOnly:
      'This address works on this device only. For another device, open this page by the address that this computer has in your network.',
    until: (time: string, left: string) => `Works until ${time} (${left} left).`,
    timeIsUp: 'The time of this code is up.',
    noCode: 'There is no code to join by at the moment.',
    locked: 'The session is locked: nobody can join.',
    reopen: 'Get a new code',
    more: 'Invite somebody else',
  },
  conversation: {
    heading: 'Conversation',
    participants: 'Participants',
    you: 'you',
    host: 'host',
    online: 'online',
    away: 'away',
    server: 'Server',
    unnamed: 'Somebody',
    unnamedSelf: 'You',
    messages: 'Messages',
    empty: 'Nothing has been said yet.',
    forgotten: 'Older messages are no longer shown on this page.',
    gap: (from: number, to: number) =>
      from === to ? 'One message no longer exists.' : `${to - from + 1} messages no longer exist.`,
    sent: 'sent',
    message: 'Message',
    placeholder: 'Write a message',
    nobody: 'Nobody else is here',
    send: 'Send',
    full: 'Too many messages are waiting to be sent. Wait until some have left.',
    discard: 'Remove',
    leave: 'Leave',
    end: 'End session',
    backToStart: 'Back to the start',
    continueHere: 'Continue here',
    idle: 'Nothing has happened in this session for a while.',
    keepOpen: 'Keep it open',
    noAnswer: 'The server did not answer. Try again.',
  },
  ask: {
    end: 'End the session for everybody? Nobody can come back to it.',
    endYes: 'End it',
    leaveUnsent: (count: number) =>
      count === 1
        ? 'One message has not been sent. Leave all the same?'
        : `${count} messages have not been sent. Leave all the same?`,
    leaveYes: 'Leave',
    no: 'Stay',
  },
  close: 'Close',
  stillSeated: (code: string) => `You are in a session. Leave it first, then join ${code}.`,
} as const;

/** The state of the link, for the status line. `wait` names a time that is counted down beside it. */
export function linkText(link: Link, isDeviceOffline: boolean): string {
  switch (link.kind) {
    case 'off':
      return '';
    case 'connecting':
      return 'Connecting to the server.';
    case 'online':
      return 'Connected.';
    case 'reconnecting':
      return isDeviceOffline
        ? 'This device is offline. Messages are kept and sent when it is back.'
        : 'The connection is lost. Trying again; messages are kept until then.';
    case 'paused':
      return pausedText(link.cause);
    case 'draining':
      return 'The server is about to restart. You will be connected again; nothing is lost.';
    case 'ended':
      return 'This session was continued in another window. Only one can have your seat.';
  }
}

function pausedText(cause: WireError['code']): string {
  if (cause === 'RATE_LIMITED')
    return 'Too many connections from your network in a short time. Trying again by itself.';
  return 'The server cannot take connections at the moment. Trying again by itself.';
}

export function noticeText(notice: Notice): string {
  switch (notice.kind) {
    case 'refused':
      return errorText(notice.error);
    case 'seat_lost':
      return `Your seat in the session is gone: you left it, were away for too long, or the session is over.${unsentText(notice.unsent)}`;
    case 'removed':
      return `You were removed from the session.${unsentText(notice.unsent)}`;
    case 'left_unconfirmed':
      return 'You have left. The server could not be told, so the other side sees you as away for a while.';
  }
}

function unsentText(count: number): string {
  if (count === 0) return '';
  return count === 1 ? ' One message was not sent.' : ` ${count} messages were not sent.`;
}

/** What an error means to the person at the page. */
export function errorText(error: WireError): string {
  switch (error.code) {
    case 'SESSION_NOT_FOUND':
      return 'There is no session with this code. It may have expired; ask the other side for a fresh one.';
    case 'SESSION_FULL':
      return 'The session is full.';
    case 'SESSION_LOCKED':
      return 'The session is locked: nobody can join at the moment.';
    case 'SESSION_CLOSED':
      return 'The session has ended.';
    case 'JOIN_DENIED':
      return 'The host did not let you in.';
    case 'RATE_LIMITED':
      return limitText(error);
    case 'UNAVAILABLE':
      return 'The server cannot do this at the moment. Trying again.';
    case 'INTERNAL':
      return 'Something failed in the server. Trying again.';
    case 'UNAUTHENTICATED':
      return 'This server asks for a sign-in, which this page does not offer.';
    case 'FORBIDDEN':
      return 'You may not do this.';
    case 'INVALID_PAYLOAD':
      return 'The server does not accept this: it is too long, or contains something that is not allowed.';
    case 'NOT_IN_SESSION':
      return 'You are no longer in this session.';
    default:
      return `${error.message} (${error.code}).`;
  }
}

function limitText({ limit }: WireError): string {
  const allowance =
    limit === undefined ? '' : ` (${limit.points} in any ${durationText(limit.durationSeconds * 1000)})`;
  switch (limit?.name) {
    case 'messages_user':
    case 'messages_connection':
      return `You are writing faster than this server allows${allowance}.`;
    case 'messages_ip':
      return `There are more messages from your network than this server allows${allowance}.`;
    case 'join_failures_ip':
      return `Too many wrong codes came from your network${allowance}.`;
    case 'join_failures_total':
      return 'This server sees too many wrong codes at the moment.';
    case 'connections_ip':
      return `Too many connections came from your network${allowance}.`;
    default:
      return `That was more than this server allows in a short time${allowance}.`;
  }
}

export function codeFaultText(typed: Exclude<TypedCode, { kind: 'code' }>): string {
  switch (typed.kind) {
    case 'empty':
      return 'Type the code that the other device shows.';
    case 'too_short':
      return 'A code has at least six characters.';
    case 'foreign':
      return `No code contains “${typed.character}”. Codes have no vowels, and no 0, 1 or L.`;
  }
}

export function outboxText(state: OutboxState): string {
  switch (state.kind) {
    case 'waiting':
    case 'limited':
      return 'waiting';
    case 'sending':
      return 'sending';
    case 'repeating':
      return 'not confirmed, sending again';
    case 'failed':
      return `refused: ${errorText(state.error)}`;
  }
}

export function noteText(note: NoteText): string {
  switch (note.kind) {
    case 'joined':
      return `${note.name ?? 'Somebody'} has joined.`;
    case 'left':
      if (note.reason === 'kicked') return `${note.name ?? 'The other side'} was removed.`;
      if (note.reason === 'timeout') return `${note.name ?? 'The other side'} was away for too long and has left.`;
      return `${note.name ?? 'The other side'} has left.`;
    case 'now_host':
      return 'You are the host now.';
    case 'rolled_back':
      return rolledBackText(note.own, note.others);
  }
}

function rolledBackText(own: number, others: number): string {
  const parts = ['The server had a fault and went back to an earlier state.'];
  if (own > 0)
    parts.push(
      own === 1
        ? 'A message of yours is checked and sent again.'
        : `${own} messages of yours are checked and sent again.`,
    );
  if (others > 0)
    parts.push(
      others === 1
        ? 'A message of the other side may be missing until it is sent again.'
        : `${others} messages of the other side may be missing until they are sent again.`,
    );
  return parts.join(' ');
}

export function closedText(reason: CloseReason | null): string {
  switch (reason) {
    case 'closed':
      return 'The session was ended.';
    case 'idle':
      return 'The session has ended, because nothing happened in it for a long time.';
    case 'expired':
      return 'The session has ended: its time was up.';
    case 'empty':
      return 'The session has ended: everybody has left.';
    case null:
      return 'The session has ended.';
  }
}

export function idleText(left: string): string {
  return `It closes in ${left}.`;
}

/** When the user may try again what a limit refused. */
export function againText(left: string): string {
  return `You can try again in ${left}.`;
}

/** A wait that ends by itself, counted down beside the text that explains it. */
export function waitText(left: string): string {
  return `Next try in ${left}.`;
}

export function durationText(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  if (seconds <= 90) return count(seconds, 'second');
  const minutes = Math.round(seconds / 60);
  return minutes <= 90 ? count(minutes, 'minute') : count(Math.round(minutes / 60), 'hour');
}

function count(amount: number, unit: string): string {
  return `${amount} ${unit}${amount === 1 ? '' : 's'}`;
}

/** A time of day on this device: `14:05`, or `02:05 PM` kept on one line. */
export function clockText(iso: string): string {
  return new Date(iso).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }).replace(/\s/g, '\u00a0');
}
