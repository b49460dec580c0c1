import type { TandemError } from '../../client/index.ts';
import { errorText } from '../error-texts.ts';

/** Every word about accounts. */
export const ACCOUNT_TEXTS = {
  signIn: 'Sign in',
  register: 'Make an account',
  account: 'Account',
  accountOf: (name: string) => `Account of ${name}`,
  why: 'You need no account to pair. With one you find your sessions again, on every device.',
  serverAsks: 'This server lets nobody in without a sign-in.',
  seatAsks: 'Sign in again to take your seat back.',
  noAccount: 'No account yet?',
  hasAccount: 'You have one?',
  email: 'E-mail address',
  password: 'Password',
  newPassword: 'New password',
  currentPassword: 'Present password',
  passwordHint: 'At least 8 characters, and none of the passwords that everybody uses.',
  name: 'Name (optional)',
  nameHint: 'Shown to the other side in your sessions.',
  signOut: 'Sign out',
  signOutQuestion: 'Sign out on this device?',
  signOutSeat: 'You give up your seat in the session with it.',
  sessions: 'My sessions',
  devices: 'My devices',
  changePassword: 'Change the password',
  passwordChanged: 'The password is changed. All other devices were signed out.',
  refused: 'You are no longer signed in on this device: the sign-in was ended elsewhere, or it is too old.',
  unconfirmed: 'You have signed out here. The server could not be told, so it lists this device for a while.',
  loading: 'Loading.',
  retry: 'Try again',
  missing: {
    email: 'Type your e-mail address.',
    password: 'Type your password.',
    current: 'Type the password that you have now.',
    next: 'Type a new password.',
  },
  history: {
    none: 'No sessions yet. Those that you start or join while you are signed in are kept here.',
    more: 'Show more',
    list: 'Sessions, the newest first',
    alone: 'Nobody else',
    with: (names: string) => `With ${names}`,
    status: { waiting: 'open, waiting', paired: 'open', closed: 'over' },
    messages: (count: number) => (count === 0 ? 'no messages' : count === 1 ? '1 message' : `${count} messages`),
    read: 'Read',
    readOf: (when: string) => `Read the session of ${when}`,
    resume: 'Continue',
    resumeOf: (when: string) => `Continue the session of ${when}`,
    here: 'You are in it.',
    encrypted:
      'This session is end-to-end encrypted: the server cannot read it, and the key was never more than on the devices in it.',
    nothing: 'Nothing was said.',
    earlier: 'Show earlier messages',
    back: 'Back to the list',
    heading: (when: string) => `Session of ${when}`,
    messageList: 'Messages',
  },
  device: {
    list: 'Devices that are signed in, the newest login first',
    unknown: 'Unknown device',
    current: 'this device',
    used: (when: string) => `last used ${when}`,
    end: 'Sign out',
    endOf: (name: string) => `Sign out ${name}`,
    everywhere: 'Sign out everywhere',
    everywhereQuestion: 'Sign out on all devices?',
    everywhereWhy: 'This one too. Whoever is connected under your account is disconnected at once.',
  },
} as const;

/** What an error of an account means to the person at the page. `form`: what was being done. */
export function accountErrorText(error: TandemError, form: 'sign_in' | 'register' | 'password' | 'other'): string {
  switch (error.code) {
    case 'INVALID_CREDENTIALS':
      return form === 'password' ? 'The present password is wrong.' : 'The e-mail address or the password is wrong.';
    case 'EMAIL_TAKEN':
      return 'There is an account with this e-mail address. Sign in to it.';
    case 'INVALID_PAYLOAD':
      return invalidText(error);
    case 'FORBIDDEN':
      if (form === 'register') return 'This server takes no new accounts. Ask whoever runs it.';
      return form === 'password' ? 'The password of this account is kept elsewhere.' : errorText(error);
    case 'RATE_LIMITED':
      return form === 'other'
        ? 'That was more than this server allows in a short time.'
        : 'Too many attempts came from your network in a short time.';
    case 'UNAUTHENTICATED':
      return 'You are no longer signed in. Sign in again.';
    case 'UNAVAILABLE':
      return 'The server does not answer. Try again.';
    default:
      return errorText(error);
  }
}

function invalidText({ issues = [], message }: TandemError): string {
  switch (issues[0]?.path) {
    case 'email':
      return 'This is no e-mail address that can be used here.';
    case 'password':
    case 'next':
      return 'Choose another password: 8 to 200 characters, and none that everybody uses.';
    case 'name':
      return 'Choose another name: up to 64 characters, and no odd ones.';
    default:
      return message;
  }
}

/** A day and a time on this device. */
export function whenText(iso: string): string {
  return new Date(iso).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
}
