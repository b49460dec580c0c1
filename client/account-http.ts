import { ERRORS, TandemError, type ErrorCode } from '../protocol/errors.ts';
import type { Clock } from './clock.ts';
import { isRecord, parseRefusal } from './wire.ts';

export interface HttpCall {
  readonly token?: string;
  readonly body?: object;
  readonly signal?: AbortSignal | undefined;
  /** Longest wait for the whole answer. */
  readonly deadlineMs?: number;
}

/** What comes back, not looked at yet; undefined when there is nothing. */
export type Http = (method: 'GET' | 'POST' | 'DELETE', path: string, call?: HttpCall) => Promise<unknown>;

/** A password is hashed in a queue that is bounded by the server; this is longer than that. */
const DEADLINE_MS = 15_000;

/** The HTTP interface of the server at `origin`: each answer has a deadline, each failure is a `TandemError`. */
export function httpOf(origin: string, clock: Clock, fetchIt: typeof fetch): Http {
  return async (method, path, { token, body, signal, deadlineMs = DEADLINE_MS } = {}) => {
    signal?.throwIfAborted();
    const giveUp = new AbortController();
    const abort = (): void => giveUp.abort();
    const stopTimer = clock.after(deadlineMs, abort);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const response = await fetchIt(`${origin}/api/v1${path}`, {
        method,
        headers: {
          ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: giveUp.signal,
        cache: 'no-store',
        credentials: 'omit',
      });
      const text = await response.text();
      if (!response.ok) throw refusalOf(response.status, text);
      return text === '' ? undefined : (JSON.parse(text) as unknown);
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof TandemError) throw cause;
      throw new TandemError('UNAVAILABLE', 'No connection, or no answer: whether it was done is unknown.', { cause });
    } finally {
      stopTimer();
      signal?.removeEventListener('abort', abort);
    }
  };
}

/** A proxy in between answers in words of its own, and mostly because it does not reach the server. */
function refusalOf(status: number, text: string): TandemError {
  const problem = parsed(text);
  if (isRecord(problem)) {
    const { code, detail } = problem;
    const known = Object.hasOwn(ERRORS, String(code)) ? ERRORS[code as ErrorCode] : null;
    const retryable = known?.retryable ?? status >= 500;
    const refusal = parseRefusal({ ...problem, message: detail, retryable });
    if (refusal !== null) return TandemError.fromWire(refusal);
  }
  return new TandemError(status === 429 ? 'RATE_LIMITED' : 'UNAVAILABLE', `The server answered ${status}.`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No JSON: not an answer of Tandem.
    return null;
  }
}
