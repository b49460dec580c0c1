import { TEXTS } from '../texts.ts';
import { button, element, setText } from '../view/dom.ts';
import { visibleText } from './visible-text.ts';

const words = TEXTS.conversation;
const LONG_CHARACTERS = 2_000;
const LONG_LINES = 30;

/** What somebody wrote, as text and nothing else. A long one shows its beginning until its reader wants more. */
export function bodyView(text: string): HTMLElement {
  const shown = visibleText(text);
  const body = element('p', { class: 'body', text: shown, attributes: { dir: 'auto' } });
  if (shown.length <= LONG_CHARACTERS && shown.split('\n', LONG_LINES + 1).length <= LONG_LINES) return body;
  body.classList.add('long');
  const toggle = button(words.showAll, 'quiet', () => {
    const isLong = body.classList.toggle('long');
    setText(toggle, isLong ? words.showAll : words.showLess);
    toggle.setAttribute('aria-expanded', `${!isLong}`);
  });
  toggle.setAttribute('aria-expanded', 'false');
  return element('div', {}, body, toggle);
}
