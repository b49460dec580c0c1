import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { refusal, settled, StagedConnection } from '../test/support/staged-connection.ts';

const seat = { sessionId: 's', participantId: 'p', resumeToken: 't', epoch: 1, lastSeq: 3 };

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

describe('a connection', () => {
  it('is online once the server has opened it', async () => {
    at.connection.start();
    await settled();
    expect(at.connection.state).toEqual({ kind: 'connecting' });
    expect(at.connection.isOnline).toBe(false);
    at.network.newest.tell.opened();
    expect(at.connection.isOnline).toBe(true);
    expect(at.told).toEqual(['connecting', 'online', 'opened']);
    at.connection.start();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(at.network.sockets).toHaveLength(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('asks for the seat as it stands when the transport is open', async () => {
    at.stage(() => 'secret');
    at.connection.start();
    await settled();
    expect(at.network.newest.auth()).toEqual({ token: 'secret' });
    at.resume = seat;
    expect(at.network.newest.auth()).toEqual({ token: 'secret', resume: seat });
  });

  it('hears a socket that speaks before it is in hand', async () => {
    at.network.atOpening = ({ opened, event }) => {
      opened();
      event('session:head', {});
    };
    at.connection.start();
    await settled();
    expect(at.told).toEqual(['connecting', 'online', 'opened', 'session:head']);
  });

  it('that is stopped closes its socket, gives up what waits, and is told once', async () => {
    await at.goOnline();
    const outcomes = at.ask();
    at.connection.stop();
    at.connection.stop();
    await settled();
    expect(at.network.newest.isClosed).toBe(true);
    expect(outcomes).toEqual([{ kind: 'lost' }]);
    expect(at.told).toEqual(['closed', 'lost']);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(at.network.sockets).toHaveLength(1);
  });

  it('that is stopped by the one who hears that it begins does not begin', async () => {
    const asked: boolean[] = [];
    at.stage(({ isRefused }) => {
      asked.push(isRefused);
      return 'token';
    });
    at.onChange = ({ kind }) => {
      if (kind === 'connecting') at.connection.stop();
    };
    at.connection.start();
    await jest.advanceTimersByTimeAsync(60_000);
    expect([asked.length, at.network.sockets.length]).toEqual([0, 0]);
    expect(at.connection.state.kind).toBe('closed');
  });

  it('that is stopped by the one who hears that it is online does not go on as if it were', async () => {
    at.onChange = ({ kind }) => {
      if (kind === 'online') at.connection.stop();
    };
    at.connection.start();
    await settled();
    at.network.newest.tell.opened();
    expect(at.told).toEqual(['connecting', 'online', 'closed', 'lost']);
    expect(at.network.newest.isClosed).toBe(true);
  });

  it('hears nothing of sockets that it has left', async () => {
    await at.goOnline();
    const old = at.network.newest;
    old.tell.closed();
    await jest.advanceTimersByTimeAsync(250);
    at.told = [];
    old.tell.opened();
    old.tell.event('message:new', {});
    old.tell.event('connection:closing', { reason: 'kicked', reconnect: false });
    old.tell.closed();
    old.tell.refused(refusal('RESUME_REJECTED'));
    expect(at.told).toEqual([]);
    at.network.newest.tell.opened();
    expect(at.told).toEqual(['online', 'opened']);
    at.network.newest.tell.closed();
    expect(at.connection.state.kind).toBe('reconnecting');
  });
});

describe('a request', () => {
  it('is lost at once where there is no connection', async () => {
    const before = at.ask();
    at.connection.start();
    await settled();
    const during = at.ask();
    await settled();
    expect([before, during]).toEqual([[{ kind: 'lost' }], [{ kind: 'lost' }]]);
    expect(at.network.newest.requests).toHaveLength(0);
  });

  it('has the answer of the server, a refusal or what came instead', async () => {
    await at.goOnline();
    const outcomes = [at.ask(), at.ask(), at.ask(), at.ask()];
    const answers = [{ ok: true }, { ok: false, error: refusal('FORBIDDEN') }, 'nonsense', undefined];
    answers.forEach((answer, index) => at.network.newest.requests[index]?.answer(answer));
    await settled();
    expect(outcomes.map(([outcome]) => outcome?.kind)).toEqual(['ok', 'refused', 'lost', 'lost']);
    expect(outcomes[1]?.[0]).toMatchObject({ error: { code: 'FORBIDDEN' } });
    expect(jest.getTimerCount()).toBe(0);
  });

  it('has its own answer, in whatever order they come, and the first of two', async () => {
    await at.goOnline();
    const outcomes = [at.ask(), at.ask()];
    const [first, second] = at.network.newest.requests;
    second?.answer({ ok: true, of: 'second' });
    first?.answer({ ok: true, of: 'first' });
    first?.answer({ ok: false, error: refusal('FORBIDDEN') });
    await settled();
    expect(outcomes).toEqual(['first', 'second'].map((of) => [{ kind: 'ok', result: { ok: true, of } }]));
  });

  it('is lost when the server takes longer than it ever does, and stays lost', async () => {
    await at.goOnline();
    const outcomes = at.ask();
    await jest.advanceTimersByTimeAsync(6_999);
    expect(outcomes).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(outcomes).toEqual([{ kind: 'lost' }]);
    at.network.newest.requests[0]?.answer({ ok: true });
    await settled();
    expect(outcomes).toEqual([{ kind: 'lost' }]);
    expect(at.connection.isOnline).toBe(true);
  });

  it('is lost with its connection, at once', async () => {
    await at.goOnline();
    const outcomes = at.ask();
    at.network.newest.tell.closed();
    await settled();
    expect(outcomes).toEqual([{ kind: 'lost' }]);
  });
});

describe('a transport that says nothing', () => {
  it('is left after two requests in a row without answer', async () => {
    await at.goOnline();
    const [old] = at.network.sockets;
    at.ask();
    await jest.advanceTimersByTimeAsync(7_000);
    expect(old?.isClosed).toBe(false);
    at.ask();
    await jest.advanceTimersByTimeAsync(6_999);
    expect(old?.isClosed).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    expect(old?.isClosed).toBe(true);
    expect(at.told).toEqual(['reconnecting', 'lost']);
    await at.expectAttemptAfter(250);
  });

  it.each([
    ['an event', () => at.network.newest.tell.event('session:head', {})],
    ['a late answer', () => at.network.newest.requests[0]?.answer({ ok: true })],
    ['another answer', () => (at.ask(), at.network.newest.requests.at(-1)?.answer({ ok: true }))],
  ])('is kept when %s came in between', async (_what, sign) => {
    await at.goOnline();
    at.ask();
    await jest.advanceTimersByTimeAsync(7_000);
    sign();
    at.ask();
    await jest.advanceTimersByTimeAsync(7_000);
    expect(at.network.sockets).toHaveLength(1);
    expect(at.connection.isOnline).toBe(true);
  });

  it('does not tell against the next one', async () => {
    await at.goOnline();
    at.ask();
    await jest.advanceTimersByTimeAsync(7_000);
    at.network.newest.tell.closed();
    await jest.advanceTimersByTimeAsync(250);
    at.network.newest.tell.opened();
    at.ask();
    await jest.advanceTimersByTimeAsync(7_000);
    expect(at.connection.isOnline).toBe(true);
    expect(at.network.sockets).toHaveLength(2);
  });

  it('is found out at once after waking', async () => {
    await at.goOnline();
    at.connection.wake();
    expect(at.network.newest.requests.map(({ command }) => command)).toEqual(['session:get']);
    await jest.advanceTimersByTimeAsync(2_999);
    expect(at.connection.isOnline).toBe(true);
    await jest.advanceTimersByTimeAsync(1);
    expect(at.connection.state.kind).toBe('reconnecting');
    await at.expectAttemptAfter(250);
  });

  it('is no such thing when the probe is answered, with a refusal too', async () => {
    await at.goOnline();
    at.connection.wake();
    at.network.newest.requests[0]?.answer({ ok: false, error: refusal('NOT_IN_SESSION') });
    await jest.advanceTimersByTimeAsync(60_000);
    expect(at.network.sockets).toHaveLength(1);
    expect(at.told).toEqual([]);
  });

  it('is left once when the probe fails after it has closed by itself', async () => {
    await at.goOnline();
    at.connection.wake();
    at.network.newest.tell.closed();
    await jest.advanceTimersByTimeAsync(250);
    at.network.newest.tell.opened();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(at.network.sockets).toHaveLength(2);
    expect(at.connection.isOnline).toBe(true);
  });
});
