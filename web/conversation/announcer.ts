import { TEXTS } from '../texts.ts';
import { element } from '../view/dom.ts';
import { visibleText } from './visible-text.ts';

export interface Announcer {
  readonly element: HTMLElement;
  /** A message of somebody else's has come. */
  say: (author: string, text: string) => void;
  /** Something else has happened that the list shows. */
  tell: (text: string) => void;
  clear: () => void;
}

const words = TEXTS.conversation;
/** What comes within this time is read out together. */
const GATHER_MS = 300;
/** More messages than these at a time are counted instead of read out. */
const MOST_AT_A_TIME = 3;
/** What has been read out is not kept. */
const MOST_KEPT = 6;
const LONGEST_TEXT = 200;

/**
 * Reads new messages of others out, and what happens between. The list itself cannot: pages of history, own messages and
 * states would be read out with them, since a live region tells whatever is added to it.
 */
export function announcer(): Announcer {
  const log = element('div', { class: 'unseen', attributes: { role: 'log', 'aria-live': 'polite' } });
  let gathered: { readonly text: string; readonly isMessage: boolean }[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const readOut = (): void => {
    timer = undefined;
    const messages = gathered.filter(({ isMessage }) => isMessage).length;
    const isTooMuch = messages > MOST_AT_A_TIME;
    const told = gathered.filter(({ isMessage }) => !isMessage || !isTooMuch).map(({ text }) => text);
    if (isTooMuch) told.push(words.newMessages(messages));
    gathered = [];
    log.append(...told.slice(-MOST_KEPT).map((text) => element('p', { text })));
    while (log.childElementCount > MOST_KEPT) log.firstElementChild?.remove();
  };
  const gather = (text: string, isMessage: boolean): void => {
    gathered.push({ text, isMessage });
    timer ??= setTimeout(readOut, GATHER_MS);
  };
  return {
    element: log,
    say: (author, text) => {
      const shown = visibleText(text);
      const short = shown.length > LONGEST_TEXT ? `${shown.slice(0, LONGEST_TEXT)}…` : shown;
      gather(`${author}: ${short}`, true);
    },
    tell: (text) => gather(text, false),
    clear: () => {
      clearTimeout(timer);
      timer = undefined;
      gathered = [];
      log.replaceChildren();
    },
  };
}
