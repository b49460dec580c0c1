import type { TandemError } from '../client/index.ts';
import type { Notice } from './page-seat.ts';
import { TEXTS } from './texts.ts';
import { durationText } from './time-texts.ts';

export function noticeText(notice: Notice): string {
  switch (notice.kind) {
    case 'refused':
      return errorText(notice.error);
    case 'no_encryption':
      return 'The session behind this link is end-to-end encrypted, and this page cannot decrypt it: browsers allow that only to pages that come over https. Open the link by an https address.';
    case 'no_key':
      return 'This session is end-to-end encrypted. The code alone is not enough: open the link of the other device, or scan its QR code.';
    case 'wrong_key':
      return 'The key in this link does not fit the session. Copy the link again, from its beginning to its end, or scan the QR code.';
    case 'ended':
      return `${endText(notice.reason)}${unsentText(notice.unsent)}`;
    case 'no_answer':
      return 'The host did not answer within a minute. Tell the host that you want to join, then try again.';
    case 'left_unconfirmed':
      return 'You have left. The server could not be told, so the other side sees you as away for a while.';
  }
}

function endText(reason: (Notice & { kind: 'ended' })['reason']): string {
  switch (reason) {
    case 'kicked':
      return 'The host removed you from the session.';
    case 'revoked':
      return 'Your sign-in was ended, and your seat in the session with it.';
    case 'unauthenticated':
      return 'The server asks for a sign-in. Your seat in the session is gone.';
    case 'rejected':
      return 'Your seat in the session is gone: you were away for too long, or the session is over.';
    case 'replaced':
      return 'Your seat in the session went on elsewhere.';
    case 'left':
    case 'abandoned':
      return 'You have left the session.';
  }
}

function unsentText(count: number): string {
  if (count === 0) return '';
  return count === 1 ? ' One message was not sent.' : ` ${count} messages were not sent.`;
}

/** Why a command had no effect, as far as it is known. */
export function commandFaultText(error: TandemError): string {
  switch (error.code) {
    case 'UNAVAILABLE':
    case 'INTERNAL':
      return TEXTS.panel.noAnswer;
    case 'JOIN_DENIED':
      return TEXTS.panel.noKnock;
    case 'SESSION_LOCKED':
      return TEXTS.panel.unlockFirst;
    default:
      return errorText(error);
  }
}

/** What an error means to the person at the page. */
export function errorText(error: Pick<TandemError, 'code' | 'message' | 'limit'>): string {
  switch (error.code) {
    case 'SESSION_NOT_FOUND':
      return 'There is no session with this code. It may have expired; ask the other side for a fresh one.';
    case 'SESSION_FULL':
      return 'The session is full: every seat is taken. Somebody has to leave first.';
    case 'SESSION_LOCKED':
      return 'The session is locked. Ask the host to unlock it, then try again.';
    case 'SESSION_CLOSED':
      return 'The session has ended. Start a new one, or ask for another code.';
    case 'JOIN_DENIED':
      return 'The host did not let you in.';
    case 'RATE_LIMITED':
      return limitText(error);
    case 'UNAVAILABLE':
      return 'The server cannot do this at the moment.';
    case 'INTERNAL':
      return 'Something failed in the server.';
    case 'UNAUTHENTICATED':
      return 'This server asks for a sign-in first.';
    case 'FORBIDDEN':
      return 'You may not do this.';
    case 'INVALID_PAYLOAD':
      return 'The server does not accept this: it is too long, or contains something that is not allowed.';
    case 'RESUME_REJECTED':
      return 'This seat is gone: it was given up, or its time is over.';
    case 'NOT_IN_SESSION':
      return 'You are no longer in this session.';
    default:
      return `${error.message} (${error.code}).`;
  }
}

function limitText({ limit }: Pick<TandemError, 'limit'>): string {
  const allowance = limit === undefined ? '' : ` (${limit.points} in any ${windowText(limit.durationSeconds)})`;
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

function windowText(seconds: number): string {
  return seconds === 1 ? 'second' : durationText(seconds * 1000);
}

/** Why an own message was given up. */
export function failedText(error: TandemError): string {
  switch (error.code) {
    case 'UNAVAILABLE':
      return 'Not sent: it could not be delivered to the server in time.';
    case 'ID_REUSED':
    case 'INTERNAL':
      return 'Not sent: something failed. Write it again.';
    default:
      return `Not sent. ${errorText(error)}`;
  }
}

/** Why a message was not even queued; it is still in the line to write in. */
export function unqueuedText(error: TandemError): string {
  if (error.code === 'UNAVAILABLE') return 'Too many messages are waiting to be sent. Wait until some have left.';
  return errorText(error);
}
