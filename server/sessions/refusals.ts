import { ERRORS, TandemError, type ErrorCode } from '../../protocol/errors.ts';

/** Why a rule or a store said no, and the code that says so to the caller. */
const CODES = {
  no_such_session: 'SESSION_NOT_FOUND',
  code_dead: 'SESSION_NOT_FOUND',
  session_full: 'SESSION_FULL',
  session_locked: 'SESSION_LOCKED',
  session_closed: 'SESSION_CLOSED',
  not_seated: 'NOT_IN_SESSION',
  not_host: 'FORBIDDEN',
  kicked: 'FORBIDDEN',
  rejected: 'RESUME_REJECTED',
  denied: 'JOIN_DENIED',
  overdue: 'JOIN_DENIED',
  withdrawn: 'JOIN_DENIED',
  moved: 'JOIN_DENIED',
  unknown_knock: 'JOIN_DENIED',
  too_many_knocks: 'UNAVAILABLE',
  id_reused: 'ID_REUSED',
} as const satisfies Record<string, ErrorCode>;

export type RefusalKind = keyof typeof CODES;

const MESSAGES: Partial<Record<RefusalKind, string>> = {
  not_host: 'Only the host of the session can do this.',
  kicked: 'You were removed from this session.',
  not_seated: 'This connection holds no seat of a session: create, join or resume one first.',
  session_closed: 'The session is closed: create or join another one.',
  id_reused: 'This id was sent before with another body or type: use a new id for a new message.',
  rejected: 'No seat can be resumed with these values: it was left or kicked, or the token is another. Join anew.',
  denied: 'The host did not let you in.',
  overdue: 'The host did not answer in time: join again.',
  withdrawn: 'The join was withdrawn before the host answered.',
  moved: 'The join goes on at the connection on which it was repeated with the same key.',
  unknown_knock: 'Nobody waits with this knock any more.',
  too_many_knocks: 'As many as can wait for this host do already: try again later.',
  code_dead: 'No session can be joined by this code: ask for a fresh one.',
};

export function refused(kind: RefusalKind): TandemError {
  const code = CODES[kind];
  return new TandemError(code, MESSAGES[kind] ?? ERRORS[code].title);
}

/** A payload whose shape is right and whose value is not. */
export function invalid(path: string, message: string): TandemError {
  return new TandemError('INVALID_PAYLOAD', `${path}: ${message}`, { issues: [{ path, message }] });
}

export function rateLimited(limit: NonNullable<TandemError['limit']>, retryAfterMs: number): TandemError {
  const wait = Math.ceil(retryAfterMs);
  const text = `The limit ${limit.name} of ${limit.points} per ${limit.durationSeconds} s is exhausted: wait ${wait} ms.`;
  return new TandemError('RATE_LIMITED', text, { limit, retryAfterMs: wait });
}
