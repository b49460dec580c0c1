import { Samples } from './samples.ts';

/**
 * What is measured, and when: only within the window, so that connecting and warming up leave no trace in the figures.
 * A rate counts what arrives within the window; a latency belongs to the window in which its message was due, however
 * late it arrives, so that the slowest are not left out. All times are milliseconds of `performance.now()`.
 */
export class Meter {
  readonly ackLatency = new Samples();
  readonly deliveryLatency = new Samples();
  /** How late the generator itself was to send. It is part of both latencies. */
  readonly sendDelay = new Samples();
  #openedAt = Infinity;
  #closedAt = Infinity;
  #offered = 0;
  #acknowledged = 0;
  #received = 0;

  open(now: number): void {
    this.#openedAt = now;
  }

  close(now: number): void {
    this.#closedAt = now;
  }

  sent(intendedAt: number, now: number): void {
    if (!this.#contains(intendedAt)) return;
    this.#offered += 1;
    this.sendDelay.add(now - intendedAt);
  }

  acknowledged(intendedAt: number, now: number): void {
    if (this.#contains(now)) this.#acknowledged += 1;
    if (this.#contains(intendedAt)) this.ackLatency.add(now - intendedAt);
  }

  received(intendedAt: number, now: number): void {
    if (this.#contains(now)) this.#received += 1;
    if (this.#contains(intendedAt)) this.deliveryLatency.add(now - intendedAt);
  }

  rates(): { windowMs: number; offered: number; acknowledged: number; received: number } {
    return {
      windowMs: this.#closedAt - this.#openedAt,
      offered: this.#offered,
      acknowledged: this.#acknowledged,
      received: this.#received,
    };
  }

  #contains(time: number): boolean {
    return time >= this.#openedAt && time < this.#closedAt;
  }
}
