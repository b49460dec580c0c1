import { Samples, type Summary } from '../engine/samples.ts';
import { milliseconds, percentiles, rounded, tallyText, type Figure } from '../figures.ts';
import type { CrowdResult, Return } from './crowd-plan.ts';

/** What the server has by default to stop in. */
const DRAIN_TIMEOUT_MS = 25_000;
const TARGET_BACK_MS = 5000;

export interface Drained {
  readonly connections: number;
  readonly exitCode: number | null;
  /** From SIGTERM to the end of the process. */
  readonly tookMs: number;
  /** Milliseconds since 1970. */
  readonly toldAt: number;
  /** When there was a server to come back to, by the same clock. */
  readonly readyAt: number;
  readonly result: CrowdResult;
  readonly cpuSeconds: { stopping: number | null; taking: number | null; crowds: number | null };
}

export function drainFigures(
  name: string,
  { connections, exitCode, tookMs, toldAt, readyAt, result, cpuSeconds }: Drained,
  { isTarget, isAlone }: { isTarget: boolean; isAlone: boolean },
): Figure[] {
  const { returns, lost, doubled, holes } = result;
  const back = summaryOf(returns, ({ closedAt, backAt }) => backAt - closedAt);
  const late = returns.filter(({ closedAt, backAt }) => backAt - closedAt > TARGET_BACK_MS).length;
  const isComplete = returns.length === connections && result.away === 0;
  const lastClosedMs = Math.max(...returns.map(({ closedAt }) => closedAt)) - toldAt;
  const firstClosedMs = Math.min(...returns.map(({ closedAt }) => closedAt)) - toldAt;
  return [
    { name, value: '' },
    {
      name: '  SIGTERM to the end of the process',
      value: `${rounded(tookMs / 1000)} s, exit code ${String(exitCode)}`,
      ...(isTarget && {
        target: {
          text: `0, within ${DRAIN_TIMEOUT_MS / 1000} s`,
          isReached: exitCode === 0 && tookMs <= DRAIN_TIMEOUT_MS,
        },
      }),
    },
    {
      name: '  connections closed',
      value: `from ${rounded(firstClosedMs / 1000)} to ${rounded(lastClosedMs / 1000)} s after SIGTERM; by reason ${tallyText(result.losses)}`,
    },
    {
      name: '  back',
      value: `${returns.length} of ${connections}`,
      target: { text: 'all', isReached: isComplete },
    },
    {
      name: '  own close to session:resumed',
      value: `${percentiles(back)}; later than ${TARGET_BACK_MS / 1000} s: ${late}`,
      // A server that is alone can't take anybody back before it is there again.
      ...(isTarget &&
        !isAlone && {
          target: { text: `all within ${TARGET_BACK_MS / 1000} s`, isReached: isComplete && late === 0 },
        }),
    },
    ...(isAlone
      ? [
          {
            name: '  end of the process to ready again',
            value: milliseconds(readyAt - toldAt - tookMs),
          },
          {
            name: '  ready again to session:resumed',
            value: percentiles(summaryOf(returns, ({ backAt }) => backAt - readyAt)),
          },
        ]
      : []),
    {
      name: '  of it the wait of the client itself',
      value: percentiles(summaryOf(returns, ({ closedAt, askedAt }) => askedAt - closedAt)),
    },
    {
      name: '  of it connecting and resuming',
      value: percentiles(summaryOf(returns, ({ askedAt, backAt }) => backAt - askedAt)),
    },
    { name: '  attempts that failed', value: String(result.failedAttempts) },
    { name: '  longest stall of a process of clients', value: milliseconds(result.loopLagMs) },
    {
      name: '  CPU',
      value: `server that stops ${seconds(cpuSeconds.stopping)}, that takes them ${perReturn(cpuSeconds.taking, returns.length)}, clients ${seconds(cpuSeconds.crowds)}`,
    },
    {
      name: '  messages',
      value: `lost ${lost}, under two numbers ${doubled}, holes ${holes}, of ${result.acknowledged} acknowledged`,
      target: { text: '0', isReached: lost + doubled + holes === 0 && result.acknowledged > 0 },
    },
    { name: '  faults', value: tallyText(result.faults) },
  ];
}

function summaryOf(returns: readonly Return[], of: (one: Return) => number): Summary | null {
  const samples = new Samples();
  for (const one of returns) samples.add(of(one));
  return samples.summary();
}

function seconds(value: number | null): string {
  return value === null ? 'not measured' : `${rounded(value)} s`;
}

function perReturn(value: number | null, count: number): string {
  return value === null
    ? 'not measured'
    : `${rounded(value)} s (${rounded((value * 1e6) / Math.max(1, count))} us each)`;
}
