import { describe, expect, it } from '@jest/globals';
import { Overload } from './overload.ts';

/** Lets ticks of these lengths pass, and gives whether the process was overloaded after each. */
function run(ticksMs: readonly number[]): boolean[] {
  let now = 0;
  const overload = new Overload(now);
  return ticksMs.map((elapsedMs) => {
    now += elapsedMs;
    overload.tick(now);
    return overload.isNow;
  });
}

const times = (count: number, elapsedMs: number) => Array.from({ length: count }, () => elapsedMs);

describe('overload of the event loop', () => {
  it('is none while the loop is in time, somewhat late, or stalls for a second now and then', () => {
    expect(run(times(100, 102))).not.toContain(true);
    expect(run(times(100, 250))).not.toContain(true);
    expect(run([...times(30, 100), 1200, ...times(30, 100), 1200, ...times(30, 100)])).not.toContain(true);
  });

  it('begins when the loop is late for two seconds, and ends when it has been in time for one', () => {
    const late = run(times(10, 700));
    expect(late.indexOf(true)).toBeLessThan(6);
    const after = run([...times(10, 700), ...times(20, 100)]).slice(10);
    expect(after.slice(0, 9)).toEqual(times(9, 1).map(() => true));
    expect(after.at(-1)).toBe(false);
  });

  it('does not flap between what begins it and what ends it', () => {
    expect(run([...times(10, 700), ...times(60, 250)]).slice(10)).not.toContain(false);
    expect(run(times(60, 250))).not.toContain(true);
  });

  it('begins at once after a long stall, when everybody speaks at the same time, and is over a second later', () => {
    const after = run([...times(30, 100), 3000, ...times(15, 100)]).slice(30);
    expect(after[0]).toBe(true);
    expect(after.indexOf(false)).toBe(10);
    expect(after.lastIndexOf(true)).toBe(9);
  });
});
