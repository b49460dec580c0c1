import type { JsonValue, Message } from '../../protocol/session.ts';
import type { ClientRecord } from './record.ts';

/** How a client comes to its session. */
export type Opening =
  { readonly kind: 'create'; readonly capacity?: number } | { readonly kind: 'join'; readonly code: string };

/** One client of a fault run: it talks, comes back by itself, and writes down everything. */
export interface Recorder {
  readonly record: ClientRecord;
  readonly participantId: string;
  /** Of the session, as it was when this client came. */
  readonly code: string | null;
  /** Ids that were sent and have no outcome. */
  readonly unsettled: readonly string[];
  /** Highest seq up to which the client has everything, announced gaps included. */
  readonly completeSeq: number;
  readonly isOnline: boolean;
  /** Of the session, as far as this client was told. */
  readonly epoch: number;
  /** Queues one message under an id of its own, and keeps at it until it has an outcome; gives the id. */
  say(body?: JsonValue): string;
  /** Called after each acknowledgement. */
  onOk: (id: string) => void;
  /** Resolves when nothing is unsettled any more and everything up to `lastSeq` is there. */
  settled(lastSeq: number, deadlineMs: number): Promise<void>;
  /** The client's whole history as the server tells it now. Rejects when the client is offline. */
  history(): Promise<Message[]>;
  /** Notes that the scenario cuts this client's own network, or mends it. */
  noteNetwork(isCut: boolean): void;
  /** Notes that the seat was taken away, by somebody who was answered ok. */
  noteRevoked(): void;
  /** Ends the session for both; only its host may. Rejects when it was not answered ok. */
  endSession(): Promise<void>;
  close(): void;
}

/** Sends a message of `say` at a steady pace until told to stop; what the server does changes nothing of the pace. */
export class Talking {
  readonly #recorders: readonly Recorder[];
  readonly #timer: NodeJS.Timeout;
  readonly #maxUnsettled: number;
  #turn = 0;

  /** `perSecond` over all recorders, in turn. One that has `maxUnsettled` sends without an outcome misses its turn. */
  constructor(recorders: readonly Recorder[], perSecond: number, maxUnsettled = 50) {
    this.#recorders = recorders;
    this.#maxUnsettled = maxUnsettled;
    const startedAt = performance.now();
    let due = 0;
    const tick = (): void => {
      for (const until = ((performance.now() - startedAt) * perSecond) / 1000; due < until; due += 1) this.#next();
    };
    this.#timer = setInterval(tick, Math.max(1, Math.floor(1000 / perSecond)));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #next(): void {
    const recorder = this.#recorders[this.#turn % this.#recorders.length];
    this.#turn += 1;
    if (recorder !== undefined && recorder.unsettled.length < this.#maxUnsettled) recorder.say();
  }
}
