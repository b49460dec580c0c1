import type { TandemError } from '../../protocol/errors.ts';
import type { Role, SessionStatus } from '../../protocol/session.ts';
import { durationText } from '../time-texts.ts';
import { timeText } from './format.ts';
import type { LinkState } from './link.ts';

/** Words of the console that more than one view uses, and those that depend on what happened. */
export const CONSOLE_TEXTS = {
  title: 'Console - Tandem',
  overview: 'Overview',
  sessions: 'Sessions',
  session: 'Session',
  users: 'Users',
  forget: 'Forget token',
  unnamed: 'without a name',
  loading: 'Loading.',
  refresh: 'Refresh',
  more: 'Load more',
  signIn: {
    heading: 'Operator\u2019s console',
    intro: 'Shows what this deployment does, and lets you act on it.',
    label: 'Admin token',
    hint: 'ADMIN_TOKEN of the server. It stays in the memory of this page: a reload asks again.',
    go: 'Open the console',
    missing: 'Type or paste the admin token.',
    opening: 'Asking the server.',
  },
  drain: {
    button: 'Drain',
    label: (name: string) => `Drain instance ${name}`,
    question: (name: string) => `Drain instance ${name}?`,
    why: 'Its connections move to other instances and lose nothing. Then it stops, as after SIGTERM, and whatever runs it has to start it again.',
    only: 'No other instance is ready: until one is, nobody can connect.',
    yes: 'Drain it',
    done: (name: string) => `Instance ${name} drains.`,
  },
  close: {
    button: 'Close the session',
    question: 'Close this session for all?',
    why: 'Everybody in it is told, and nobody can come back to it. This cannot be undone.',
    yes: 'Close it',
    done: 'The session is closed.',
  },
  kick: {
    button: 'Remove',
    label: (name: string) => `Remove ${name}`,
    question: (name: string) => `Remove ${name} from the session?`,
    why: 'The seat is gone for good, and the present code stops working.',
    yes: 'Remove',
    done: (name: string) => `${name} was removed.`,
  },
  signOut: {
    one: 'Sign out',
    oneLabel: (device: string, since: string) => `Sign out ${device}, signed in ${since}`,
    oneQuestion: 'Sign this device out?',
    oneWhy: 'Its tokens end everywhere at once, and so do its connections.',
    all: 'Sign out everywhere',
    allQuestion: 'Sign this user out on every device?',
    allWhy: 'All of the user\u2019s tokens end everywhere at once, and so do the connections.',
    oneDone: 'The device is signed out.',
    allDone: 'The user is signed out everywhere.',
    foreign: 'No account here',
    foreignWhy:
      'If this is the id of a user of another issuer, that user can be signed out all the same. It is taken as it is typed:',
  },
} as const;

export const STATUS_WORDS: Readonly<Record<SessionStatus, string>> = {
  waiting: 'Waiting',
  paired: 'Paired',
  closed: 'Closed',
};

export const ROLE_WORDS: Readonly<Record<Role, string>> = { host: 'Host', guest: 'Guest' };

/** The state of the connection in words; nothing while it is as it should be. */
export function linkText(state: LinkState, lastReportAt: string | null): string {
  const since = lastReportAt === null ? '' : ` What you see is of ${timeText(lastReportAt)}.`;
  switch (state.kind) {
    case 'off':
    case 'online':
    case 'refused':
      return '';
    case 'connecting':
      return CONSOLE_TEXTS.signIn.opening;
    case 'lost':
      return state.why === 'busy'
        ? `The server takes no more consoles for now: too many are open there, or too many wrong tokens are tried. Trying again at ${timeText(state.retryAtMs)}.${since}`
        : `${LOST_WORDS[state.why]}${since}`;
  }
}

const LOST_WORDS = {
  draining: 'The instance that told this is stopping. Looking for another one.',
  silent: 'The server says nothing any more. Connecting again.',
  gone: 'The connection is lost. Connecting again.',
} as const;

/** Why the console does not open. */
export function refusalText(error: TandemError, wasOpen: boolean): string {
  switch (error.code) {
    case 'UNAUTHENTICATED':
    case 'INVALID_PAYLOAD':
      return wasOpen
        ? 'The server no longer takes this token: it was changed or withdrawn. Type the present one.'
        : 'The server does not take this token. Compare it with ADMIN_TOKEN of the server, from its first to its last character.';
    case 'FORBIDDEN':
    case 'UNKNOWN_COMMAND':
      return 'This server has no console: ADMIN_TOKEN is not set there.';
    default:
      return consoleErrorText(error);
  }
}

/** Why a command of the console had no effect, or what is not known about it. */
export function consoleErrorText(error: TandemError): string {
  switch (error.code) {
    case 'SESSION_NOT_FOUND':
      return 'There is no session with this id, or it is too old to be kept.';
    case 'SESSION_CLOSED':
      return 'The session is closed already.';
    case 'NOT_IN_SESSION':
      return 'This participant is no longer in the session.';
    case 'UNAVAILABLE':
      // Whoever could not do it says what to do: the server, or the link where there was no answer.
      return sentence(error.message);
    case 'RATE_LIMITED':
      return `That was more than the server allows in a short time.${againText(error)}`;
    case 'INTERNAL':
      return 'Something failed in the server; its log says what.';
    case 'INVALID_PAYLOAD':
      return sentence(error.issues?.[0]?.message ?? error.message);
    default:
      return `${error.message} (${error.code}).`;
  }
}

function againText({ retryAfterMs }: TandemError): string {
  return retryAfterMs === undefined ? ' Try again later.' : ` Try again in ${durationText(retryAfterMs)}.`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`;
}
