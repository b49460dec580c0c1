import { describe, expect, it } from '@jest/globals';
import { consoleReport } from '../../test/support/console-report.ts';
import type { InstanceReport } from '../../protocol/console.ts';
import { History, WINDOW_MS } from './history.ts';
import type { Figures } from './history.ts';

const START = Date.parse('2026-01-31T12:00:00.000Z');
const time = (seconds: number): string => new Date(START + seconds * 1000).toISOString();

/** Of one instance, as it was told after so many seconds. */
function told(history: History, seconds: number, report: Partial<InstanceReport>): Figures | undefined {
  history.add(time(seconds), [consoleReport({ reportedAt: time(seconds), ...report })]);
  return history.latest?.figures.get('i-1');
}

function crowd(length: number, report: Partial<InstanceReport>): InstanceReport[] {
  return Array.from({ length }, (_, index) => consoleReport({ instanceId: `i-${index}`, ...report }));
}

describe('figures of an instance', () => {
  it('are rates once there are two reports, over the time between these', () => {
    const history = new History();
    expect(told(history, 10, { messagesTotal: 100, connections: 3 })).toMatchObject({
      connections: 3,
      messagesPerSecond: null,
      limitedPerSecond: null,
    });
    expect(told(history, 12, { messagesTotal: 150, limitedTotal: { auth: 4 } })).toMatchObject({
      messagesPerSecond: 25,
      limitedPerSecond: { auth: 2 },
    });
    const late = { reportedAt: time(16), messagesTotal: 190, limitedTotal: { auth: 4 } };
    expect(told(history, 17, late)).toMatchObject({ messagesPerSecond: 10, limitedPerSecond: { auth: 0 } });
  });

  it('stay while the same report is told again', () => {
    const history = new History();
    told(history, 10, { messagesTotal: 100 });
    told(history, 12, { messagesTotal: 150 });
    expect(told(history, 14, { reportedAt: time(12), messagesTotal: 150 })?.messagesPerSecond).toBe(25);
  });

  it('begin anew with a restart, whether or not the counter went back', () => {
    const history = new History();
    told(history, 10, { messagesTotal: 100, limitedTotal: { auth: 50 } });
    const restarted = { startedAt: time(20), messagesTotal: 120, limitedTotal: { auth: 60 } };
    expect(told(history, 22, restarted)).toMatchObject({ messagesPerSecond: 60, limitedPerSecond: { auth: 30 } });
    expect(told(history, 24, { startedAt: time(23), messagesTotal: 5 })?.messagesPerSecond).toBe(5);
  });

  it('are none of an instance that is silent, by its word or by the clock', () => {
    const history = new History();
    expect(told(history, 10, { state: 'silent' })).toBeUndefined();
    expect(told(history, 20, { reportedAt: time(12) })).toBeUndefined();
    expect(told(history, 22, {})).toBeDefined();
  });
});

describe('the history', () => {
  it('has a gap where nothing was told, and ignores what is older', () => {
    const history = new History();
    for (const seconds of [10, 12, 30, 29, 30]) told(history, seconds, {});
    expect(history.points.map(({ atMs, figures }) => [(atMs - START) / 1000, figures.size])).toEqual([
      [10, 1],
      [12, 1],
      [12.001, 0],
      [30, 1],
    ]);
  });

  it('is bounded in time, points and instances', () => {
    const history = new History();
    for (let seconds = 0; seconds <= 1_000; seconds += 2) told(history, seconds, {});
    expect(history.points[0]?.atMs).toBe(START + 1_000_000 - WINDOW_MS);
    for (let tick = 1; tick <= 2_000; tick += 1) told(history, 1_000 + tick / 1000, {});
    expect(history.points.length).toBeLessThanOrEqual(600);
    history.add(time(1_010), crowd(500, { reportedAt: time(1_010) }));
    expect(history.latest?.figures.size).toBe(200);
  });

  it('has room for those that live, however many are silent', () => {
    const history = new History();
    const silent = crowd(500, { reportedAt: time(10), state: 'silent' });
    history.add(time(10), [...silent, consoleReport({ instanceId: 'alive', reportedAt: time(10) })]);
    expect([...(history.latest?.figures.keys() ?? [])]).toEqual(['alive']);
  });
});
