import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Expired, ExpireRequest } from '../sessions/ports.ts';
import { createRetention } from './retention.ts';

const START = 1_800_000_000_000;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const NOTHING: Expired = {
  ...{ messages: 0, sessions: 0, events: 0, tokens: 0, logins: 0, revocations: 0, mails: 0, more: false },
};

describe('retention', () => {
  let requests: ExpireRequest[];
  let answers: (Expired | Error | null)[];
  let faults: unknown[];

  beforeEach(() => {
    jest.useFakeTimers({ now: START });
    [requests, answers, faults] = [[], [], []];
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  function retention({ retentionMs = 90 * DAY, neededMs = 60 * MINUTE } = {}) {
    return createRetention({
      durable: {
        expire: (request) => {
          requests.push(request);
          const answer = answers.shift() ?? null;
          return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
        },
      },
      retentionMs,
      neededMs,
      keepNewest: 500,
      now: Date.now,
      onError: (error) => faults.push(error),
    });
  }

  it('removes what is older than the retention, and asks again minutes later when there is no more', async () => {
    answers = [NOTHING, NOTHING];
    const job = retention();
    job.start();
    await jest.advanceTimersByTimeAsync(2 * MINUTE);
    expect(requests).toHaveLength(1);
    const [first] = requests;
    expect(first).toMatchObject({ keepNewest: 500, olderThan: (first?.now ?? 0) - 90 * DAY });
    await jest.advanceTimersByTimeAsync(8 * MINUTE);
    expect(requests).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(4 * MINUTE);
    expect(requests).toHaveLength(2);
    await job.stop();
  });

  it('goes on after a pause while there is more', async () => {
    answers = [{ ...NOTHING, messages: 1000, more: true }, { ...NOTHING, messages: 1000, more: true }, NOTHING];
    const job = retention();
    job.start();
    await jest.advanceTimersByTimeAsync(2 * MINUTE);
    expect(requests).toHaveLength(3);
    const [first, second, third] = requests.map(({ now }) => now);
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(100);
    expect((third ?? 0) - (second ?? 0)).toBeGreaterThanOrEqual(100);
    await job.stop();
  });

  it('keeps what can still be asked for, however short the retention is', async () => {
    const job = retention({ retentionMs: 1000, neededMs: 75 * MINUTE });
    job.start();
    await jest.advanceTimersByTimeAsync(2 * MINUTE);
    expect(requests[0]?.olderThan).toBe((requests[0]?.now ?? 0) - 75 * MINUTE);
    await job.stop();
  });

  it('leaves it to another instance that does it, and comes again after a failure', async () => {
    answers = [null, new Error('away'), NOTHING];
    const job = retention();
    job.start();
    await jest.advanceTimersByTimeAsync(2 * MINUTE);
    expect(requests).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(10 * MINUTE);
    expect([requests.length, faults.length]).toEqual([2, 1]);
    await jest.advanceTimersByTimeAsync(10 * MINUTE);
    expect([requests.length, faults.length]).toEqual([3, 1]);
    await job.stop();
  });

  it('asks for nothing once it is stopped', async () => {
    answers = Array<Expired>(5).fill({ ...NOTHING, messages: 1000, more: true });
    const job = retention();
    job.start();
    await jest.advanceTimersByTimeAsync(MINUTE);
    expect(requests).toHaveLength(1);
    await job.stop();
    await jest.advanceTimersByTimeAsync(30 * MINUTE);
    expect(requests).toHaveLength(1);
  });
});
