import type { CommandResult } from '../protocol/commands.ts';
import { backoffMs } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Connection } from './connection.ts';

export interface CatchUpHandlers {
  /**
   * A page of history that was asked for with `afterSeq`; it tells all that exists up to `upToSeq`. False when it does
   * not fit what is known: then it is not gone on with.
   */
  page: (afterSeq: number, answer: CommandResult<'message:history'>, upToSeq: number) => boolean;
  /** Everything that the session has now was told. */
  done: () => void;
}

const PAGE_LIMIT = 200;

/** Reads the session's history from some seq to its end, page after page, through refusals and lost answers. */
export class CatchUp {
  readonly #requests: Pick<Connection, 'request'>;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #handlers: CatchUpHandlers;
  #round = 0;
  #attempts = 0;
  #stopTimer: () => void = () => undefined;
  isRunning = false;

  constructor(
    requests: Pick<Connection, 'request'>,
    parts: { clock: Clock; random: () => number },
    handlers: CatchUpHandlers,
  ) {
    this.#requests = requests;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#handlers = handlers;
  }

  start(afterSeq: number): void {
    this.stop();
    this.isRunning = true;
    this.#attempts = 0;
    void this.#read(afterSeq, this.#round);
  }

  stop(): void {
    this.#round += 1;
    this.isRunning = false;
    this.#stopTimer();
  }

  async #read(afterSeq: number, round: number): Promise<void> {
    const outcome = await this.#requests.request('message:history', { afterSeq, limit: PAGE_LIMIT });
    // The connection was lost, or something newer has begun: the next one starts from what is known then.
    if (round !== this.#round) return;
    if (outcome.kind !== 'ok') {
      this.#again(afterSeq, outcome.kind === 'refused' ? outcome.error.retryAfterMs : undefined);
      return;
    }
    const { messages, hasMore, lastSeq } = outcome.result;
    const upToSeq = hasMore ? messages.reduce((highest, { seq }) => Math.max(highest, seq), afterSeq) : lastSeq;
    const isKnown = this.#handlers.page(afterSeq, outcome.result, upToSeq);
    if (round !== this.#round) return;
    if (!isKnown) this.stop();
    else if (!hasMore) {
      this.stop();
      this.#handlers.done();
    } else if (upToSeq > afterSeq) {
      this.#attempts = 0;
      void this.#read(upToSeq, round);
    } else this.#again(afterSeq, undefined);
  }

  #again(afterSeq: number, askedMs: number | undefined): void {
    const round = this.#round;
    this.#attempts += 1;
    this.#stopTimer = this.#clock.after(backoffMs(this.#attempts, askedMs, this.#random), () => {
      void this.#read(afterSeq, round);
    });
  }
}
