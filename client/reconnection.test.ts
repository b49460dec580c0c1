import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { refusal, settled, StagedConnection } from '../test/support/staged-connection.ts';

const DAY_MS = 86_400_000;

let at: StagedConnection;

beforeEach(() => {
  jest.useFakeTimers({
    now: Date.parse('2026-01-31T12:00:00.000Z'),
    doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'],
  });
  at = new StagedConnection();
});
afterEach(() => {
  at.connection.stop();
  jest.useRealTimers();
});

describe('the way back', () => {
  it('gets longer with every attempt, up to a bound, and is told', async () => {
    at.connection.start();
    await settled();
    for (const waitMs of [250, 500, 1_000, 2_000, 2_000, 2_000]) {
      at.network.newest.tell.closed();
      expect(at.connection.state).toEqual({ kind: 'reconnecting', retryAt: Date.now() + waitMs, cause: null });
      await at.expectAttemptAfter(waitMs);
      expect(at.connection.state).toEqual({ kind: 'reconnecting', retryAt: null, cause: null });
    }
  });

  it('is short again after a connection that held, and not after one that broke at once', async () => {
    await at.goOnline();
    for (const waitMs of [250, 500, 1_000]) {
      await jest.advanceTimersByTimeAsync(4_999);
      at.network.newest.tell.closed();
      await at.expectAttemptAfter(waitMs);
      at.network.newest.tell.opened();
    }
    await jest.advanceTimersByTimeAsync(5_000);
    at.network.newest.tell.closed();
    await at.expectAttemptAfter(250);
  });

  it.each([
    ['forward', DAY_MS],
    ['back', -DAY_MS],
  ])('is no other when the clock is set %s by a day', async (_way, jumpMs) => {
    await at.goOnline();
    // A jump is no time for which the connection held.
    for (const waitMs of [250, 500]) {
      jest.setSystemTime(Date.now() + jumpMs);
      at.network.newest.tell.closed();
      jest.setSystemTime(Date.now() + jumpMs);
      await at.expectAttemptAfter(waitMs);
      at.network.newest.tell.opened();
    }
  });

  it('begins when a handshake gets no answer', async () => {
    at.connection.start();
    await settled();
    await jest.advanceTimersByTimeAsync(14_999);
    expect(at.connection.state.kind).toBe('connecting');
    await jest.advanceTimersByTimeAsync(1);
    expect(at.network.newest.isClosed).toBe(true);
    await at.expectAttemptAfter(250);
    expect(at.told).not.toContain('lost');
  });

  it('is cut short by whoever wants the connection, or by waking', async () => {
    for (const hurry of [() => at.connection.start(), () => at.connection.wake()]) {
      await at.goOnline();
      at.network.newest.tell.closed();
      const before = at.network.sockets.length;
      hurry();
      await settled();
      expect(at.network.sockets).toHaveLength(before + 1);
      hurry();
      await jest.advanceTimersByTimeAsync(10_000);
      expect(at.network.sockets).toHaveLength(before + 1);
      at.connection.stop();
    }
  });

  it('takes the time that the server asked for, whoever is in a hurry', async () => {
    at.connection.start();
    await settled();
    at.network.newest.tell.refused(refusal('UNAVAILABLE', 8_000));
    expect(at.connection.state).toMatchObject({ kind: 'reconnecting', cause: { code: 'UNAVAILABLE' } });
    at.connection.start();
    at.connection.wake();
    await at.expectAttemptAfter(8_250);
  });

  it('leaves no timer when it is given up', async () => {
    await at.goOnline();
    at.network.newest.tell.closed();
    expect(jest.getTimerCount()).toBe(1);
    at.connection.stop();
    expect(jest.getTimerCount()).toBe(0);
    expect(at.told).toEqual(['reconnecting', 'lost', 'closed']);
  });
});

describe('a handshake that is refused', () => {
  it.each(['RESUME_REJECTED', 'INVALID_PAYLOAD', 'UNAUTHENTICATED'] as const)('with %s is the end', async (code) => {
    at.connection.start();
    await settled();
    at.network.newest.tell.refused(refusal(code));
    expect(at.told).toEqual(['connecting', 'closed', `refused ${code}`]);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(at.network.sockets).toHaveLength(1);
  });

  it.each(['UNAVAILABLE', 'INTERNAL', 'RATE_LIMITED'] as const)('with %s is tried again', async (code) => {
    at.connection.start();
    await settled();
    at.network.newest.tell.refused(refusal(code));
    await at.expectAttemptAfter(250);
  });

  it.each([null, 'no', {}, { message: 'xhr poll error' }])('by something else (%j) is tried again', async (data) => {
    at.connection.start();
    await settled();
    at.network.newest.tell.refused(data);
    expect(at.connection.state).toMatchObject({ kind: 'reconnecting', cause: null });
    await at.expectAttemptAfter(250);
  });
});

describe('the token', () => {
  it('is asked for before each connection, and replaced once when the server refuses it', async () => {
    const asked: boolean[] = [];
    at.stage(({ isRefused }) => {
      asked.push(isRefused);
      return `token ${asked.length}`;
    });
    at.connection.start();
    await settled();
    at.network.newest.tell.refused(refusal('UNAUTHENTICATED'));
    await at.expectAttemptAfter(250);
    expect(at.network.newest.auth()).toEqual({ token: 'token 2' });
    at.network.newest.tell.refused(refusal('UNAUTHENTICATED'));
    expect(at.told.slice(-2)).toEqual(['closed', 'refused UNAUTHENTICATED']);
    expect(asked).toEqual([false, true]);
  });

  it('counts as good again after a connection', async () => {
    const asked: boolean[] = [];
    at.stage(({ isRefused }) => {
      asked.push(isRefused);
      return 'token';
    });
    at.connection.start();
    await settled();
    at.network.newest.tell.refused(refusal('UNAUTHENTICATED'));
    await at.expectAttemptAfter(250);
    at.network.newest.tell.opened();
    at.network.newest.tell.closed();
    await at.expectAttemptAfter(500);
    at.network.newest.tell.refused(refusal('UNAUTHENTICATED'));
    await at.expectAttemptAfter(1_000);
    expect(asked).toEqual([false, true, false, true]);
  });

  it.each([
    ['rejects', () => Promise.reject<string>(new Error('signed out'))],
    [
      'throws',
      (): string => {
        throw new Error('signed out');
      },
    ],
  ])('is asked for again when its hook %s, and nothing is opened without it', async (_how, fail) => {
    let calls = 0;
    at.stage(() => ((calls += 1) < 3 ? fail() : 'token'));
    at.connection.start();
    await settled();
    expect(at.connection.state).toMatchObject({ kind: 'reconnecting', cause: { code: 'UNAUTHENTICATED' } });
    await jest.advanceTimersByTimeAsync(250);
    expect([calls, at.network.sockets.length]).toEqual([2, 0]);
    await at.expectAttemptAfter(500);
    expect(at.network.newest.auth()).toEqual({ token: 'token' });
  });

  it('is asked for again when its hook takes too long, and comes too late then', async () => {
    const waiting: ((token: string) => void)[] = [];
    at.stage(() => new Promise((resolve) => waiting.push(resolve)));
    at.connection.start();
    await jest.advanceTimersByTimeAsync(9_999);
    expect(at.connection.state.kind).toBe('connecting');
    await jest.advanceTimersByTimeAsync(251);
    expect(waiting).toHaveLength(2);
    waiting[0]?.('too late');
    await settled();
    expect(at.network.sockets).toHaveLength(0);
    waiting[1]?.('in time');
    await settled();
    expect(at.network.newest.auth()).toEqual({ token: 'in time' });
  });

  it('leaves no timer when the connection is stopped while its hook is asked', async () => {
    at.stage(() => new Promise(() => undefined));
    at.connection.start();
    await settled();
    at.connection.stop();
    await settled();
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('a server that ends the connection', () => {
  it.each(['replaced', 'kicked', 'revoked'])('because it is %s is not come back to', async (reason) => {
    await at.goOnline();
    at.network.newest.tell.event('connection:closing', { reason, reconnect: false });
    at.network.newest.tell.closed();
    expect(at.told).toEqual(['closed', 'lost', `ended ${reason}`]);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(at.network.sockets).toHaveLength(1);
  });

  it.each(['slow_consumer', 'server_error'])('for %s is come back to', async (reason) => {
    await at.goOnline();
    at.network.newest.tell.event('connection:closing', { reason, reconnect: true, retryAfterMs: 1_000 });
    at.network.newest.tell.closed();
    expect(at.told).toEqual(['reconnecting', 'lost']);
    await at.expectAttemptAfter(1_250);
    // What it asked for is done with.
    at.network.newest.tell.opened();
    at.network.newest.tell.closed();
    await at.expectAttemptAfter(500);
  });

  it('is come back to once more when its word is malformed', async () => {
    await at.goOnline();
    at.network.newest.tell.event('connection:closing', { reason: 'kicked' });
    at.network.newest.tell.closed();
    await at.expectAttemptAfter(250);
  });

  it.each([
    [undefined, 10_000],
    [30_000, 30_000],
  ])('for a flood is left alone for a while (%p)', async (retryAfterMs, waitMs) => {
    await at.goOnline();
    at.network.newest.tell.event('connection:closing', { reason: 'rate_limited', reconnect: false, retryAfterMs });
    at.network.newest.tell.closed();
    expect(at.connection.state).toMatchObject({ kind: 'reconnecting', cause: { code: 'RATE_LIMITED' } });
    at.connection.wake();
    await at.expectAttemptAfter(waitMs + 250);
  });

  it('says so before: commands are served meanwhile, and the way back takes what it asked for', async () => {
    await at.goOnline();
    at.network.newest.tell.event('server:draining', { reconnectAfterMs: 2_000 });
    expect(at.connection.state).toEqual({ kind: 'draining' });
    const outcomes = at.ask();
    at.network.newest.requests[0]?.answer({ ok: true });
    await settled();
    expect(outcomes).toEqual([{ kind: 'ok', result: { ok: true } }]);
    at.network.newest.tell.event('connection:closing', { reason: 'draining', reconnect: true });
    at.network.newest.tell.closed();
    await at.expectAttemptAfter(2_250);
    at.network.newest.tell.opened();
    at.network.newest.tell.closed();
    // What the old server asked for is done with.
    await at.expectAttemptAfter(500);
  });
});
