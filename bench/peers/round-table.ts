import { median, rounded, tallyText } from '../figures.ts';
import type { Comparison } from '../report.ts';
import type { Round } from './round.ts';

/** Columns of rounds side by side: the median of each figure, and behind it the least and the most. */
export function roundTable(columns: ReadonlyMap<string, readonly Round[]>): Comparison {
  const line = (name: string, read: (round: Round) => number | null) => ({
    name,
    cells: [...columns.values()].map((rounds) => spread(rounds.map((round) => read(round) ?? NaN))),
  });
  return {
    columns: [...columns.keys()],
    rows: [
      line('CPU of all servers, us per delivered message', microsOf),
      line('CPU of Redis, us', ({ micros }) => micros.redis),
      line('CPU of Postgres, us', ({ micros }) => micros.postgres),
      line('CPU of the generator, us', ({ micros }) => micros.generator),
      line("servers' processor, % busy", ({ serverCores }) => (serverCores === null ? null : serverCores * 100)),
      line('offered /s', ({ load }) => load.perSecond.offered),
      line('delivered /s', rateOf),
      line('send to receive, p50 ms', ({ load }) => load.latencyMs.delivery?.p50 ?? null),
      line('send to receive, p99 ms', p99Of),
      line('send to ack, p99 ms', ({ load }) => load.latencyMs.ack?.p99 ?? null),
      line('memory of all servers, peak MiB', ({ peakBytes }) => (peakBytes === null ? null : peakBytes / 2 ** 20)),
      {
        name: 'lost, doubled, reordered, unanswered',
        cells: [...columns.values()].map((rounds) => String(rounds.reduce((sum, round) => sum + faultsOf(round), 0))),
      },
      { name: 'refusals and errors', cells: [...columns.values()].map((rounds) => tallyText(errorsOf(rounds))) },
    ],
  };
}

function spread(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const middle = median(values);
  if (!Number.isFinite(middle)) return 'not measured';
  return values.length === 1 ? rounded(middle) : `${rounded(middle)} (${rounded(least)}–${rounded(most)})`;
}

/** NaN without a measurement, which no target is reached by. */
export function microsOf({ micros }: Round): number {
  return micros.servers ?? NaN;
}

export function rateOf({ load }: Round): number {
  return load.perSecond.received;
}

export function p99Of({ load }: Round): number {
  return load.latencyMs.delivery?.p99 ?? Infinity;
}

/** A refusal in words is none. */
export function faultsOf({ load: { counts } }: Round): number {
  return counts.lost + counts.doubled + counts.reordered + counts.phantom + counts.unanswered;
}

function errorsOf(rounds: readonly Round[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { load } of rounds) {
    for (const [what, count] of Object.entries(load.errors)) sums[what] = (sums[what] ?? 0) + count;
  }
  return sums;
}
