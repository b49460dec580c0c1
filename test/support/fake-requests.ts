import type { Connection, Outcome } from '../../client/connection.ts';
import type { CommandName, CommandPayload, CommandResult } from '../../protocol/commands.ts';
import { TandemError } from '../../protocol/errors.ts';
import type { ErrorCode } from '../../protocol/errors.ts';

interface Asked<C extends CommandName> {
  readonly payload: CommandPayload<C>;
  readonly settle: (outcome: Outcome<C>) => void;
}

/** Takes requests of one command, and answers when and what the test says. */
export class FakeRequests<C extends CommandName> implements Pick<Connection, 'request'> {
  readonly asked: Asked<C>[] = [];
  readonly #command: CommandName;

  constructor(command: C) {
    this.#command = command;
  }

  readonly request: Connection['request'] = (command, payload) => {
    if (command !== this.#command) throw new Error(`expected ${this.#command}, received ${command}`);
    return new Promise((resolve) => {
      // The name was compared, which the compiler does not conclude from.
      this.asked.push({ payload, settle: resolve });
    });
  };

  get payloads(): CommandPayload<C>[] {
    return this.asked.map(({ payload }) => payload);
  }

  /** Of the newest request; to answer an older one take it out of `asked`. */
  settle(outcome: Outcome<C>): void {
    const newest = this.asked.at(-1);
    if (newest === undefined) throw new Error('expected a request');
    newest.settle(outcome);
  }

  ok(result: CommandResult<C>): void {
    this.settle({ kind: 'ok', result });
  }

  refuse(code: ErrorCode, retryAfterMs?: number): void {
    const details = retryAfterMs === undefined ? {} : { retryAfterMs };
    this.settle({ kind: 'refused', error: new TandemError(code, undefined, details) });
  }

  lose(): void {
    this.settle({ kind: 'lost' });
  }
}
