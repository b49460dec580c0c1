/** An outage is told within 2 s; what a command waits on purpose comes on top. */
const DEADLINE_MS = 2000;

/** When the caller is told that the outcome is unknown, although the work goes on. */
export class AnswerDeadline {
  isOver = false;
  readonly #onOver: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /** The deadline is 2 s after now and the delay. */
  extend(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.isOver = true;
      this.#onOver();
    }, delayMs + DEADLINE_MS);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
