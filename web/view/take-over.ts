import { TEXTS } from '../texts.ts';
import { button, element } from './dom.ts';

export interface TakeOverView {
  readonly element: HTMLElement;
  focus: () => void;
}

const words = TEXTS.takeOver;

/** Before a seat is taken over: a link alone must not end what somebody does on another device. */
export function takeOverView(yes: () => void, no: () => void): TakeOverView {
  const heading = element('h1', { text: words.heading, attributes: { tabindex: '-1' } });
  return {
    element: element(
      'section',
      { class: 'card take-over' },
      heading,
      element('p', { text: words.explain }),
      element('p', { text: words.caution }),
      element('div', { class: 'row' }, button(words.yes, 'primary', yes), button(TEXTS.cancel, 'secondary', no)),
    ),
    focus: () => heading.focus(),
  };
}
