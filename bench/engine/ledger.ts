const ANSWERED = 1;
const ACKNOWLEDGED = 2;
const RECEIVED = 4;

/** What became of the messages of one pair. Numbers are 0, 1, 2 … in the order of sending; `seq` is the server's. */
export interface LedgerCounts {
  sent: number;
  acknowledged: number;
  /** Answered with an error; the outcome of such a send is not judged. */
  refused: number;
  unanswered: number;
  /** Distinct messages that arrived at least once. */
  received: number;
  /** Acknowledged and not received. */
  lost: number;
  /** Deliveries of a message beyond its first. */
  doubled: number;
  /** First deliveries whose seq is not above every seq that arrived before. */
  reordered: number;
  /** Deliveries of what was never sent, or of another pair's message. */
  phantom: number;
}

/** The book of one pair: what A sent and was told, against what B received. */
export class Ledger {
  readonly #idPrefix: string;
  #state = new Uint8Array(1024);
  #intendedAt = new Float64Array(1024);
  #sent = 0;
  #acknowledged = 0;
  #refused = 0;
  #received = 0;
  #missing = 0;
  #doubled = 0;
  #reordered = 0;
  #phantom = 0;
  #highestSeq = 0;

  /** The pair's index is part of every id, so that a message that strays into another session is seen. */
  constructor(pairIndex: number) {
    this.#idPrefix = `bench-${pairIndex}-`;
  }

  /** Enters a message that is about to be sent, and gives its number. */
  open(intendedAt: number): number {
    const number = this.#sent;
    if (number === this.#state.length) this.#grow();
    this.#intendedAt[number] = intendedAt;
    this.#sent += 1;
    return number;
  }

  /** The number that the next message will get. */
  get next(): number {
    return this.#sent;
  }

  idOf(number: number): string {
    return this.#idPrefix + String(number);
  }

  /** In the clock of `open`. */
  intendedAt(number: number): number {
    return this.#intendedAt[number] ?? NaN;
  }

  acknowledge(number: number): void {
    const state = this.#state[number] ?? 0;
    this.#state[number] = state | ANSWERED | ACKNOWLEDGED;
    this.#acknowledged += 1;
    if ((state & RECEIVED) === 0) this.#missing += 1;
  }

  refuse(number: number): void {
    this.#state[number] = (this.#state[number] ?? 0) | ANSWERED;
    this.#refused += 1;
  }

  /** Gives the number of a message that arrived for the first time, null for every other delivery. */
  receive(id: string, seq: number): number | null {
    const number = Number(id.slice(this.#idPrefix.length));
    if (!(number < this.#sent) || id !== this.idOf(number)) {
      this.#phantom += 1;
      return null;
    }
    const state = this.#state[number] ?? 0;
    if ((state & RECEIVED) !== 0) {
      this.#doubled += 1;
      return null;
    }
    this.#state[number] = state | RECEIVED;
    this.#received += 1;
    if ((state & ACKNOWLEDGED) !== 0) this.#missing -= 1;
    if (seq <= this.#highestSeq) this.#reordered += 1;
    else this.#highestSeq = seq;
    return number;
  }

  /** A delivery that nobody may get, such as A's own message back at A. */
  stray(): void {
    this.#phantom += 1;
  }

  /** Every send is answered and everything acknowledged has arrived. */
  get isSettled(): boolean {
    return this.#missing === 0 && this.#acknowledged + this.#refused === this.#sent;
  }

  /** The message is refused, or acknowledged and received. */
  isDone(number: number): boolean {
    const state = this.#state[number] ?? 0;
    return (state & ANSWERED) !== 0 && ((state & ACKNOWLEDGED) === 0 || (state & RECEIVED) !== 0);
  }

  counts(): LedgerCounts {
    return {
      sent: this.#sent,
      acknowledged: this.#acknowledged,
      refused: this.#refused,
      unanswered: this.#sent - this.#acknowledged - this.#refused,
      received: this.#received,
      lost: this.#missing,
      doubled: this.#doubled,
      reordered: this.#reordered,
      phantom: this.#phantom,
    };
  }

  #grow(): void {
    const state = new Uint8Array(this.#state.length * 2);
    state.set(this.#state);
    this.#state = state;
    const intendedAt = new Float64Array(this.#intendedAt.length * 2);
    intendedAt.set(this.#intendedAt);
    this.#intendedAt = intendedAt;
  }
}
