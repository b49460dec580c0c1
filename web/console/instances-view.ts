import { ask } from '../view/ask.ts';
import { button, element, setText, show } from '../view/dom.ts';
import { agoText, bytesText, millisecondsText, numberText } from './format.ts';
import { stateText } from './instance-states.ts';
import type { Instance } from './instance-states.ts';
import type { Desk } from './screen.ts';
import { tableView } from './table.ts';
import { CONSOLE_TEXTS } from './texts.ts';

export interface InstancesView {
  readonly element: HTMLElement;
  update: (at: string, instances: readonly Instance[]) => void;
}

const words = CONSOLE_TEXTS.drain;

export function instancesView(desk: Desk): InstancesView {
  let now = '';
  let all: readonly Instance[] = [];
  const askToDrain = ({ id, name }: Instance): void => {
    const others = all.filter((other) => other.id !== id && other.state === 'ready');
    const why = others.length === 0 ? [words.why, words.only] : [words.why];
    ask({ heading: words.question(name), why, yes: words.yes }, () => {
      void desk.run(() => desk.ask('console:drain', { instanceId: id }), words.done(name));
    });
  };
  const table = tableView<Instance>({
    caption: 'Instances',
    keyOf: ({ id }) => id,
    stateOf: ({ state }) => state,
    columns: [
      { heading: 'Instance', isRowHeading: true, text: ({ name }) => name },
      {
        heading: 'State',
        cell: () => {
          const badge = element('span', { class: 'state' });
          return {
            element: badge,
            update: (instance) => {
              badge.dataset['state'] = instance.state;
              setText(badge, stateText(instance));
            },
          };
        },
      },
      { heading: 'Version', text: ({ report }) => report.version },
      {
        heading: 'Uptime',
        isNumber: true,
        text: ({ report }) => agoText(Date.parse(now) - Date.parse(report.startedAt)),
      },
      { heading: 'Connections', isNumber: true, text: ({ report }) => numberText(report.connections) },
      { heading: 'Memory', isNumber: true, text: ({ report }) => bytesText(report.memoryBytes) },
      { heading: 'CPU', isNumber: true, text: ({ report }) => `${numberText(report.cpuCores)}\u00a0cores` },
      { heading: 'Loop lag', isNumber: true, text: ({ report }) => millisecondsText(report.eventLoopLagMs) },
      {
        heading: 'Act',
        cell: (first) => {
          let current = first;
          const drain = button(words.button, 'quiet', () => askToDrain(current));
          return {
            element: drain,
            update: (instance) => {
              current = instance;
              drain.setAttribute('aria-label', words.label(instance.name));
              // One that says nothing cannot be asked, and one that drains does it already.
              show(drain, instance.state === 'ready' || instance.state === 'not_ready');
            },
          };
        },
      },
    ],
  });
  return {
    element: table.element,
    update: (at, instances) => {
      now = at;
      all = instances;
      table.update(instances);
    },
  };
}
