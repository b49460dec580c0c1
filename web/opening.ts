import type { CommandResult } from '../protocol/commands.ts';
import type { WireError } from '../protocol/errors.ts';
import { backoffMs } from './backoff.ts';
import type { Connection, Outcome } from './connection.ts';
import { randomId } from './random-id.ts';

/** What somebody wants on the start page. */
export type OpeningWish =
  { command: 'session:create'; name: string } | { command: 'session:join'; name: string; code: string };

export type OpenedSeat = CommandResult<'session:create'>;

export type Opening =
  | { kind: 'opened'; seat: OpenedSeat }
  | { kind: 'refused'; error: WireError }
  /** Given up by the user, or there is no connection to be had. */
  | { kind: 'stopped' };

type Requests = Pick<Connection, 'request' | 'whenConnected'>;

/**
 * Takes a seat, by create or join. What has no known outcome is repeated under the same key, so that it never takes a
 * second seat; what a limit refuses is the user's to decide, because the next code may be another.
 */
export async function openSeat(
  wish: OpeningWish,
  requests: Requests,
  giveUp: AbortSignal,
  onRepeat: (error: WireError | null) => void,
): Promise<Opening> {
  const key = randomId(32);
  const isGivenUp = (): boolean => giveUp.aborted;
  for (let attempt = 1; ; attempt++) {
    const isConnected = await requests.whenConnected(giveUp);
    if (!isConnected || isGivenUp()) return { kind: 'stopped' };
    const outcome = await ask(wish, key, requests);
    if (isGivenUp()) return { kind: 'stopped' };
    if (outcome.kind === 'ok') return { kind: 'opened', seat: outcome.result };
    const error = outcome.kind === 'refused' ? outcome.error : null;
    if (error !== null && (!error.retryable || error.code === 'RATE_LIMITED')) return { kind: 'refused', error };
    onRepeat(error);
    await pause(backoffMs(attempt, error?.retryAfterMs), giveUp);
  }
}

function ask(wish: OpeningWish, key: string, requests: Requests): Promise<Outcome<'session:create' | 'session:join'>> {
  const name = wish.name === '' ? {} : { name: wish.name };
  return wish.command === 'session:create'
    ? requests.request('session:create', { ...name, key })
    : requests.request('session:join', { ...name, code: wish.code, key });
}

function pause(delayMs: number, giveUp: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, delayMs);
    const stop = (): void => {
      clearTimeout(timer);
      resolve();
    };
    giveUp.addEventListener('abort', stop, { once: true });
  });
}
