import { beforeEach, describe, expect, it } from '@jest/globals';
import { TandemError } from '../../protocol/errors.ts';
import type { LimitRequest } from '../../protocol/limits.ts';
import { MemoryLimits } from '../state/memory/memory-limits.ts';
import { JoinGuard } from './join-guard.ts';

function request(name: string, scope: 'ip' | 'deployment', bucket: string): LimitRequest {
  return { info: { name, scope, points: 1, durationSeconds: 60 }, bucket, blockMs: 0 };
}

describe('JoinGuard', () => {
  let strict: JoinGuard;

  beforeEach(() => {
    strict = new JoinGuard({
      limits: new MemoryLimits(() => 0),
      failuresOfIp: (ip) => {
        const one = request('join_failures_ip', 'ip', ip);
        return { ...one, info: { ...one.info, points: 5 }, blockMs: 300_000 };
      },
      failuresInTotal: null,
    });
  });

  it('looks at the address again after the wait that all joins have', async () => {
    const limits = new MemoryLimits(() => 0);
    const failuresInTotal = request('join_failures_total', 'deployment', 'all');
    await limits.recordFailure(failuresInTotal);
    const own = (ip: string) => request('join_failures_ip', 'ip', ip);
    const guard = new JoinGuard({
      limits,
      failuresOfIp: own,
      failuresInTotal,
      // While this guess waits, another one of the same address misses.
      sleep: () => limits.recordFailure(own('guesser')),
    });
    const told: number[] = [];
    const admitted = guard.admit('guesser', (delayMs) => told.push(delayMs));
    await expect(admitted).rejects.toMatchObject({ code: 'RATE_LIMITED', limit: { name: 'join_failures_ip' } });
    expect(told).toEqual([2000]);
  });

  it('of many guesses at the same instant lets no more by than twice the limit', async () => {
    const misses = await Promise.all(Array.from({ length: 100 }, () => guessed(strict, 'guesser', false)));
    expect(misses.filter((outcome) => outcome === 'missed').length).toBeLessThan(10);
    expect(new Set(misses)).toEqual(new Set(['missed', 'RATE_LIMITED']));
    // Nobody is left waiting.
    expect(await guessed(strict, 'guesser', false)).toBe('RATE_LIMITED');
    expect(await guessed(strict, 'other', true)).toBe('joined');
  });

  it('lets a class of one address in, all at the same instant', async () => {
    const joined = await Promise.all(Array.from({ length: 100 }, () => guessed(strict, 'school', true)));
    expect(new Set(joined)).toEqual(new Set(['joined']));
  });
});

/** What comes of a guess that takes a while to be looked up. */
async function guessed(guard: JoinGuard, ip: string, isRight: boolean): Promise<string> {
  try {
    const guess = await guard.admit(ip);
    try {
      await new Promise((resolve) => setImmediate(resolve));
      if (!isRight) await guess.miss();
      return isRight ? 'joined' : 'missed';
    } finally {
      guess.end();
    }
  } catch (error) {
    return error instanceof TandemError ? error.code : String(error);
  }
}
