import { beforeEach, describe, expect, it } from '@jest/globals';
import { Random, seedOfRun } from '../../test/support/random.ts';
import { TandemError } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import { SlidingWindow } from '../limits/sliding-window.ts';
import type { LimitRules } from '../limits/limit-rules.ts';
import type { Connection } from './connection.ts';
import { ConnectionLimits } from './connection-limits.ts';

const seed = seedOfRun();
let now: number;
let connection: Connection;

beforeEach(() => {
  now = 1_000_000;
  // Nothing else of a connection is looked at.
  connection = Object.fromEntries(
    ['commands', 'messages', 'signals', 'refusals', 'failures', 'badPackets'].map((name) => [
      name,
      new SlidingWindow(),
    ]),
  ) as unknown as Connection;
});

function limitsOf(points: number, durationMs: number, blockMs = 0): ConnectionLimits {
  const entries = Object.entries(LIMITS).map(([name, { scope }]) => {
    return [name, { name, scope, points, durationMs, blockMs }] as const;
  });
  return new ConnectionLimits(Object.fromEntries(entries) as unknown as LimitRules, () => now); // All of LIMITS.
}

/** When the point was taken, or the wait that the refusal names. */
function reserved(limits: ConnectionLimits): { takenAt: number } | { retryAfterMs: number | undefined } {
  try {
    return { takenAt: limits.reserve(connection, 'messages') };
  } catch (error) {
    if (!(error instanceof TandemError) || error.code !== 'RATE_LIMITED') throw error;
    return { retryAfterMs: error.retryAfterMs };
  }
}

describe('limits of a connection', () => {
  it(`let so many through in any window and no more, points that were given back aside (seed ${seed})`, () => {
    const random = new Random(seed);
    const [points, durationMs] = [5, 1000];
    const limits = limitsOf(points, durationMs);
    let taken: number[] = [];
    for (let turn = 0; turn < 3000; turn += 1) {
      now += random.pick([0, 0, 1, random.below(300), durationMs - 1, durationMs]);
      const counting = taken.filter((at) => at + durationMs > now);
      const last = counting[counting.length - points];
      const expected = last === undefined ? { takenAt: now } : { retryAfterMs: last + durationMs - now };
      expect(reserved(limits)).toEqual(expected);
      if (last === undefined) taken.push(now);
      const returned = random.pick([...taken, 0]);
      if (random.below(4) === 0) {
        limits.giveBack(connection, 'messages', returned);
        const index = taken.lastIndexOf(returned);
        taken = taken.filter((_, at) => at !== index);
      }
    }
  });

  it('refuse for as long as a block lasts, from the first that is refused on', () => {
    const limits = limitsOf(1, 1000, 30_000);
    reserved(limits);
    expect(reserved(limits)).toEqual({ retryAfterMs: 30_000 });
    now += 29_999;
    expect(reserved(limits)).toEqual({ retryAfterMs: 1 });
    now += 1;
    expect(reserved(limits)).toEqual({ takenAt: now });
  });

  it('take nothing and give nothing back where they are switched off', () => {
    const limits = limitsOf(0, 1000);
    for (let count = 0; count < 100; count += 1) {
      limits.giveBack(connection, 'messages', limits.reserve(connection, 'messages'));
    }
    expect(connection.messages.countOf(1000, now)).toBe(0);
  });

  it('hold for commands, messages and signals apart', () => {
    const limits = limitsOf(1, 1000);
    for (const window of ['commands', 'messages', 'signals'] as const) limits.reserve(connection, window);
    expect(() => limits.reserve(connection, 'signals')).toThrow(TandemError);
    limits.giveBack(connection, 'signals', now);
    limits.reserve(connection, 'signals');
    expect(() => limits.reserve(connection, 'commands')).toThrow(TandemError);
  });

  it('end a connection at its hundredth refusal within ten seconds', () => {
    const limits = limitsOf(1, 1000);
    const verdicts = Array.from({ length: 100 }, () => limits.isRefusedTooOften(connection, 'limit'));
    expect(verdicts.indexOf(true)).toBe(99);
    now += 10_000;
    expect(limits.isRefusedTooOften(connection, 'limit')).toBe(false);
  });
});
