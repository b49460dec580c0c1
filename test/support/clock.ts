/** A clock that moves when the test says so. It starts at a real time, so that what the server computes from it looks real. */
export class Clock {
  #now = Date.now();
  readonly now = (): number => this.#now;

  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}
