import { TandemError } from '../../protocol/errors.ts';

/** When to repeat: a connection that broke is replaced at once, and a new one has 1.5 s. */
const RETRY_AFTER_MS = 1000;

/** One error for every way in which a database can be away. */
export function unavailable(cause: unknown): TandemError {
  const message = 'The database did not answer in time: repeat, a write with the same id or key.';
  return new TandemError('UNAVAILABLE', message, { cause, retryAfterMs: RETRY_AFTER_MS });
}
