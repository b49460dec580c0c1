import type { Summary } from './engine/samples.ts';

/** One printed line: what was measured, and, where there is one, what it must reach. */
export interface Figure {
  name: string;
  value: string;
  target?: { text: string; isReached: boolean };
}

/** Columns of equal width; a line without target ends after its value. */
export function formatFigures(figures: readonly Figure[]): string {
  const nameWidth = Math.max(...figures.map(({ name }) => name.length));
  const valueWidth = Math.max(...figures.filter(({ target }) => target).map(({ value }) => value.length), 0);
  return figures
    .map(({ name, value, target }) => {
      const start = `  ${name.padEnd(nameWidth)}  `;
      if (target === undefined) return (start + value).trimEnd();
      return `${start}${value.padEnd(valueWidth)}  target ${target.text}: ${target.isReached ? 'reached' : 'missed'}`;
    })
    .join('\n');
}

/** Three significant digits are what such a measurement is worth. */
export function rounded(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(value >= 10 ? 1 : 2);
}

export function percentiles(summary: Summary | null): string {
  if (summary === null) return 'nothing measured';
  const { p50, p95, p99, max } = summary;
  return `p50 ${rounded(p50)}  p95 ${rounded(p95)}  p99 ${rounded(p99)}  max ${rounded(max)} ms`;
}

/** How often each thing happened. */
export function tallyText(tally: Readonly<Record<string, number>>): string {
  const entries = Object.entries(tally);
  return entries.length === 0 ? 'none' : entries.map(([what, count]) => `${what}: ${count}`).join(', ');
}

export function milliseconds(value: number): string {
  return `${rounded(value)} ms`;
}

/** Of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [below = NaN, above = NaN] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]];
  return (below + above) / 2;
}

/** What the middle of some rounds is worth: it stands beside the least and the most of them. */
export function spreadText(values: readonly number[], unit: string): string {
  const sorted = [...values].sort((a, b) => a - b);
  const [least = NaN, most = NaN] = [sorted[0], sorted.at(-1)];
  const text = (value: number): string => (value < 0 ? `-${rounded(-value)}` : rounded(value));
  return `median ${text(median(values))}, ${text(least)} to ${text(most)} ${unit}`;
}
