import type { ConsoleEvents } from '../../protocol/console.ts';
import { element, setText, show } from '../view/dom.ts';
import { nowOf } from './chart-lines.ts';
import { chartsView } from './charts-view.ts';
import { millisecondsText, numberText, rateText } from './format.ts';
import { History } from './history.ts';
import { instancesOf, stateChanges } from './instance-states.ts';
import type { Instance } from './instance-states.ts';
import { instancesView } from './instances-view.ts';
import { screenHeading } from './screen.ts';
import type { Desk, Screen } from './screen.ts';
import { storesView } from './stores-view.ts';
import { CONSOLE_TEXTS } from './texts.ts';

export interface OverviewView extends Screen {
  report: (report: ConsoleEvents['console:instances']) => void;
}

/** The deployment at a glance. Reports are kept while another screen is open: the charts have no hole after it. */
export function overviewView(desk: Desk): OverviewView {
  const heading = screenHeading(CONSOLE_TEXTS.overview);
  const history = new History();
  const tiles = tilesView();
  const charts = chartsView();
  const table = instancesView(desk);
  const stores = storesView();
  const silent = element('p', { class: 'notice' });
  let instances: readonly Instance[] = [];
  let at = '';
  let isOpen = false;

  const draw = (): void => {
    if (!isOpen || at === '') return;
    const missing = instances.filter(({ state }) => state === 'silent');
    setText(silent, silentText(missing, instances.length));
    show(silent, missing.length > 0);
    tiles.update(history, instances);
    charts.update(history, instances);
    table.update(at, instances);
    stores.update(instances);
  };
  return {
    heading,
    element: element(
      'section',
      { class: 'overview' },
      heading,
      silent,
      tiles.element,
      part('Instances', table.element),
      part('The last 10 minutes', charts.element),
      part('Stores', stores.element),
    ),
    open: () => {
      isOpen = true;
      draw();
    },
    close: () => {
      isOpen = false;
    },
    report: (report) => {
      at = report.at;
      history.add(at, report.instances);
      const now = instancesOf(at, report.instances);
      for (const change of stateChanges(instances, now)) desk.announcer.say(change);
      instances = now;
      draw();
    },
  };
}

function part(text: string, ...content: Node[]): HTMLElement {
  return element('section', { class: 'part' }, element('h2', { text }), ...content);
}

function silentText(missing: readonly Instance[], all: number): string {
  const names = missing.map(({ name }) => name).join(', ');
  return missing.length === 1
    ? `Instance ${names}, one of ${all}, does not report: it is frozen, cut off or gone. Its figures are not in the sums.`
    : `${missing.length} of ${all} instances do not report: ${names}. Their figures are not in the sums.`;
}

interface TilesView {
  readonly element: HTMLElement;
  update: (history: History, instances: readonly Instance[]) => void;
}

const TILES = [
  'Instances ready',
  'Connections',
  'Sessions',
  'Participants online',
  'Messages',
  'Delivery p99',
  'Refusals',
] as const;

function tilesView(): TilesView {
  const values = TILES.map((name) => ({ name, value: element('dd') }));
  return {
    element: element(
      'dl',
      { class: 'tiles' },
      ...values.map(({ name, value }) => element('div', { class: 'tile' }, element('dt', { text: name }), value)),
    ),
    update: ({ latest }, instances) => {
      const now = nowOf([...(latest?.figures.values() ?? [])]);
      const alive = instances.filter(({ state }) => state !== 'silent');
      const ready = instances.filter(({ state }) => state === 'ready').length;
      const online = alive.reduce((sum, { report }) => sum + report.participants.online, 0);
      const texts: Record<(typeof TILES)[number], string> = {
        'Instances ready': `${ready} of ${instances.length}`,
        Connections: numberText(now.connections),
        Sessions: numberText(now.sessions),
        'Participants online': numberText(online),
        Messages: rateText(now.messagesPerSecond),
        'Delivery p99': millisecondsText(now.p99),
        Refusals: rateText(now.limitedPerSecond),
      };
      for (const { name, value } of values) setText(value, texts[name]);
    },
  };
}
