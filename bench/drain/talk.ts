import type { Participant } from './participant.ts';
import type { Tally } from '../engine/tally.ts';
import { TalkBook } from './talk-book.ts';

const REPEAT_MS = 500;
/** Outcomes that are unknown, or a refusal for now: the same id is sent again. */
const RETRYABLE = new Set(['UNAVAILABLE', 'INTERNAL', 'RATE_LIMITED']);

/** One pair that talks: the host sends at a constant rate, and repeats what was not acknowledged when it is back. */
export class Talk {
  readonly book = new TalkBook();
  readonly #host: Participant;
  readonly #faults: Tally;
  readonly #index: string;
  #sent = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(index: string, host: Participant, guest: Participant, faults: Tally) {
    this.#index = index;
    this.#host = host;
    this.#faults = faults;
    guest.onDelivery = ({ id, seq }) => {
      this.book.received(id, seq);
      guest.lastSeq = this.book.contiguousSeq;
    };
    host.onResumed = () => {
      for (const id of this.book.unanswered()) this.#send(id);
    };
  }

  start(intervalMs: number): void {
    this.#timer = setInterval(() => {
      const id = `drain-${this.#index}-${this.#sent}`;
      this.#sent += 1;
      this.book.sent(id);
      this.#send(id);
    }, intervalMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #send(id: string): void {
    // While it is away nothing can be sent; what is not acknowledged goes out when it is back.
    this.#host.client?.send(id, 'said while the server drains', (errorCode) => {
      if (errorCode === null) this.book.acknowledged(id);
      else if (RETRYABLE.has(errorCode)) setTimeout(() => this.#send(id), REPEAT_MS);
      else this.#faults.add(errorCode);
    });
  }
}
