import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { REPORT_EVERY_MS, type InstanceReport } from '../../protocol/console.ts';
import { reportOf } from '../state/conformance/reports.conformance.ts';
import { createReporter } from './reporter.ts';

describe('the reports of an instance', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  function stage(put: (report: InstanceReport) => Promise<void>) {
    let made = 0;
    const errors: unknown[] = [];
    const removed: string[] = [];
    const reporter = createReporter({
      make: () => reportOf('own', { connections: (made += 1) }),
      reports: {
        put,
        all: () => Promise.resolve([]),
        remove: (id) => {
          removed.push(id);
          return Promise.resolve();
        },
      },
      onError: (error) => errors.push(error),
    });
    return { reporter, errors, removed };
  }

  it('are put at once and every two seconds, until it stops and is missed by nobody', async () => {
    const put: number[] = [];
    const { reporter, removed } = stage(({ connections }) => {
      put.push(connections);
      return Promise.resolve();
    });
    reporter.start();
    await jest.advanceTimersByTimeAsync(2 * REPORT_EVERY_MS);
    expect(put).toEqual([1, 2, 3]);
    await reporter.stop();
    await reporter.stop();
    await jest.advanceTimersByTimeAsync(2 * REPORT_EVERY_MS);
    expect(put).toHaveLength(3);
    expect(removed).toEqual(['own']);
  });

  it('go on while the store does not answer, which is asked one at a time', async () => {
    const failures: ((error: Error) => void)[] = [];
    const { reporter, errors } = stage(() => new Promise((_resolve, reject) => failures.push(reject)));
    reporter.start();
    await jest.advanceTimersByTimeAsync(3 * REPORT_EVERY_MS);
    expect(reporter.latest().connections).toBe(4);
    expect(failures).toHaveLength(1);
    failures[0]?.(new Error('away'));
    await jest.advanceTimersByTimeAsync(REPORT_EVERY_MS);
    expect(failures).toHaveLength(2);
    expect(errors).toHaveLength(1);
  });
});
