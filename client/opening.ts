import type { CommandPayload, CommandResult } from '../protocol/commands.ts';
import type { TandemError } from '../protocol/errors.ts';
import { backoffMs } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Connection } from './connection.ts';

export interface OpeningParts {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly random: () => number;
  /** Rejects when it was given up. */
  readonly whenOnline: () => Promise<void>;
  readonly giveUp: AbortSignal;
  readonly onRepeat: ((error: TandemError | null) => void) | undefined;
}

/** With approval the answer waits for the host, at most 60 s. */
const JOIN_MS = 65_000;

/**
 * Takes a seat. What has no known outcome is repeated under the same key, so that it never takes a second one; what a
 * limit refuses is the user's to decide, because the next code may be another. A seat that was taken after it was given
 * up is left again, and so is the host's door: the next opening shall not have to wait for this one's answer.
 */
export async function openSeat<C extends 'session:create' | 'session:join'>(
  command: C,
  payload: CommandPayload<C>,
  { connection, clock, random, whenOnline, giveUp, onRepeat }: OpeningParts,
): Promise<CommandResult<C>> {
  for (let attempt = 1; ; attempt++) {
    giveUp.onabort = null;
    await whenOnline();
    giveUp.throwIfAborted();
    let left: Promise<unknown> | undefined;
    giveUp.onabort = () => (left = connection.leave());
    const outcome = await connection.request(command, payload, command === 'session:join' ? JOIN_MS : undefined);
    await left;
    if (outcome.kind === 'ok') return outcome.result;
    const error = outcome.kind === 'refused' ? outcome.error : null;
    if (error !== null && (!error.retryable || error.code === 'RATE_LIMITED')) throw error;
    if (!giveUp.aborted) {
      // Whether a seat was taken on this connection is unknown: the next session begins on another one.
      giveUp.onabort = () => connection.restart();
      onRepeat?.(error);
      await new Promise<void>((resolve) => {
        clock.after(backoffMs(attempt, error?.retryAfterMs, random), resolve);
      });
    }
  }
}
