import type { ConsoleCommands } from '../../protocol/console.ts';
import { button, element, setText, show } from '../view/dom.ts';
import { failureText } from './failure-text.ts';
import { dateTimeText } from './format.ts';
import type { Desk } from './screen.ts';
import { CONSOLE_TEXTS } from './texts.ts';
import { NO_PAGES, withNewest, withOlder } from './timeline-pages.ts';
import type { TimelinePages } from './timeline-pages.ts';
import { timelineText } from './timeline-text.ts';

const PAGE = 50;
/** Of all pages together: what is older is in none of them any more once this is reached. */
const MOST_ITEMS = 1_000;

export interface TimelineView {
  readonly element: HTMLElement;
  open: (sessionId: string) => void;
  /** Looks the newest page up again. */
  refresh: () => Promise<void>;
  /** Names may be known now that were not before. */
  draw: () => void;
}

/** What happened to a session, the newest first. */
export function timelineView(desk: Desk, nameOf: (participantId: string) => string): TimelineView {
  const list = element('ol', { class: 'timeline', attributes: { 'aria-label': 'Timeline' } });
  const fault = element('p', { class: 'fault' });
  const none = element('p', { class: 'hint', text: 'Nothing is known to have happened.' });
  const more = button(CONSOLE_TEXTS.more, 'secondary', () => void older());
  let sessionId = '';
  let pages: TimelinePages = NO_PAGES;
  let isLoaded = false;
  const hasMore = (): boolean => pages.cursor !== null && pages.items.length < MOST_ITEMS;

  const draw = (): void => {
    const { items } = pages;
    while (list.childElementCount > items.length) list.lastElementChild?.remove();
    while (list.childElementCount < items.length) list.append(element('li', {}, element('time'), element('span')));
    items.forEach((item, place) => {
      const [time, text] = list.children[place]?.children ?? [];
      if (!(time instanceof HTMLTimeElement) || !(text instanceof HTMLElement)) return;
      time.dateTime = item.at;
      setText(time, dateTimeText(item.at));
      setText(text, timelineText(item, nameOf));
      if (text.dataset['kind'] !== item.kind) text.dataset['kind'] = item.kind;
    });
    show(none, isLoaded && items.length === 0);
    show(more, hasMore());
  };
  const load = async (payload: Omit<ConsoleCommands['console:timeline']['payload'], 'sessionId'>): Promise<void> => {
    const own = sessionId;
    try {
      const page = await desk.ask('console:timeline', { sessionId: own, limit: PAGE, ...payload });
      if (own !== sessionId) return;
      pages = payload.cursor === undefined ? withNewest(pages, page) : withOlder(pages, page);
      isLoaded = true;
      setText(fault, '');
    } catch (error) {
      if (own !== sessionId) return;
      setText(fault, failureText(error));
    }
    draw();
  };
  const older = async (): Promise<void> => {
    if (pages.cursor === null) return;
    const first = pages.items.length;
    await load({ cursor: pages.cursor });
    // The button may be gone, and the focus with it.
    if (!hasMore() && first < pages.items.length) list.children[first]?.scrollIntoView({ block: 'nearest' });
  };
  return {
    element: element('div', { class: 'timeline-part' }, fault, none, list, more),
    open: (id) => {
      sessionId = id;
      pages = NO_PAGES;
      isLoaded = false;
      setText(fault, '');
      draw();
    },
    refresh: () => load({}),
    draw,
  };
}
