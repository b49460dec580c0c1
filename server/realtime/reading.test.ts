import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Reading } from './reading.ts';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

function transport() {
  const calls: string[] = [];
  const socket = { pause: () => void calls.push('pause'), resume: () => void calls.push('resume') };
  return { socket, calls };
}

describe('reading of a client', () => {
  it('is paused once, and goes on when it is told to', () => {
    const ws = transport();
    const reading = new Reading({ transport: ws });
    const ends: string[] = [];
    reading.pause(() => ends.push('first'));
    reading.pause(() => ends.push('second'));
    expect([reading.isPaused, ws.calls]).toEqual([true, ['pause']]);
    reading.resume();
    reading.resume();
    expect([reading.isPaused, ws.calls, ends]).toEqual([false, ['pause', 'resume'], ['first']]);
  });

  it('is never paused for longer than 5 s at a time', () => {
    const ws = transport();
    const reading = new Reading({ transport: ws });
    let ended = 0;
    reading.pause(() => (ended += 1));
    jest.advanceTimersByTime(4999);
    expect([reading.isPaused, ended]).toEqual([true, 0]);
    jest.advanceTimersByTime(1);
    expect([reading.isPaused, ended, ws.calls]).toEqual([false, 1, ['pause', 'resume']]);
    reading.pause(() => undefined);
    expect(ws.calls).toEqual(['pause', 'resume', 'pause']);
    reading.close();
  });

  it('follows a client that moves from polling to a WebSocket, and pauses that', () => {
    const ws = transport();
    const link: { transport: unknown } = { transport: { name: 'polling' } };
    const reading = new Reading(link);
    reading.pause(() => undefined);
    link.transport = ws;
    reading.pause(() => undefined);
    expect(ws.calls).toEqual(['pause']);
    reading.resume();
    expect(ws.calls).toEqual(['pause', 'resume']);
  });

  it('lets requests that wait for it go on, also when the connection is gone, and is not paused after that', async () => {
    const reading = new Reading({ transport: {} });
    await reading.resumed();
    reading.pause(() => undefined);
    let gone = 0;
    const waiting = Promise.all([reading.resumed(), reading.resumed()]).then(() => (gone += 1));
    await Promise.resolve();
    expect(gone).toBe(0);
    reading.close();
    await waiting;
    reading.pause(() => undefined);
    expect(reading.isPaused).toBe(false);
  });

  it('does not take the time without it for the silence of the client, while there is a connection', () => {
    let refreshed = 0;
    const reading = new Reading({ transport: {}, pingTimeoutTimer: { refresh: () => (refreshed += 1) } });
    reading.pause(() => undefined);
    expect(refreshed).toBe(0);
    reading.resume();
    expect(refreshed).toBe(1);
    reading.pause(() => undefined);
    reading.close();
    expect(refreshed).toBe(1);
  });
});
