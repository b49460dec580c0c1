import { TEXTS } from '../texts.ts';
import { element } from '../view/dom.ts';
import { visibleText } from './visible-text.ts';

export interface Announcer {
  readonly element: HTMLElement;
  /** A message of somebody else's has come. */
  say: (author: string, text: string) => void;
  clear: () => void;
}

const words = TEXTS.conversation;
/** What comes within this time is read out together. */
const GATHER_MS = 300;
/** More than these at a time are counted instead of read out. */
const MOST_AT_A_TIME = 3;
const LONGEST_TEXT = 200;

/**
 * Reads new messages of others out. The list itself cannot: pages of history, own messages and states would be read out
 * with them, since a live region tells whatever is added to it.
 */
export function announcer(): Announcer {
  const log = element('div', { class: 'unseen', attributes: { role: 'log', 'aria-live': 'polite' } });
  let gathered: string[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tell = (): void => {
    timer = undefined;
    const told = gathered.length > MOST_AT_A_TIME ? [words.newMessages(gathered.length)] : gathered;
    gathered = [];
    log.append(...told.map((text) => element('p', { text })));
    while (log.childElementCount > MOST_AT_A_TIME) log.firstElementChild?.remove();
  };
  return {
    element: log,
    say: (author, text) => {
      const shown = visibleText(text);
      const short = shown.length > LONGEST_TEXT ? `${shown.slice(0, LONGEST_TEXT)}…` : shown;
      gathered.push(`${author}: ${short}`);
      timer ??= setTimeout(tell, GATHER_MS);
    },
    clear: () => {
      clearTimeout(timer);
      timer = undefined;
      gathered = [];
      log.replaceChildren();
    },
  };
}
