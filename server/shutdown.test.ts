import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { LogFields, Logger } from './observability/logger.ts';
import { runPhases, type Phase } from './shutdown.ts';

type Line = { level: string; event: string } & LogFields;

function recorder(): { logger: Logger; lines: Line[] } {
  const lines: Line[] = [];
  const at =
    (level: string): Logger['info'] =>
    (event, fields) =>
      void lines.push({ ...fields, level, event });
  const logger = {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    dropped: () => 0,
    droppedAt: () => null,
    close: () => Promise.resolve(),
  };
  return { logger, lines };
}

const hang = () => new Promise<void>(() => undefined);
const phase = (name: string, run: Phase['run'], atMostMs = 5000): Phase => ({ name, atMostMs, atLeastMs: 500, run });

describe('the phases of a stop', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  /** Runs them on a clock of their own; gives when each began and how long all took. */
  async function run(phases: readonly Phase[], budgetMs: number) {
    const { logger, lines } = recorder();
    const startedAt = performance.now();
    const began: Record<string, number> = {};
    const observed = phases.map((each) => ({
      ...each,
      run: () => {
        began[each.name] = performance.now() - startedAt;
        return each.run();
      },
    }));
    let tookMs: number | null = null;
    const done = runPhases(observed, { budgetMs, logger }).then(() => {
      tookMs = performance.now() - startedAt;
    });
    await jest.advanceTimersByTimeAsync(100_000);
    await done;
    return { began, tookMs, lines };
  }

  it('take no longer than the budget together, though all of them hang', async () => {
    const names = ['notice', 'connections', 'jobs', 'state', 'database'];
    const phases = names.map((name) => phase(name, hang));
    const { began, tookMs, lines } = await run(phases, 8000);
    expect(tookMs).toBe(8000);
    expect(Object.keys(began)).toEqual(names);
    // The first two got all that the others could spare; those kept their least.
    expect(began).toEqual({ notice: 0, connections: 5000, jobs: 6500, state: 7000, database: 7500 });
    expect(lines.map(({ level, event }) => ({ level, event }))).toEqual(
      names.map(() => ({ level: 'error', event: 'internal_error' })),
    );
  });

  it('leave a hanging one at its own deadline when there is time enough, and the rest to the others', async () => {
    const { began, tookMs } = await run([phase('jobs', hang, 3000), phase('state', () => undefined)], 25_000);
    expect(began).toEqual({ jobs: 0, state: 3000 });
    expect(tookMs).toBe(3000);
  });

  it('keep their least when the budget is smaller than all of them together', async () => {
    const { began, tookMs } = await run([phase('connections', hang), phase('state', hang)], 0);
    expect(began).toEqual({ connections: 0, state: 500 });
    expect(tookMs).toBe(1000);
  });

  it('go on after one that fails, at once or later, and say which', async () => {
    const { began, lines } = await run(
      [
        phase('jobs', () => {
          throw new Error('at once');
        }),
        phase('sockets', () => Promise.reject(new Error('later'))),
        phase('state', () => undefined),
      ],
      10_000,
    );
    expect(Object.keys(began)).toEqual(['jobs', 'sockets', 'state']);
    expect(lines).toMatchObject([
      { event: 'internal_error', phase: 'jobs' },
      { event: 'internal_error', phase: 'sockets' },
      { level: 'debug', event: 'drain_phase', phase: 'state' },
    ]);
  });
});
