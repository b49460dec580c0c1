import { describe, expect, it } from '@jest/globals';
import { linesOf, nowOf } from './chart-lines.ts';
import type { ChartKind, ChartMode } from './chart-lines.ts';
import type { Figures, Point } from './history.ts';

const figures = (own: Partial<Figures>): Figures => ({
  connections: 0,
  sessions: 0,
  messagesPerSecond: null,
  limitedPerSecond: null,
  deliveryMs: null,
  ...own,
});

const busy = figures({
  connections: 5,
  messagesPerSecond: 10,
  limitedPerSecond: { auth: 2, api: 0 },
  deliveryMs: { p50: 1, p99: 9 },
});
const idle = figures({ connections: 1, messagesPerSecond: 0.5, limitedPerSecond: {}, deliveryMs: null });
const POINTS: Point[] = [
  { atMs: 1, figures: new Map([['a', figures({ connections: 4 })]]) },
  { atMs: 2, figures: new Map() },
  {
    atMs: 3,
    figures: new Map([
      ['a', busy],
      ['b', idle],
    ]),
  },
];
const INSTANCES = [
  { id: 'a', name: 'A', colour: 0 },
  { id: 'b', name: 'B', colour: 1 },
];
const shown = (kind: ChartKind, mode: ChartMode) =>
  linesOf(kind, mode, POINTS, INSTANCES).map(({ label, colour, values }) => [label, colour, ...values]);

describe('lines', () => {
  it('are one to each instance, in its colour, with a gap where it told nothing', () => {
    expect(shown('connections', 'each')).toEqual([
      ['A', 0, 4, null, 5],
      ['B', 1, null, null, 1],
    ]);
    expect(shown('limited', 'each')).toEqual([
      ['A', 0, null, null, 2],
      ['B', 1, null, null, 0],
    ]);
    expect(shown('delivery', 'each')).toEqual([
      ['A p50', 0, null, null, 1],
      ['A p99', 0, null, null, 9],
      ['B p50', 1, null, null, null],
      ['B p99', 1, null, null, null],
    ]);
  });

  it('are the sum of all together, but for delivery, which is that of the slowest', () => {
    expect(shown('connections', 'together')).toEqual([['All instances', 0, 4, null, 6]]);
    expect(shown('messages', 'together')).toEqual([['All instances', 0, null, null, 10.5]]);
    expect(shown('delivery', 'together')).toEqual([
      ['p50', 0, null, null, 1],
      ['p99', 0, null, null, 9],
    ]);
  });

  it('are one to each limit that refused something', () => {
    expect(shown('limited', 'together')).toEqual([['auth', 0, null, null, 2]]);
  });
});

it('the figures of now tell what nobody has told yet from nothing', () => {
  expect(nowOf([busy, idle])).toEqual({
    connections: 6,
    sessions: 0,
    messagesPerSecond: 10.5,
    limitedPerSecond: 2,
    p50: 1,
    p99: 9,
  });
  expect(nowOf([figures({ connections: 1 })])).toMatchObject({
    messagesPerSecond: null,
    limitedPerSecond: null,
    p99: null,
  });
});
