import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createHealth, type Health, type HealthOptions, type HealthTurn } from './health.ts';

const STARTED_AT = Date.parse('2026-01-31T12:00:00.000Z');

let health: Health | null;

beforeEach(() => {
  jest.useFakeTimers({ now: STARTED_AT });
  health = null;
});

afterEach(() => {
  health?.stop();
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

function started(options: Partial<HealthOptions> = {}): Health {
  health = createHealth({
    version: '1.2.3',
    instanceId: 'i-1',
    startedAt: STARTED_AT,
    database: well,
    databaseType: 'embedded',
    redis: null,
    delivery: well,
    isDraining: () => false,
    now: () => Date.now(),
    ...options,
  });
  health.start();
  return health;
}

const well = () => Promise.resolve();
const broken = () => Promise.reject(new Error('connection refused'));
const hung = () => new Promise<void>(() => undefined);

const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

describe('readiness', () => {
  it('is red before the first look has ended, and green after', async () => {
    const report = started();
    expect(report.ready().status).toBe('not_ready');
    expect(report.summary().status).toBe('unhealthy');
    await pass(0);
    expect(report.ready()).toEqual({
      status: 'ready',
      checks: {
        redis: { status: 'disabled' },
        database: { status: 'ok', latencyMs: expect.any(Number) },
        delivery: { status: 'ok', latencyMs: expect.any(Number) },
        drain: { status: 'ok' },
      },
    });
  });

  it('tells when the first look has ended, well or not', async () => {
    const green = started();
    await green.looked();
    expect(green.ready().status).toBe('ready');
    green.stop();
    const red = started({ delivery: hung });
    const looked = red.looked();
    await pass(1500);
    await looked;
    expect(red.ready().status).toBe('not_ready');
  });

  it('stays red while one of the two has never answered', async () => {
    const report = started({ database: hung });
    await pass(1000);
    expect(report.ready().status).toBe('not_ready');
    await pass(500);
    expect(report.ready()).toMatchObject({ status: 'ready', checks: { database: { status: 'degraded' } } });
  });

  it('is green with a degraded database', async () => {
    const report = started({ database: broken });
    await pass(0);
    expect(report.ready()).toMatchObject({ status: 'ready', checks: { database: { status: 'degraded' } } });
    expect(report.ready().checks.database).not.toHaveProperty('latencyMs');
  });

  it('is red without delivery', async () => {
    const report = started({ delivery: broken });
    await pass(0);
    expect(report.ready()).toMatchObject({ status: 'not_ready', checks: { delivery: { status: 'failed' } } });
  });

  it.each([
    ['red', 'Redis does not answer', { redis: broken }, { redis: { status: 'failed' } }],
    ['green', 'Redis answers', { redis: well }, { redis: { status: 'ok', latencyMs: expect.any(Number) } }],
    ['red', 'sends are refused', { isBacklogFull: () => true }, { database: { status: 'failed' } }],
    ['red', 'sends are refused, and the database is away', { database: broken, isBacklogFull: () => true }, {}],
    ['green', 'the database hangs', { database: hung }, { database: { status: 'degraded' } }],
  ])('is %s while %s', async (colour, _what, options: Partial<HealthOptions>, checks) => {
    const report = started(options);
    await pass(1500);
    expect(report.ready()).toMatchObject({ status: colour === 'green' ? 'ready' : 'not_ready', checks });
    expect(Object.keys(report.ready().checks)).toEqual(['redis', 'database', 'delivery', 'drain']);
  });

  it('is red at once when the instance drains', async () => {
    let isDraining = false;
    const report = started({ isDraining: () => isDraining });
    await pass(0);
    isDraining = true;
    expect(report.ready()).toMatchObject({ status: 'not_ready', checks: { drain: { status: 'failed' } } });
  });

  it.each([
    ['refuses', broken],
    ['hangs', hung],
    [
      'throws at once',
      () => {
        throw new Error('at once');
      },
    ],
  ])('turns within 5 s when delivery %s, and within 5 s when it is back', async (_name, fault) => {
    let delivery: () => Promise<void> = well;
    const report = started({ delivery: () => delivery() });
    await pass(10_000);
    delivery = fault;
    await pass(5000);
    expect(report.ready().status).toBe('not_ready');
    delivery = well;
    await pass(5000);
    expect(report.ready().status).toBe('ready');
  });
});

describe('looks', () => {
  it('never overlap, and are not made by probes', async () => {
    let running = 0;
    let most = 0;
    let count = 0;
    const slow = async () => {
      running += 1;
      count += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 1400));
      running -= 1;
    };
    const report = started({ database: slow });
    for (let probe = 0; probe < 10_000; probe += 1) report.ready();
    await pass(23_000);
    expect(most).toBe(1);
    expect(count).toBe(10);
  });

  it('do not pile up when a check hangs and ignores its signal', async () => {
    let calls = 0;
    started({
      database: () => {
        calls += 1;
        return hung();
      },
    });
    await pass(60_000);
    expect(calls).toBe(3);
  });

  it('are told through their signal that nobody waits any more', async () => {
    const signals: AbortSignal[] = [];
    const report = started({
      database: (signal) => {
        signals.push(signal);
        return hung();
      },
    });
    await pass(1499);
    expect(signals.map((signal) => signal.aborted)).toEqual([false]);
    await pass(1);
    expect(signals.map((signal) => signal.aborted)).toEqual([true]);
    expect(report.summary().services.database).toEqual({ status: 'degraded', latencyMs: null, type: 'embedded' });
    await pass(1000);
    report.stop();
    expect(signals.map((signal) => signal.aborted)).toEqual([true, true]);
  });

  it('tell of a turn once, and nothing of a start that goes well', async () => {
    const turns: HealthTurn[] = [];
    let database: () => Promise<void> = well;
    started({ database: () => database(), onTurn: (turn) => turns.push(turn) });
    await pass(3000);
    expect(turns).toEqual([]);
    database = broken;
    await pass(5000);
    database = well;
    await pass(5000);
    expect(turns).toEqual([
      { check: 'database', isWell: false, error: expect.objectContaining({ message: 'connection refused' }) },
      { check: 'database', isWell: true },
    ]);
  });

  it('stop and start again', async () => {
    let count = 0;
    const check = () => {
      count += 1;
      return Promise.resolve();
    };
    const report = started({ delivery: check });
    await pass(2500);
    report.stop();
    report.stop();
    const before = count;
    await pass(10_000);
    expect(count).toBe(before);
    report.start();
    await pass(0);
    expect(count).toBe(before + 1);
  });
});

describe('reports', () => {
  it('say since when the process lives', async () => {
    const report = started();
    await pass(61_500);
    expect(report.live()).toEqual({ status: 'alive', uptimeSeconds: 61, version: '1.2.3', instanceId: 'i-1' });
  });

  it.each([
    ['healthy', well, { status: 'ok', latencyMs: expect.any(Number), connected: true }],
    ['unhealthy', broken, { status: 'failed', latencyMs: null, connected: false }],
  ])('of an instance with Redis are %s with it', async (status, check, redis) => {
    const report = started({ redis: check });
    await pass(0);
    expect(report.summary()).toMatchObject({ status, services: { redis } });
  });

  it.each([
    ['healthy', well, well],
    ['degraded', broken, well],
    ['unhealthy', well, broken],
    ['unhealthy', broken, broken],
  ])('sum up as %s', async (status, database, delivery) => {
    const report = started({ database, delivery });
    await pass(0);
    const isWell = database === well;
    expect(report.summary()).toEqual({
      status,
      timestamp: '2026-01-31T12:00:00.000Z',
      uptimeSeconds: 0,
      services: {
        database: {
          status: isWell ? 'ok' : 'degraded',
          latencyMs: isWell ? expect.any(Number) : null,
          type: 'embedded',
        },
        redis: { status: 'disabled', latencyMs: null, connected: false },
      },
    });
  });
});
