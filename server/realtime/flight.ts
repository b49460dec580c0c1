/** A command on its way to its answer. A drain waits for those that are in the air. */
export class Flight {
  /** Called once, after the answer. */
  onAnswered: () => void = () => undefined;
  readonly #onLanded: () => void;
  #isLanded = false;

  constructor(onLanded: () => void) {
    this.#onLanded = onLanded;
  }

  /** Nobody waits for it any more, though its answer may still come. May be called twice. */
  land(): void {
    if (this.#isLanded) return;
    this.#isLanded = true;
    this.#onLanded();
  }

  answered(): void {
    this.land();
    this.onAnswered();
  }
}
