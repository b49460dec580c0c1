import uPlot from 'uplot';
import { element, setText } from '../view/dom.ts';
import type { Line } from './chart-lines.ts';
import type { Palette } from './palette.ts';
import { timeText } from './format.ts';
import { WINDOW_MS } from './history.ts';

export interface ChartView {
  readonly element: HTMLElement;
  update: (timesMs: readonly number[], lines: readonly Line[]) => void;
  /** After the colours or the size have changed. */
  redraw: () => void;
}

export interface ChartSpec {
  readonly heading: string;
  readonly hint: string;
  readonly valueText: (value: number | null) => string;
  /** Of what is counted: half of one is nothing. */
  readonly isWhole?: boolean;
  readonly palette: Palette;
}

const HEIGHT = 170;
/** More names than this are read by nobody; the lines are there all the same, and the table below has all. */
const MOST_NAMES = 8;
const DASHES = [6, 4];
const WHOLE_STEPS = Array.from({ length: 9 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

/** One chart; its legend holds the figures under the pointer, or the newest. */
export function chartView({ heading, hint, valueText, isWhole = false, palette }: ChartSpec): ChartView {
  const picture = element('div', { class: 'plot', attributes: { role: 'img' } });
  const time = element('span', { class: 'plot-time' });
  const legend = element('ul', { class: 'legend' });
  const view = element(
    'figure',
    { class: 'chart' },
    element('figcaption', {}, element('h3', { text: heading }), element('p', { class: 'hint', text: hint }), time),
    picture,
    legend,
  );
  let plot: uPlot | null = null;
  let drawnKeys = '';
  let lines: readonly Line[] = [];
  let times: readonly number[] = [];
  let pointedAt: number | null = null;

  const tell = (): void => {
    const index = pointedAt !== null && pointedAt < times.length ? pointedAt : times.length - 1;
    const at = times[index];
    setText(time, pointedAt === null || at === undefined ? '' : `at ${timeText(at)}`);
    const items = lines.slice(0, MOST_NAMES);
    while (legend.children.length > Math.max(1, items.length + Number(lines.length > MOST_NAMES))) {
      legend.lastElementChild?.remove();
    }
    items.forEach((line, place) => {
      const item = legendItem(legend, place);
      item.swatch.style.borderTopColor = palette.line(line.colour);
      item.swatch.style.borderTopStyle = isDashed(line) ? 'dashed' : 'solid';
      setText(item.name, line.label);
      setText(item.value, valueText(line.values[index] ?? null));
    });
    if (items.length === 0) legend.replaceChildren(element('li', { text: 'Nothing in this time.' }));
    else if (lines.length > MOST_NAMES) {
      const rest = element('li', { text: `and ${lines.length - MOST_NAMES} more, in the table below` });
      const present = legend.children[MOST_NAMES];
      if (present === undefined) legend.append(rest);
      else present.replaceWith(rest);
    }
  };
  const make = (): uPlot => {
    const made = new uPlot(
      {
        width: Math.max(120, picture.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, sync: { key: 'console' }, y: false, points: { size: 6 } },
        scales: {
          x: { time: true, range: (_plot, _min, max) => [max - WINDOW_MS / 1000, max] },
          y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.15 : 1] },
        },
        axes: [
          { ...axis(palette, timeTicks), incrs: [60, 120, 180, 300], space: 48, size: 28 },
          {
            ...axis(palette, (_plot, ticks) => ticks.map(tickText)),
            size: 46,
            ...(isWhole ? { incrs: WHOLE_STEPS } : {}),
          },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            label: line.label,
            stroke: () => palette.line(line.colour),
            width: 2,
            points: { show: false },
            ...(isDashed(line) ? { dash: DASHES } : {}),
          })),
        ],
        hooks: {
          setCursor: [
            (self) => {
              pointedAt = self.cursor.idx ?? null;
              tell();
            },
          ],
        },
      },
      data(),
      picture,
    );
    return made;
  };
  const data = (): uPlot.AlignedData => [times.map((ms) => ms / 1000), ...lines.map(({ values }) => values)];

  return {
    element: view,
    update: (timesMs, now) => {
      times = timesMs;
      lines = now;
      tell();
      picture.setAttribute('aria-label', pictureText(heading, lines, valueText));
      const keys = lines.map(({ key }) => key).join('\n');
      // In a part of the page that is hidden it has no size.
      if (picture.clientWidth === 0) return;
      if (plot === null || keys !== drawnKeys) {
        plot?.destroy();
        drawnKeys = keys;
        plot = make();
      } else plot.setData(data());
    },
    redraw: () => {
      tell();
      if (plot === null || picture.clientWidth === 0) return;
      if (picture.clientWidth === plot.width) plot.redraw(false, true);
      else plot.setSize({ width: picture.clientWidth, height: HEIGHT });
    },
  };
}

/** Beyond the colours that there are, the same again in dashes. */
function isDashed({ isDashed: own, colour }: Line): boolean {
  return own || colour >= 8;
}

function axis(palette: Palette, values: uPlot.Axis.DynamicValues): uPlot.Axis {
  return {
    stroke: () => palette.ink(),
    grid: { stroke: () => palette.grid(), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
    values,
  };
}

const timeTicks: uPlot.Axis.DynamicValues = (_plot, ticks) =>
  ticks.map((seconds) => timeText(seconds * 1000).slice(0, 5));

const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 2 });
function tickText(value: number): string {
  return SHORT.format(value);
}

/** For who does not see it: now, and between what it was. */
function pictureText(heading: string, lines: readonly Line[], valueText: (value: number | null) => string): string {
  const parts = lines.slice(0, MOST_NAMES).map(({ label, values }) => {
    const known = values.filter((value) => value !== null);
    if (known.length === 0) return `${label} no figures`;
    const [low, high] = [Math.min(...known), Math.max(...known)];
    return `${label} ${valueText(values.at(-1) ?? null)}, between ${valueText(low)} and ${valueText(high)}`;
  });
  return `${heading} in the last 10 minutes. ${parts.join('; ')}`;
}

function legendItem(
  legend: HTMLElement,
  place: number,
): { swatch: HTMLElement; name: HTMLElement; value: HTMLElement } {
  const present = legend.children[place];
  const [swatch, name, value] = present?.children ?? [];
  if (swatch instanceof HTMLElement && name instanceof HTMLElement && value instanceof HTMLElement) {
    return { swatch, name, value };
  }
  const made = {
    swatch: element('span', { class: 'swatch' }),
    name: element('span', { class: 'legend-name' }),
    value: element('span', { class: 'legend-value' }),
  };
  const item = element('li', {}, made.swatch, made.name, made.value);
  if (present === undefined) legend.append(item);
  else present.replaceWith(item);
  return made;
}
