import { element } from '../view/dom.ts';

export interface Announcer {
  readonly element: HTMLElement;
  /** Read out by a screen reader when it has finished what it says. */
  say: (text: string) => void;
}

const MOST_LINES = 5;

/** A log of what changed, which is heard and not seen. What ticks is not told here. */
export function announcer(): Announcer {
  const log = element('div', { class: 'unseen', attributes: { role: 'log', 'aria-label': 'Changes' } });
  return {
    element: log,
    say: (text) => {
      log.append(element('p', { text }));
      while (log.childElementCount > MOST_LINES) log.firstElementChild?.remove();
    },
  };
}
