import { TandemError } from '../../protocol/errors.ts';
import { InFlightBound, type BoundRange } from './in-flight-bound.ts';
import type { Reading } from './reading.ts';

/** One connection, as far as this counts. */
export interface Sender {
  /** Its commands that are being worked on. */
  inFlight: number;
  /** What it has said since it was last allowed to go on. */
  said: number;
  readonly reading: Pick<Reading, 'isPaused' | 'pause' | 'resume'>;
}

export interface InFlightBounds {
  /** Of a connection: not read from `pause` on until it has fallen to `resume`, refused from `refuse` on. */
  readonly connection: { readonly pause: number; readonly resume: number; readonly refuse: number };
  readonly instance: BoundRange;
}

/**
 * What was read in one go, 64 KiB, arrives after a pause all the same; in messages that is less than what lies between
 * `pause` and `refuse`. 2048 are some 100 ms of work for Redis, and half a second for the embedded database.
 */
const BOUNDS: InFlightBounds = {
  connection: { pause: 64, resume: 32, refuse: 512 },
  instance: { most: 2048, least: 32, first: 512 },
};

/** Beyond so many times the bound of the instance nothing is taken. */
const FULL = 4;
/** Of the bound: below it, connections that were paused for the sake of the others are read again. */
const ROOM = 0.75;
/** How fast what a pause lets through is learnt, and what is taken for granted before. */
const LEARNING = 0.3;
const FIRST_GUESS = 16;

/**
 * The commands that this process works on, and who must wait. At the bound of the instance each connection keeps its
 * fair share: whoever has more is not read, while one that asks little goes on as before. Those who wait are read again in
 * turn, as many at a time as there is room for what they are going to say: each says at once what the network holds of it,
 * and to refuse that would cost as much as to do it.
 */
export class InFlight {
  readonly #bounds: InFlightBounds;
  readonly #bound: InFlightBound;
  readonly #now: () => number;
  /** Connections with a command in flight. */
  #busy = 0;
  #total = 0;
  /** Paused because the instance has too much to do, in the order in which they are read again. */
  readonly #waiting = new Set<Sender>();
  /** What a connection says when it is read again, on average. */
  #saidPerTurn = FIRST_GUESS;
  #isTurnDue = false;
  readonly #later: (run: () => void) => void;

  constructor(
    bounds: InFlightBounds = BOUNDS,
    now: () => number = () => performance.now(),
    later: (run: () => void) => void = setImmediate,
  ) {
    this.#bounds = bounds;
    this.#later = later;
    this.#now = now;
    this.#bound = new InFlightBound(bounds.instance, now);
  }

  get total(): number {
    return this.#total;
  }

  /** How many the instance works on before it reads no more. */
  get bound(): number {
    return this.#bound.value;
  }

  /** Why a command is not taken; null when it is. Costs next to nothing: it comes before all other work. */
  refusalOf(sender: Sender): TandemError | null {
    sender.said += 1;
    const { connection } = this.#bounds;
    if (sender.inFlight >= connection.refuse) {
      return overloaded(`More than ${connection.refuse} commands of this connection wait for their answer: wait too.`);
    }
    const full = this.#bound.value * FULL;
    // Room that only those get who have less than their share.
    if (this.#total < full || (this.#total < full * 2 && sender.inFlight < this.#share)) return null;
    this.#pauseForOthers(sender);
    return overloaded('This instance has more to do than it can: repeat later, with the same id or key.');
  }

  /** Counts a command. Returns what is to be called when it has ended, once; `isMeasured` when its time tells of load. */
  take(sender: Sender): (isMeasured: boolean) => void {
    const startedAt = this.#now();
    if (sender.inFlight === 0) this.#busy += 1;
    sender.inFlight += 1;
    this.#total += 1;
    if (this.#total >= this.#bound.value) this.#bound.reached();
    // While others wait for their turn, whoever just had one waits behind them.
    const isBusy = this.#total >= this.#bound.value || this.#waiting.size > 0;
    if (sender.inFlight >= this.#bounds.connection.pause) sender.reading.pause(() => this.#waiting.delete(sender));
    else if (isBusy && sender.inFlight >= this.#share) this.#pauseForOthers(sender);
    return (isMeasured) => {
      sender.inFlight -= 1;
      if (sender.inFlight === 0) this.#busy -= 1;
      this.#total -= 1;
      if (isMeasured) this.#bound.landed(startedAt);
      this.#resume(sender);
    };
  }

  get #share(): number {
    return Math.max(1, Math.floor(this.#bound.value / Math.max(1, this.#busy, this.#waiting.size)));
  }

  #pauseForOthers(sender: Sender): void {
    sender.reading.pause(() => this.#waiting.delete(sender));
    if (sender.reading.isPaused) this.#waiting.add(sender);
  }

  #resume(sender: Sender): void {
    const { reading } = sender;
    if (reading.isPaused && !this.#waiting.has(sender) && sender.inFlight <= this.#bounds.connection.resume) {
      if (this.#waiting.size === 0 && this.#room > 0) this.#readAgain(sender);
      else this.#waiting.add(sender);
    }
    this.#giveTurns();
  }

  get #room(): number {
    return this.#total === 0 ? this.#bound.value : this.#bound.value * ROOM - this.#total;
  }

  /** Some now, the next when these have been read: by then it is known what they said. */
  #giveTurns(): void {
    if (this.#isTurnDue || this.#waiting.size === 0 || this.#room <= 0) return;
    this.#isTurnDue = true;
    this.#later(() => {
      this.#isTurnDue = false;
      let left = Math.max(1, Math.floor(this.#room / Math.max(1, this.#saidPerTurn)));
      if (this.#room <= 0) return;
      for (const waiting of this.#waiting) {
        if (left === 0) break;
        left -= 1;
        this.#readAgain(waiting);
      }
      this.#giveTurns();
    });
  }

  #readAgain(sender: Sender): void {
    this.#saidPerTurn += (sender.said - this.#saidPerTurn) * LEARNING;
    sender.said = 0;
    // The end of the pause takes it out of those who wait.
    sender.reading.resume();
  }
}

/** Clients that were refused together come back apart. */
function overloaded(detail: string): TandemError {
  return new TandemError('UNAVAILABLE', detail, { retryAfterMs: 500 + Math.round(Math.random() * 1000) });
}
