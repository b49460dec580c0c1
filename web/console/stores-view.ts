import { element, setText, show } from '../view/dom.ts';
import type { Instance } from './instance-states.ts';
import { storeLines } from './stores.ts';
import type { StoreLine } from './stores.ts';

export interface StoresView {
  readonly element: HTMLElement;
  update: (instances: readonly Instance[]) => void;
}

interface LineView {
  readonly element: HTMLElement;
  update: (line: StoreLine) => void;
}

export function storesView(): StoresView {
  const list = element('dl', { class: 'stores' });
  const shown = new Map<string, LineView>();
  return {
    element: list,
    update: (instances) => {
      for (const line of storeLines(instances)) {
        const view = shown.get(line.key) ?? lineView(line);
        view.update(line);
        if (shown.has(line.key)) continue;
        shown.set(line.key, view);
        list.append(view.element);
      }
    },
  };
}

function lineView({ name }: StoreLine): LineView {
  const text = element('span', { class: 'state' });
  const disagreement = element('p', { class: 'notice' });
  return {
    element: element('div', {}, element('dt', { text: name }), element('dd', {}, text, disagreement)),
    update: (line) => {
      text.dataset['state'] = line.condition;
      setText(text, line.text);
      setText(disagreement, line.disagreement ?? '');
      show(disagreement, line.disagreement !== null);
    },
  };
}
