import type { KnockEnd } from '../sessions/waiting-room.ts';

/** A join of a connection that waits for a host. Other commands go on meanwhile; one that changes the seat ends it. */
export class Knocking {
  /** What was asked, to recognise the same again. */
  readonly asked: string;
  readonly outcome: Promise<Record<string, unknown>>;
  readonly #answered: Promise<void>;
  readonly #giveUp = new AbortController();

  constructor(asked: string, outcome: Promise<Record<string, unknown>>, answered: Promise<void>) {
    this.asked = asked;
    this.outcome = outcome;
    this.#answered = answered;
  }

  /** Aborts with a `KnockEnd`. */
  get signal(): AbortSignal {
    return this.#giveUp.signal;
  }

  end(reason: KnockEnd): void {
    this.#giveUp.abort(reason);
  }

  /** Resolves when the join was answered: that it was withdrawn, or with the seat that it got in the same moment. */
  async withdraw(): Promise<void> {
    this.end('withdrawn');
    await this.#answered;
  }
}
