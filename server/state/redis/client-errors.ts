import { TandemError } from '../../../protocol/errors.ts';

/**
 * Error codes of a Redis that works but cannot serve this now: loading, demoted, failing over, full, or not letting us
 * in. The same command can succeed later without a change.
 */
const UNAVAILABLE = [
  ...['LOADING', 'READONLY', 'MASTERDOWN', 'NOREPLICAS', 'MISCONF', 'OOM', 'BUSY', 'UNBLOCKED'],
  ...['CLUSTERDOWN', 'TRYAGAIN', 'MOVED', 'ASK', 'NOAUTH', 'WRONGPASS'],
];

/** Redis 6 wraps what a script's command met: `ERR Error running script (call to f_…): @user_script:1: -OOM command …`. */
const UNAVAILABLE_REPLY = new RegExp(
  `^(?:${UNAVAILABLE.join('|')})\\b|^ERR Error running script.*-(?:${UNAVAILABLE.join('|')})\\b|^ERR max number of clients`,
);

/** An answer of Redis that is an error. Everything else that a command rejects with is a matter of the connection. */
export class RedisReplyError extends Error {
  override readonly name = 'RedisReplyError';
}

/** The error that a caller sees: `UNAVAILABLE`, or what Redis has against this very command or script. */
export function toCallerError(error: unknown): Error {
  if (error instanceof TandemError) return error;
  if (error instanceof RedisReplyError && !UNAVAILABLE_REPLY.test(error.message)) return error;
  return unavailable(toError(error));
}

/** Redis could not be asked, or did not answer: it may be asked again. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof TandemError && error.code === 'UNAVAILABLE';
}

export function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

export function unavailable(cause: Error): TandemError {
  return new TandemError('UNAVAILABLE', undefined, { cause });
}

/** The code that an error reply begins with, such as `NOSCRIPT`; empty for every other error. */
export function replyCode(error: unknown): string {
  if (!(error instanceof RedisReplyError)) return '';
  return /^[A-Z]+/.exec(error.message)?.[0] ?? '';
}
