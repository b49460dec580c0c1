import { describe, expect, it } from '@jest/globals';
import { InFlightBound } from './in-flight-bound.ts';

/** A bound under a stream of commands: one begins every 10 ms. */
class Stream {
  #now = 0;
  readonly bound = new InFlightBound({ most: 2048, least: 32, first: 2048 }, () => this.#now);
  readonly #flying: { startedAt: number; endsAt: number }[] = [];

  run(seconds: number, durationMs: (index: number) => number, isInUse = true): void {
    for (let index = 0; index < seconds * 100; index += 1) {
      if (isInUse) this.bound.reached();
      this.#flying.push({ startedAt: this.#now, endsAt: this.#now + durationMs(index) });
      this.#now += 10;
      for (const landed of this.#flying.filter(({ endsAt }) => endsAt <= this.#now)) {
        this.#flying.splice(this.#flying.indexOf(landed), 1);
        this.bound.landed(landed.startedAt);
      }
    }
  }
}

describe('the bound of commands in flight', () => {
  it('is halved while most commands are slow, down to its least', () => {
    const stream = new Stream();
    stream.run(2, () => 1500);
    expect(stream.bound.value).toBeLessThan(2048);
    stream.run(20, () => 1500);
    expect(stream.bound.value).toBe(32);
  });

  it('grows again while it is in use and commands are quick, up to its most', () => {
    const stream = new Stream();
    stream.run(20, () => 1500);
    stream.run(20, () => 300, false);
    expect(stream.bound.value).toBe(32);
    stream.run(20, () => 300);
    expect(stream.bound.value).toBe(2048);
  });

  it('stays where commands are neither slow nor quick', () => {
    const stream = new Stream();
    stream.run(3, () => 1500);
    stream.run(3, () => 700);
    const settled = stream.bound.value;
    expect(settled).toBeLessThan(2048);
    stream.run(20, () => 700);
    expect(stream.bound.value).toBe(settled);
  });

  it('does not follow a few slow commands among many', () => {
    const stream = new Stream();
    stream.run(20, (index) => (index % 3 === 0 ? 1900 : 300));
    expect(stream.bound.value).toBe(2048);
  });
});
