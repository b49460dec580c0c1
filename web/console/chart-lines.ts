import type { Figures, Point } from './history.ts';

export type ChartKind = 'connections' | 'sessions' | 'messages' | 'delivery' | 'limited';
export type ChartMode = 'each' | 'together';

/** One line of a chart; `values` are as many as there are points. */
export interface Line {
  readonly key: string;
  readonly label: string;
  /** Same number, same colour: that of an instance is the same in all charts. */
  readonly colour: number;
  readonly isDashed: boolean;
  readonly values: (number | null)[];
}

type Value = (figures: Figures) => number | null;

const VALUES: Readonly<Record<Exclude<ChartKind, 'delivery' | 'limited'>, Value>> = {
  connections: ({ connections }) => connections,
  sessions: ({ sessions }) => sessions,
  messages: ({ messagesPerSecond }) => messagesPerSecond,
};
const P50: Value = ({ deliveryMs }) => deliveryMs?.p50 ?? null;
const P99: Value = ({ deliveryMs }) => deliveryMs?.p99 ?? null;
const REFUSED: Value = ({ limitedPerSecond }) =>
  limitedPerSecond === null ? null : total(Object.values(limitedPerSecond));

/** An instance as it is drawn. */
export interface Drawn {
  readonly id: string;
  readonly name: string;
  readonly colour: number;
}

export function linesOf(
  kind: ChartKind,
  mode: ChartMode,
  points: readonly Point[],
  instances: readonly Drawn[],
): Line[] {
  if (mode === 'together') return togetherLines(kind, points);
  return instances.flatMap(({ id, name, colour }) => {
    const line = (key: string, label: string, value: Value, isDashed = false): Line => {
      const values = points.map(({ figures }) => {
        const own = figures.get(id);
        return own === undefined ? null : value(own);
      });
      return { key: `${id} ${key}`, label, colour, isDashed, values };
    };
    if (kind === 'delivery') return [line('p50', `${name} p50`, P50, true), line('p99', `${name} p99`, P99)];
    return [line('all', name, kind === 'limited' ? REFUSED : VALUES[kind])];
  });
}

function togetherLines(kind: ChartKind, points: readonly Point[]): Line[] {
  const line = (
    label: string,
    colour: number,
    of: (values: number[]) => number,
    value: Value,
    isDashed = false,
  ): Line => ({
    key: label,
    label,
    colour,
    isDashed,
    values: points.map(({ figures }) => {
      const values = [...figures.values()].map(value).filter((one) => one !== null);
      return values.length === 0 ? null : of(values);
    }),
  });
  switch (kind) {
    // Percentiles do not add up: what is told is that of the slowest.
    case 'delivery':
      return [line('p50', 0, greatest, P50, true), line('p99', 0, greatest, P99)];
    case 'limited':
      return limitNames(points).map((name, colour) =>
        line(name, colour, total, ({ limitedPerSecond }) =>
          limitedPerSecond === null ? null : (limitedPerSecond[name] ?? 0),
        ),
      );
    default:
      return [line('All instances', 0, total, VALUES[kind])];
  }
}

/** Only limits that refused something in the time that is shown: most never do. */
function limitNames(points: readonly Point[]): string[] {
  const names = new Set<string>();
  for (const { figures } of points) {
    for (const { limitedPerSecond } of figures.values()) {
      for (const [name, rate] of Object.entries(limitedPerSecond ?? {})) if (rate > 0) names.add(name);
    }
  }
  return [...names].sort();
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function greatest(values: readonly number[]): number {
  return Math.max(...values);
}

/** The figures of now, of one instance or of all that live; delivery is that of the slowest. */
export interface Now {
  readonly connections: number;
  readonly sessions: number;
  readonly messagesPerSecond: number | null;
  readonly limitedPerSecond: number | null;
  readonly p50: number | null;
  readonly p99: number | null;
}

export function nowOf(figures: readonly Figures[]): Now {
  const values = (value: Value): number[] => figures.map(value).filter((one) => one !== null);
  const sum = (value: Value): number | null => (values(value).length === 0 ? null : total(values(value)));
  const most = (value: Value): number | null => (values(value).length === 0 ? null : greatest(values(value)));
  return {
    connections: total(values(VALUES.connections)),
    sessions: total(values(VALUES.sessions)),
    messagesPerSecond: sum(VALUES.messages),
    limitedPerSecond: sum(REFUSED),
    p50: most(P50),
    p99: most(P99),
  };
}
