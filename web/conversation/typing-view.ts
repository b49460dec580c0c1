import { TEXTS } from '../texts.ts';
import { element } from '../view/dom.ts';
import { phrase } from './phrase.ts';

export interface TypingView {
  readonly element: HTMLElement;
  /** Names as shown, of those who type. */
  update: (names: readonly string[]) => void;
}

const words = TEXTS.conversation.typing;
/** The same words again within this time are shown and not read out: people pause while they type. */
const QUIET_MS = 30_000;

export function typingView(now: () => number): TypingView {
  const line = element('p', { class: 'typing', attributes: { 'aria-live': 'polite' } });
  let shown = '';
  let told = '';
  let toldAt = Number.NEGATIVE_INFINITY;
  return {
    element: line,
    update: (names) => {
      const key = JSON.stringify(names);
      if (key === shown) return;
      shown = key;
      if (names.length > 0) {
        const isRepeated = key === told && now() - toldAt < QUIET_MS;
        line.setAttribute('aria-live', isRepeated ? 'off' : 'polite');
        if (!isRepeated) toldAt = now();
        told = key;
      }
      line.replaceChildren(...typingNodes(names));
    },
  };
}

function typingNodes(names: readonly string[]): Node[] {
  if (names.length === 0) return [];
  if (names.length > 2) return [document.createTextNode(words.more(names.length))];
  return phrase(names, (first = '', second = '') => (names.length === 1 ? words.one(first) : words.two(first, second)));
}
