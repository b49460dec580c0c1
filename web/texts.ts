import type { CloseReason, ConnectionState, EndReason, QueueState, TandemError } from '../client/index.ts';
import type { NoteText } from './conversation/transcript.ts';
import type { Reach } from './conversation/receipts.ts';
import type { Unreadable } from './pairing-text.ts';
import type { CameraFault, ScannerFault } from './scanner.ts';
import { count } from './time-texts.ts';

/** Every word of the page that is not in index.html. */
export const TEXTS = {
  title: 'Tandem',
  start: {
    heading: 'Pair two browsers',
    intro: 'Start a session on one device, and join it from the other with a short code. Then both can talk.',
    name: 'Your name (optional)',
    nameHint: 'Shown to the other side.',
    create: 'Start a session',
    encrypt: 'End-to-end encrypted',
    encryptHint:
      'Only the devices in the session can read it. The others join by link or QR code: the code alone is not enough.',
    encryptMissing:
      'End-to-end encryption is not available here: browsers offer it only to pages that come over https, or from this computer itself.',
    approval: 'Ask me before somebody joins',
    approvalHint: 'Others wait until you let them in.',
    or: 'or',
    code: 'Code',
    codeHint: 'The code that the other device shows, or its link.',
    codePlaceholder: 'BCD-234',
    join: 'Join with a code',
    scan: 'Scan a code',
  },
  scan: {
    asking: 'Waiting for the camera. The browser may ask for your permission.',
    looking: 'Hold the QR code of the other device in front of the camera.',
    picture: 'Picture of the camera',
  },
  takeOver: {
    heading: 'Continue a session on this device',
    explain:
      'The link that you opened hands a seat in a session over. If you go on, you take part on this device, and the other one stops.',
    caution: 'Go on only if the link comes from a device of your own.',
    yes: 'Take the seat over',
  },
  opening: {
    create: 'Starting a session',
    join: (code: string) => `Joining ${code}`,
    takeOver: 'Taking the seat over',
    wait: 'Waiting for the server.',
    host: 'Waiting for the host, who may have to let you in. This takes a minute at most.',
    noAnswer: 'The server did not answer. Trying again; nothing is done twice.',
    again: 'Trying again.',
  },
  invite: {
    waiting: 'Waiting for the other side',
    join: 'Enter this code on the other device, scan the picture, or open the link.',
    joinEncrypted:
      'Scan the picture with the other device, or open the link there. They carry the key of the encryption: the code alone is not enough.',
    code: 'Pairing code',
    qr: (code: string) => `QR code of the link that joins with ${code}`,
    link: 'Link',
    copyCode: 'Copy code',
    share: 'Share',
    shareTitle: 'Join my Tandem session',
    copied: 'Copied.',
    copyByHand: 'The browser does not allow copying here. The text is selected: copy it by hand.',
    thisDeviceOnly:
      'This address works on this device only. For another device, open this page by the address that this computer has in your network.',
    until: (time: string, left: string) => `Works until ${time} (${left} left).`,
    timeIsUp: 'The time of this code is up.',
    noCode: 'There is no code to join by at the moment.',
    noCodeGuest: 'There is no code to join by at the moment. The host can get a new one.',
    locked: 'The session is locked: nobody can join.',
    reopen: 'Get a new code',
    more: 'Invite somebody else',
    approval: 'You are asked about everybody who wants to join.',
    approvalGuest: 'The host is asked about everybody who wants to join.',
  },
  knocks: {
    heading: 'Waiting to be let in',
    asks: (name: string, ip: string) => `${name} asks to be let in, from the address ${ip}.`,
    from: (ip: string) => `from ${ip}`,
    answering: 'Telling the server.',
    admit: 'Let in',
    admitName: (name: string) => `Let in ${name}`,
    refuse: 'Refuse',
    refuseName: (name: string) => `Refuse ${name}`,
    title: (count: number) => (count === 1 ? 'Somebody asks to be let in' : `${count} ask to be let in`),
  },
  panel: {
    heading: 'Session',
    participants: 'Participants',
    you: 'you',
    host: 'host',
    guest: 'guest',
    online: 'online',
    away: 'away',
    idle: 'idle',
    unnamed: 'Somebody',
    unnamedSelf: 'You',
    encrypted: 'End-to-end encrypted',
    notEncrypted: 'Encrypted on the way to the server only',
    notEncryptedHttp: 'Not encrypted: this page came over plain http',
    more: 'Manage the session',
    kick: (name: string) => `Remove ${name}`,
    kickShort: 'Remove',
    lock: 'Lock the session',
    unlock: 'Unlock the session',
    isLocked: 'Locked: nobody can join.',
    end: 'End for all',
    handOver: 'Continue on another device',
    leave: 'Leave',
    backToStart: 'Back to the start',
    idleWarning: 'Nothing has happened in this session for a while.',
    keepOpen: 'Keep it open',
    noAnswer: 'There was no answer, so it is not known whether this was done. Try again.',
    noKnock: 'They no longer wait to be let in.',
    unlockFirst: 'The session is locked. Unlock it to let somebody in.',
  },
  handOver: {
    explain:
      'Scan the picture with the other device, or open the link there. You then go on there in your place, and this device stops.',
    caution: 'Whoever has this picture or link can take your seat. Show it to nobody else.',
    unsent: (count: number) =>
      count === 1
        ? 'One message is still waiting to be sent. The link appears when it has left.'
        : `${count} messages are still waiting to be sent. The link appears when they have left.`,
    show: 'Show the link',
    qr: 'QR code of the link that takes the seat over',
    link: 'Link to your seat',
  },
  ask: {
    end: 'End the session for everybody?',
    endWhy: 'Nobody can come back to it.',
    endYes: 'End it',
    leave: 'Leave the session?',
    leaveWhy: 'Your seat is given up. To come back you need a code again.',
    leaveUnsent: (count: number) =>
      count === 1
        ? 'One message has not been sent and will be lost.'
        : `${count} messages have not been sent and will be lost.`,
    leaveYes: 'Leave it',
    kick: (name: string) => `Remove ${name} from the session?`,
    kickWhy: 'The present code stops working too, so that it cannot be used to come back.',
    kickYes: 'Remove',
    reopen: 'Get a new code?',
    reopenWhy: 'The present code and its link stop working.',
    reopenYes: 'Get it',
  },
  continueHere: 'Continue here',
  cancel: 'Cancel',
  close: 'Close',
  copyLink: 'Copy link',
  unstored:
    'This browser keeps nothing for this page: its storage is full or forbidden. If you reload or close the page, you lose your seat and what is still waiting to be sent.',
  stillSeated: 'You are in a session. Leave it first, then open the link again or join with its code.',
  conversation: {
    heading: 'Conversation',
    messages: 'Messages',
    empty: 'Nothing has been said yet.',
    you: 'you',
    server: 'Server',
    missing: (count: number) => (count === 1 ? 'One message no longer exists.' : `${count} messages no longer exist.`),
    unreadable: {
      plaintext:
        'This message was not encrypted, although the session is. Nobody can tell who wrote it, so it is not shown.',
      wrong_key: 'This message cannot be decrypted: it was not encrypted with the key of this session.',
    },
    showAll: 'Show all',
    showLess: 'Show less',
    newMessages: (count: number) => (count === 1 ? 'One new message' : `${count} new messages`),
    toEnd: 'To the newest',
    sent: 'sent',
    writeAgain: 'Write again',
    discard: 'Discard',
    loading: { older: 'Loading earlier messages.', newer: 'Loading later messages.' },
    load: { older: 'Show earlier messages', newer: 'Show later messages' },
    notLoaded: { older: 'Earlier messages could not be loaded.', newer: 'Later messages could not be loaded.' },
    retrying: 'Trying again by itself.',
    retry: 'Try again now',
    beginning: 'This is the beginning of the conversation.',
    beginningForYou: 'You joined here. What was said before is not shown to you.',
    message: 'Message',
    placeholder: 'Write a message',
    send: 'Send',
    nobody: 'Nobody else is here to read a message.',
    closed: 'The session has ended. Nothing can be written any more.',
    elsewhere: 'Your seat is in use elsewhere. Continue here to write.',
    signedOut: 'You are signed out. Continue here to write.',
    left: 'You no longer have a seat in this session.',
    notEmpty: 'The line to write in is not empty. Send or delete what is there, then write the other one again.',
    typing: {
      one: (name: string) => `${name} is typing`,
      two: (first: string, second: string) => `${first} and ${second} are typing`,
      more: (count: number) => `${count} people are typing`,
    },
  },
} as const;

/**
 * The state of the connection, for the status line. A time that is counted down stands beside it. `isRestart`: the server
 * had told that it would go.
 */
export function connectionText(connection: ConnectionState, isDeviceOffline: boolean, isRestart: boolean): string {
  // A server on this device, or in its own network, may be there all the same.
  const isLost = connection.kind === 'connecting' || connection.kind === 'reconnecting';
  if (isDeviceOffline && isLost) return 'This device is offline. Messages are kept and sent when it is back.';
  switch (connection.kind) {
    case 'closed':
      return '';
    case 'connecting':
      return 'Connecting to the server.';
    case 'online':
      return 'Connected.';
    case 'draining':
      return 'The server is about to restart. You will be connected again; nothing is lost.';
    case 'reconnecting':
      return lostText(connection.cause, isRestart);
  }
}

function lostText(cause: TandemError | null, isRestart: boolean): string {
  switch (cause?.code) {
    case undefined:
      if (isRestart) return 'The server is restarting. Trying again; messages are kept until then.';
      return 'The connection is lost. Trying again; messages are kept until then.';
    case 'RATE_LIMITED':
      return 'Too many connections from your network in a short time. Trying again by itself.';
    default:
      return 'The server cannot take connections at the moment. Trying again by itself.';
  }
}

/** The seat is elsewhere, and can be taken back. */
export function endedText(reason: EndReason): string {
  switch (reason) {
    case 'revoked':
      return 'Your sign-in was ended, and your connection with it. Sign in again to take your seat back.';
    case 'unauthenticated':
      return 'The server asks for a sign-in before it gives your seat back.';
    default:
      return 'This session goes on in another window or on another device. Only one at a time can have your seat.';
  }
}

/** Why a text is no way into a session. */
export function unreadableText(text: Unreadable): string {
  switch (text.kind) {
    case 'empty':
      return 'Type the code that the other device shows.';
    case 'too_short':
      return 'A code has at least six characters.';
    case 'foreign':
      return `No code contains “${text.character}”. Codes have no vowels, and no 0, 1 or L.`;
    case 'foreign_text':
      return 'This is no invitation to a Tandem session.';
    case 'elsewhere':
      return `This leads to another address, ${text.host}. Open it in the browser itself.`;
    case 'damaged':
      return 'This link is not complete. Copy it again, from its beginning to its end.';
  }
}

/** Why there is no scanning on this page. */
export function scannerFaultText(fault: ScannerFault): string {
  const otherwise = 'Type the code, or point the camera app of your phone at the QR code.';
  switch (fault) {
    case 'insecure':
      return `Scanning is not possible here: over plain http browsers give no page the camera. ${otherwise}`;
    case 'no_camera':
      return `Scanning is not possible here: this browser gives pages no camera. ${otherwise}`;
    case 'no_scanner':
      return `Scanning is not possible here: this browser has no scanner for QR codes. ${otherwise}`;
  }
}

/** Why the camera shows nothing. */
export function cameraFaultText(fault: CameraFault): string {
  switch (fault) {
    case 'denied':
      return 'This page may not use the camera. Allow it in the settings of the browser for this page, or type the code.';
    case 'missing':
      return 'There is no camera on this device. Type the code instead.';
    case 'busy':
      return 'The camera cannot be used: another program may have it. Close that, or type the code.';
    case 'failed':
      return 'The camera stopped. Try again, or type the code.';
  }
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

/** What happened between messages. `name` is put where the participant's name belongs. */
export function noteWords(note: NoteText, name: string): string {
  switch (note.kind) {
    case 'joined':
      return `${name} has joined.`;
    case 'left':
      if (note.reason === 'kicked') return `${name} was removed.`;
      if (note.reason === 'timeout') return `${name} was away for too long and has left.`;
      return `${name} has left.`;
    case 'now_host':
      return 'You are the host now.';
    case 'taken_back':
      return takenBackText(note.own, note.others);
  }
}

function takenBackText(own: number, others: number): string {
  const parts = ['The server had a fault and went back to an earlier state.'];
  if (own > 0)
    parts.push(
      own === 1
        ? 'A message of yours is checked, and sent again if it was lost.'
        : `${own} messages of yours are checked, and sent again if they were lost.`,
    );
  if (others > 0)
    parts.push(
      others === 1
        ? 'A message of somebody else was taken back; it may come again.'
        : `${others} messages of others were taken back; they may come again.`,
    );
  return parts.join(' ');
}

/** How far an own message has got. */
export function reachText({ peers, delivered, read }: Reach): string {
  if (delivered === 0) return TEXTS.conversation.sent;
  if (peers === 1) return read === 1 ? 'read' : 'delivered';
  return read > 0 ? `read by ${read} of ${peers}` : `delivered to ${delivered} of ${peers}`;
}

export function queueStateText(state: QueueState, isClosed: boolean): string {
  switch (state.kind) {
    case 'waiting':
    case 'limited':
      return isClosed ? 'not sent' : 'waiting to be sent';
    case 'sending':
      return 'sending';
    case 'repeating':
      return 'not confirmed, sending again';
  }
}

/** How much of a long message fits. */
export function roomText(bytesLeft: number): string {
  return bytesLeft < 0
    ? `Too long by ${count(-bytesLeft, 'byte')}. Send it in parts.`
    : `Room for ${count(bytesLeft, 'byte')} more.`;
}
