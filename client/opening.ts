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
  readonly isGivenUp: () => boolean;
  readonly onRepeat: (error: TandemError | null) => void;
}

/** With approval the answer waits for the host, at most 60 s. */
const JOIN_MS = 65_000;

/**
 * Takes a seat. What has no known outcome is repeated under the same key, so that it never takes a second one; what a
 * limit refuses is the user's to decide, because the next code may be another. A seat that was taken after it was given
 * up is left again.
 */
export async function openSeat<C extends 'session:create' | 'session:join'>(
  command: C,
  payload: CommandPayload<C>,
  { connection, clock, random, whenOnline, isGivenUp, onRepeat }: OpeningParts,
): Promise<CommandResult<C>> {
  for (let attempt = 1; ; attempt++) {
    await whenOnline();
    const outcome = await connection.request(command, payload, command === 'session:join' ? JOIN_MS : undefined);
    if (outcome.kind === 'ok') {
      if (isGivenUp()) await connection.leave();
      return outcome.result;
    }
    const error = outcome.kind === 'refused' ? outcome.error : null;
    if (error !== null && (!error.retryable || error.code === 'RATE_LIMITED')) throw error;
    if (!isGivenUp()) {
      onRepeat(error);
      await new Promise<void>((resolve) => {
        clock.after(backoffMs(attempt, error?.retryAfterMs, random), resolve);
      });
    }
    // Whether a seat was taken on this connection is unknown: the next session begins on another one.
    if (isGivenUp()) connection.restart();
  }
}
