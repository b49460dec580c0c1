import { z } from 'zod';
import { BenchClient } from './bench-client.ts';
import { Ledger } from './ledger.ts';
import type { Meter } from './meter.ts';
import type { Tally } from './tally.ts';

const created = z.object({ session: z.object({ code: z.string() }) });

/** Two participants of one session in this process, so that one clock sees both ends: A sends, B receives. */
export class Pair {
  readonly ledger: Ledger;
  readonly #sender: BenchClient;
  readonly #receiver: BenchClient;
  readonly #body: string;
  readonly #meter: Meter;
  readonly #errors: Tally;
  #waiter: { isDone: () => boolean; resolve: () => void } | null = null;

  private constructor(index: number, sender: BenchClient, receiver: BenchClient, options: PairOptions) {
    this.ledger = new Ledger(index);
    this.#sender = sender;
    this.#receiver = receiver;
    this.#body = 'x'.repeat(options.bodyBytes);
    this.#meter = options.meter;
    this.#errors = options.errors;
    sender.onDelivery = () => this.ledger.stray();
    receiver.onDelivery = ({ id, seq }) => {
      const now = performance.now();
      const number = this.ledger.receive(id, seq);
      if (number === null) return;
      this.#meter.received(this.ledger.intendedAt(number), now);
      this.#progressed();
    };
    sender.onLost = (reason) => this.#errors.add(`connection of A lost: ${reason}`);
    receiver.onLost = (reason) => this.#errors.add(`connection of B lost: ${reason}`);
  }

  /** Connects both, creates a session and joins it. */
  static async connect(index: number, address: string, options: PairOptions): Promise<Pair> {
    const [sender, receiver] = await Promise.all([
      BenchClient.connect(address),
      BenchClient.connect(options.receiverAddress ?? address),
    ]);
    const { session } = created.parse(await sender.request('session:create', {}));
    const paired = Promise.all([sender.next('session:paired'), receiver.next('session:paired')]);
    await Promise.all([receiver.request('session:join', { code: session.code }), paired]);
    return new Pair(index, sender, receiver, options);
  }

  /**
   * Sends the next message. `intendedAt` is when it was due; latencies are counted from there. `answered` is called
   * after the ack, also a refusal; never when the connection is gone.
   */
  send(intendedAt: number, answered?: () => void): void {
    const number = this.ledger.open(intendedAt);
    if (!this.#sender.isOpen) {
      this.ledger.refuse(number);
      this.#errors.add('not sent: connection of A lost');
      return;
    }
    this.#meter.sent(intendedAt, performance.now());
    this.#sender.send(this.ledger.idOf(number), this.#body, (errorCode) => {
      if (errorCode === null) {
        this.ledger.acknowledge(number);
        this.#meter.acknowledged(intendedAt, performance.now());
      } else {
        this.ledger.refuse(number);
        this.#errors.add(errorCode);
      }
      answered?.();
      this.#progressed();
    });
  }

  /** Resolves once every send is answered and everything acknowledged has arrived, which may be never. */
  settled(): Promise<void> {
    return this.#until(() => this.ledger.isSettled);
  }

  /** Sends one more message, and resolves once that one is answered and, if acknowledged, has arrived. */
  barrier(): Promise<void> {
    const number = this.ledger.next;
    this.send(performance.now());
    return this.#until(() => this.ledger.isDone(number));
  }

  async close(): Promise<void> {
    await Promise.all([this.#sender.close(), this.#receiver.close()]);
  }

  #until(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((resolve) => (this.#waiter = { isDone, resolve }));
  }

  #progressed(): void {
    if (this.#waiter === null || !this.#waiter.isDone()) return;
    this.#waiter.resolve();
    this.#waiter = null;
  }
}

export interface PairOptions {
  /** Where B connects when it is not where A does. */
  receiverAddress?: string | undefined;
  bodyBytes: number;
  meter: Meter;
  errors: Tally;
}
