import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Random, seedOfRun } from '../../test/support/random.ts';
import { AnswerDeadlines } from './answer-deadline.ts';

/** As the file has them: told within so long, and so much earlier at most. */
const DEADLINE_MS = 2000;
const EARLY_MS = 50;

const seed = seedOfRun();
let deadlines: AnswerDeadlines;
let told: { name: string; atMs: number }[];

beforeEach(() => {
  jest.useFakeTimers();
  deadlines = new AnswerDeadlines();
  told = [];
});
afterEach(() => {
  // The timer is there as long as there are any, and a look longer.
  jest.advanceTimersByTime(EARLY_MS);
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

const begin = (name: string) => deadlines.begin(() => told.push({ name, atMs: performance.now() }));

/** What was told, and whether each came when it had to. */
function namesToldBy(dueAtMs: number): string[] {
  for (const { atMs } of told) {
    expect(atMs).toBeLessThanOrEqual(dueAtMs);
    expect(atMs).toBeGreaterThanOrEqual(dueAtMs - EARLY_MS);
  }
  return told.map(({ name }) => name);
}

describe('deadlines of answers', () => {
  it('are over within 2 s, each once, with one timer for all', () => {
    const all = ['a', 'b', 'c'].map((name) => begin(name));
    expect(jest.getTimerCount()).toBe(1);
    const dueAt = performance.now() + DEADLINE_MS;
    jest.advanceTimersByTime(DEADLINE_MS - EARLY_MS - 1);
    expect(told).toEqual([]);
    jest.advanceTimersByTime(EARLY_MS + 1);
    expect(namesToldBy(dueAt)).toEqual(['a', 'b', 'c']);
    expect(all.map(({ isOver }) => isOver)).toEqual([true, true, true]);
    jest.advanceTimersByTime(10_000);
    expect(told).toHaveLength(3);
  });

  it('are over for nobody who has cleared them, and are begun anew when there were none for a while', () => {
    const cleared = begin('cleared');
    jest.advanceTimersByTime(1000);
    cleared.clear();
    cleared.clear();
    jest.advanceTimersByTime(10_000);
    expect([told, cleared.isOver, jest.getTimerCount()]).toEqual([[], false, 0]);
    begin('later');
    const dueAt = performance.now() + DEADLINE_MS;
    jest.advanceTimersByTime(DEADLINE_MS);
    expect(namesToldBy(dueAt)).toEqual(['later']);
  });

  it('are put off by what a command waits on purpose, and never when they are over', () => {
    const joining = begin('joining');
    jest.advanceTimersByTime(1500);
    joining.extend(60_000);
    const dueAt = performance.now() + 60_000 + DEADLINE_MS;
    jest.advanceTimersByTime(60_000 + DEADLINE_MS - EARLY_MS - 1);
    expect(told).toEqual([]);
    jest.advanceTimersByTime(EARLY_MS + 1);
    expect(namesToldBy(dueAt)).toEqual(['joining']);
    joining.extend(1000);
    jest.advanceTimersByTime(10_000);
    expect(told).toHaveLength(1);
  });

  it('may be brought forward, and be begun and cleared by those that are over', () => {
    const waiting = begin('waiting');
    waiting.extend(60_000);
    waiting.extend(0);
    const next: string[] = [];
    const other = begin('other');
    deadlines.begin(() => {
      other.clear();
      deadlines.begin(() => next.push('next'));
    });
    // Begun before the one that clears it, so it may be over already.
    jest.advanceTimersByTime(DEADLINE_MS);
    expect(told.map(({ name }) => name)).toEqual(['waiting', 'other']);
    expect(next).toEqual([]);
    jest.advanceTimersByTime(DEADLINE_MS);
    expect(next).toEqual(['next']);
  });

  it(`are told in time whatever happens (seed ${seed})`, () => {
    const random = new Random(seed);
    const open = new Map<string, { deadline: ReturnType<typeof begin>; dueAt: number }>();
    const over = new Set<string>();
    for (let turn = 0; turn < 500; turn += 1) {
      const name = String(turn);
      open.set(name, { deadline: begin(name), dueAt: performance.now() + DEADLINE_MS });
      const [other, held] = random.pick([...open]);
      const action = random.below(9);
      if (action < 3) {
        held.deadline.clear();
        open.delete(other);
      } else if (action < 5) {
        const delayMs = random.below(5000);
        held.deadline.extend(delayMs);
        held.dueAt = performance.now() + delayMs + DEADLINE_MS;
      }
      jest.advanceTimersByTime(random.below(120));
      for (const { name: ended, atMs } of told.splice(0)) {
        expect(over.has(ended)).toBe(false);
        over.add(ended);
        const { dueAt = Number.NaN } = open.get(ended) ?? {};
        expect(atMs).toBeLessThanOrEqual(dueAt);
        expect(atMs).toBeGreaterThanOrEqual(dueAt - EARLY_MS);
        open.delete(ended);
      }
      expect([...open.values()].filter(({ dueAt }) => dueAt <= performance.now())).toEqual([]);
    }
    expect(over.size).toBeGreaterThan(50);
    for (const { deadline } of open.values()) deadline.clear();
  });
});
