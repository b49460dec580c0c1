import { describe, expect, it } from '@jest/globals';
import type { LimitRequest } from '../../protocol/limits.ts';
import { MemoryLimits } from '../state/memory/memory-limits.ts';
import { JoinGuard } from './join-guard.ts';

function request(name: string, scope: 'ip' | 'deployment', bucket: string): LimitRequest {
  return { info: { name, scope, points: 1, durationSeconds: 60 }, bucket, blockMs: 0 };
}

describe('JoinGuard', () => {
  it('looks at the address again after the wait that all joins have', async () => {
    const limits = new MemoryLimits(() => 0);
    const failuresInTotal = request('join_failures_total', 'deployment', 'all');
    await limits.recordFailure(failuresInTotal);
    const guard: JoinGuard = new JoinGuard({
      limits,
      failuresOfIp: (ip) => request('join_failures_ip', 'ip', ip),
      failuresInTotal,
      // While this guess waits, another one of the same address misses.
      sleep: () => guard.miss('guesser'),
    });
    const told: number[] = [];
    const admitted = guard.admit('guesser', (delayMs) => told.push(delayMs));
    await expect(admitted).rejects.toMatchObject({ code: 'RATE_LIMITED', limit: { name: 'join_failures_ip' } });
    expect(told).toEqual([2000]);
  });
});
