import { element, show } from '../view/dom.ts';
import { chartView } from './chart.ts';
import type { ChartSpec, ChartView } from './chart.ts';
import { linesOf, nowOf } from './chart-lines.ts';
import type { ChartKind, ChartMode, Now } from './chart-lines.ts';
import { millisecondsText, numberText, rateText } from './format.ts';
import type { History } from './history.ts';
import type { Instance } from './instance-states.ts';
import { palette } from './palette.ts';
import { tableView } from './table.ts';

export interface ChartsView {
  readonly element: HTMLElement;
  update: (history: History, instances: readonly Instance[]) => void;
}

const CHARTS: readonly (Omit<ChartSpec, 'palette'> & { kind: ChartKind })[] = [
  { kind: 'connections', heading: 'Connections', hint: 'Open at the moment', valueText: numberText, isWhole: true },
  {
    kind: 'sessions',
    heading: 'Sessions',
    hint: 'That an instance looks after; together they are all.',
    valueText: numberText,
    isWhole: true,
  },
  { kind: 'messages', heading: 'Messages', hint: 'Accepted per second', valueText: rateText },
  {
    kind: 'delivery',
    heading: 'Delivery',
    hint: 'From append to emit; half (p50), and 99 of 100 (p99), are faster',
    valueText: millisecondsText,
  },
  { kind: 'limited', heading: 'Refusals by limits', hint: 'Per second', valueText: rateText },
];

interface Row {
  readonly name: string;
  readonly now: Now;
}

/** The last ten minutes, and the same figures as a table for who does not see lines. */
export function chartsView(): ChartsView {
  const colours = palette(() => redraw());
  const charts = CHARTS.map((spec) => ({ ...spec, view: chartView({ ...spec, palette: colours }) }));
  const shades = new Shades();
  let mode: ChartMode = 'each';
  let last: { history: History; instances: readonly Instance[] } | null = null;
  const table = tableView<Row>({
    caption: 'Figures of this moment',
    keyOf: ({ name }) => name,
    columns: [
      { heading: 'Instance', isRowHeading: true, text: ({ name }) => name },
      { heading: 'Connections', isNumber: true, text: ({ now }) => numberText(now.connections) },
      { heading: 'Sessions', isNumber: true, text: ({ now }) => numberText(now.sessions) },
      { heading: 'Messages', isNumber: true, text: ({ now }) => rateText(now.messagesPerSecond) },
      { heading: 'Delivery p50', isNumber: true, text: ({ now }) => millisecondsText(now.p50) },
      { heading: 'Delivery p99', isNumber: true, text: ({ now }) => millisecondsText(now.p99) },
      { heading: 'Refusals', isNumber: true, text: ({ now }) => rateText(now.limitedPerSecond) },
    ],
  });
  const details = element(
    'details',
    { class: 'figures-table' },
    element('summary', { text: 'The figures as a table' }),
    table.element,
  );

  /** With one instance both are the same, but for the limits: these have names. */
  const modeOf = (kind: ChartKind): ChartMode =>
    (last?.instances.length ?? 0) > 1 ? mode : kind === 'limited' ? 'together' : 'each';
  const redraw = (): void => {
    for (const { view } of charts) view.redraw();
  };
  const draw = (): void => {
    if (last === null) return;
    const { history, instances } = last;
    const drawn = instances.map(({ id, name }) => ({ id, name, colour: shades.of(id) }));
    shades.keep(instances);
    const times = history.points.map(({ atMs }) => atMs);
    for (const { kind, view } of charts) view.update(times, linesOf(kind, modeOf(kind), history.points, drawn));
    if (details.open) table.update(rowsOf(history, instances));
  };
  details.addEventListener('toggle', draw);
  const toggle = modeView((chosen) => {
    mode = chosen;
    draw();
  });
  const grid = element('div', { class: 'charts' }, ...charts.map(({ view }: { view: ChartView }) => view.element));
  new ResizeObserver(() => {
    draw();
    redraw();
  }).observe(grid);
  return {
    element: element('div', { class: 'charts-part' }, toggle.element, grid, details),
    update: (history, instances) => {
      last = { history, instances };
      // With one instance both say the same.
      show(toggle.element, instances.length > 1);
      draw();
    },
  };
}

/** The colour of an instance stays what it is while others come and go. */
class Shades {
  #taken = new Map<string, number>();

  of(id: string): number {
    const present = this.#taken.get(id);
    if (present !== undefined) return present;
    const others = new Set(this.#taken.values());
    let free = 0;
    while (others.has(free)) free += 1;
    this.#taken.set(id, free);
    return free;
  }

  keep(instances: readonly Instance[]): void {
    const ids = new Set(instances.map(({ id }) => id));
    for (const id of this.#taken.keys()) if (!ids.has(id)) this.#taken.delete(id);
  }
}

function rowsOf({ latest }: History, instances: readonly Instance[]): Row[] {
  const figures = latest?.figures ?? new Map<string, never>();
  const rows = instances.flatMap(({ id, name }): Row[] => {
    const own = figures.get(id);
    return own === undefined ? [] : [{ name, now: nowOf([own]) }];
  });
  return rows.length > 1 ? [...rows, { name: 'Together', now: nowOf([...figures.values()]) }] : rows;
}

function modeView(chosen: (mode: ChartMode) => void): { element: HTMLElement } {
  const choice = (mode: ChartMode, text: string): HTMLElement => {
    const input = element('input', { id: `mode-${mode}`, attributes: { type: 'radio', name: 'mode', value: mode } });
    input.checked = mode === 'each';
    input.addEventListener('change', () => chosen(mode));
    return element('span', { class: 'option' }, input, element('label', { text, attributes: { for: input.id } }));
  };
  return {
    element: element(
      'fieldset',
      { class: 'mode' },
      element('legend', { text: 'Lines' }),
      choice('each', 'One for each instance'),
      choice('together', 'All together'),
    ),
  };
}
