/** An outage is told within 2 s; what a command waits on purpose comes on top. */
const DEADLINE_MS = 2000;
/** How early a deadline may be: of the 2 s, not on top of them. */
const TICK_MS = 50;

/** When the caller is told that the outcome is unknown, although the work goes on. */
export class AnswerDeadline {
  isOver = false;
  /** Monotonic milliseconds. */
  dueAt: number;
  readonly #onOver: () => void;
  readonly #waiting: Set<AnswerDeadline>;

  constructor(onOver: () => void, dueAt: number, waiting: Set<AnswerDeadline>) {
    this.#onOver = onOver;
    this.dueAt = dueAt;
    this.#waiting = waiting;
  }

  /** The deadline is 2 s after now and the delay. */
  extend(delayMs: number): void {
    if (this.isOver) return;
    this.dueAt = performance.now() + delayMs + DEADLINE_MS;
  }

  clear(): void {
    this.#waiting.delete(this);
  }

  /** Its time has come. */
  expire(): void {
    this.clear();
    this.isOver = true;
    this.#onOver();
  }
}

/**
 * The deadlines of all commands that are being worked on. One timer looks at them as long as there are any: a timer for
 * each would be made and cleared with every message.
 */
export class AnswerDeadlines {
  readonly #waiting = new Set<AnswerDeadline>();
  #timer: NodeJS.Timeout | null = null;

  /** `onOver` is called once, 2 s from now unless the deadline is extended or cleared before. */
  begin(onOver: () => void): AnswerDeadline {
    const deadline = new AnswerDeadline(onOver, performance.now() + DEADLINE_MS, this.#waiting);
    this.#waiting.add(deadline);
    this.#timer ??= setInterval(() => this.#look(), TICK_MS);
    return deadline;
  }

  #look(): void {
    if (this.#waiting.size === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
    const soon = performance.now() + TICK_MS;
    for (const deadline of this.#waiting) if (deadline.dueAt <= soon) deadline.expire();
  }
}
