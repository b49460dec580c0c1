import { describe, expect, it } from '@jest/globals';
import type { LimitRequest } from '../../protocol/limits.ts';
import { SlidingWindow, SlidingWindows } from './sliding-window.ts';

function request(name: string, bucket: string, points: number, durationSeconds: number, blockMs = 0): LimitRequest {
  return { info: { name, scope: 'ip', points, durationSeconds }, bucket, blockMs };
}

describe('SlidingWindow', () => {
  it('never lets more points through in any window of the duration', () => {
    const window = new SlidingWindow();
    const taken: number[] = [];
    let seed = 7;
    for (let now = 0; now < 20_000; now += seed % 13) {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      if (window.waitMs(10, 1000, now) > 0) continue;
      window.take(now);
      taken.push(now);
    }
    expect(taken.length).toBeGreaterThan(150);
    for (const [index, time] of taken.entries()) {
      const eleventh = taken[index + 10];
      if (eleventh !== undefined) expect(eleventh - time).toBeGreaterThanOrEqual(1000);
    }
  });

  it('says exactly how long the wait is', () => {
    const window = new SlidingWindow();
    window.take(100);
    window.take(300);
    expect(window.waitMs(2, 1000, 400)).toBe(700);
    expect(window.waitMs(2, 1000, 1099)).toBe(1);
    expect(window.waitMs(2, 1000, 1100)).toBe(0);
  });
});

describe('SlidingWindows', () => {
  it('takes a point of all limits or of none', () => {
    const windows = new SlidingWindows();
    const narrow = request('a', 'x', 1, 60);
    const wide = request('b', 'x', 10, 60);
    expect(windows.takeAll([narrow, wide], 0)).toEqual({ kind: 'taken' });
    for (let attempt = 1; attempt < 50; attempt += 1) {
      expect(windows.takeAll([wide, narrow], attempt)).toMatchObject({ kind: 'refused', limit: { name: 'a' } });
    }
    for (let attempt = 0; attempt < 9; attempt += 1) expect(windows.takeAll([wide], 100).kind).toBe('taken');
    expect(windows.takeAll([wide], 100).kind).toBe('refused');
  });

  it('names the limit with the longest wait', () => {
    const windows = new SlidingWindows();
    const short = request('short', 'x', 1, 1);
    const long = request('long', 'x', 1, 60);
    windows.takeAll([short, long], 0);
    expect(windows.takeAll([short, long], 500)).toEqual({ kind: 'refused', limit: long.info, retryAfterMs: 59_500 });
  });

  it('gives back what was taken', () => {
    const windows = new SlidingWindows();
    const one = request('a', 'x', 1, 60);
    windows.takeAll([one], 5);
    windows.giveBack([one], 5);
    expect(windows.takeAll([one], 6).kind).toBe('taken');
  });

  it('blocks with the last point for longer than the window', () => {
    const windows = new SlidingWindows();
    const failures = request('f', 'x', 3, 60, 300_000);
    for (let failure = 0; failure < 3; failure += 1) {
      expect(windows.waitOf(failures, failure)).toBe(0);
      windows.record(failures, failure);
    }
    expect(windows.waitOf(failures, 2)).toBe(300_000);
    expect(windows.waitOf(failures, 61_000)).toBe(300_000 - 60_998);
    expect(windows.waitOf(failures, 300_002)).toBe(0);
  });

  it('waits for the window where the block is shorter', () => {
    const windows = new SlidingWindows();
    const failures = request('f', 'x', 1, 60, 1000);
    windows.record(failures, 0);
    expect(windows.waitOf(failures, 0)).toBe(60_000);
    expect(windows.waitOf(failures, 1000)).toBe(59_000);
    expect(windows.waitOf(failures, 60_000)).toBe(0);
  });

  it('forgets buckets that refuse nobody before those that are blocked', () => {
    const windows = new SlidingWindows(100);
    const failures = (bucket: string) => request('f', bucket, 3, 60, 300_000);
    for (let failure = 0; failure < 3; failure += 1) windows.record(failures('guesser'), 0);
    for (let bucket = 0; bucket < 1000; bucket += 1) windows.record(failures(String(bucket)), 1);
    expect(windows.size).toBe(100);
    expect(windows.waitOf(failures('guesser'), 1)).toBe(299_999);
    // When all are blocked the oldest go: the bound holds.
    for (let bucket = 0; bucket < 1000; bucket += 1) {
      for (let failure = 0; failure < 3; failure += 1) windows.record(failures(`other ${bucket}`), 2);
    }
    expect(windows.size).toBe(100);
  });

  it('never forgets what counts for the whole deployment', () => {
    const windows = new SlidingWindows(100);
    const info = { name: 'total', scope: 'deployment', points: 1, durationSeconds: 60 } as const;
    const total = { info, bucket: 'all', blockMs: 0 };
    windows.record(total, 0);
    for (let bucket = 0; bucket < 1000; bucket += 1) windows.record(request('f', String(bucket), 3, 60), 1);
    expect(windows.waitOf(total, 1)).toBe(59_999);
    expect(windows.size).toBeLessThanOrEqual(101);
  });

  it('keeps no more buckets than its bound, and forgets what is over', () => {
    const windows = new SlidingWindows(100);
    for (let bucket = 0; bucket < 1000; bucket += 1) windows.takeAll([request('a', String(bucket), 5, 1)], 0);
    expect(windows.size).toBe(100);
    windows.takeAll([request('a', 'late', 5, 1)], 20_000);
    expect(windows.size).toBe(1);
  });
});
