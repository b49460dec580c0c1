import type { TandemSession } from '../../client/index.ts';
import { announcer } from '../conversation/announcer.ts';
import type { WaitingKnock } from '../knocks.ts';
import { nameInSentence, shownName } from '../shown-name.ts';
import { TEXTS } from '../texts.ts';
import { button, element, setText, show } from './dom.ts';

export interface KnocksView {
  readonly element: HTMLElement;
  /** Reads out who knocks, wherever the page is scrolled to. */
  readonly log: HTMLElement;
  update: (session: TandemSession, waiting: readonly WaitingKnock[]) => void;
}

interface Line {
  readonly element: HTMLLIElement;
  update: (isAnswering: boolean) => void;
}

const words = TEXTS.knocks;

/** Who waits to be let in. `lostFocus` is called when the last line has gone, and the focus was in it. */
export function knocksView(answer: (knockId: string, admit: boolean) => void, lostFocus: () => void): KnocksView {
  const heading = element('h2', { id: 'knocks-heading', text: words.heading, attributes: { tabindex: '-1' } });
  const list = element('ul', { class: 'door', attributes: { 'aria-labelledby': heading.id } });
  const view = element('section', { class: 'knocks', attributes: { 'aria-labelledby': heading.id } }, heading, list);
  const { element: log, tell, clear } = announcer();
  const lines = new Map<string, Line>();
  show(view, false);
  let shown: string | null = null;

  const forget = (knockId: string, line: Line): void => {
    lines.delete(knockId);
    const hadFocus = line.element.contains(document.activeElement);
    line.element.remove();
    if (!hadFocus) return;
    // Not the next one's button: who presses twice would let in two.
    if (lines.size > 0) heading.focus();
    else lostFocus();
  };

  return {
    element: view,
    log,
    update: ({ id }, waiting) => {
      if (id !== shown) clear();
      shown = id;
      for (const [knockId, line] of lines) {
        if (!waiting.some((knock) => knock.knockId === knockId)) forget(knockId, line);
      }
      show(view, waiting.length > 0);
      for (const knock of waiting) {
        const { knockId } = knock;
        const line = lines.get(knockId) ?? knockLine(knock, (admit) => answer(knockId, admit));
        line.update(knock.isAnswering);
        if (lines.has(knockId)) continue;
        lines.set(knockId, line);
        list.append(line.element);
        tell(words.asks(nameInSentence(knock), knock.ip));
      }
    },
  };
}

function knockLine(knock: WaitingKnock, answer: (admit: boolean) => void): Line {
  const name = nameInSentence(knock);
  const admit = button(words.admit, 'primary', () => answer(true));
  const refuse = button(words.refuse, 'secondary', () => answer(false));
  admit.setAttribute('aria-label', words.admitName(name));
  refuse.setAttribute('aria-label', words.refuseName(name));
  const status = element('span', { class: 'facts' });
  const line = element(
    'li',
    { class: 'knock' },
    // Isolated, so that a name that is written from right to left does not turn what stands beside it.
    element('bdi', { class: 'name', text: shownName(knock.name, false) }),
    status,
    element('div', { class: 'row' }, admit, refuse),
  );
  return {
    element: line,
    update: (isAnswering) => {
      setText(status, isAnswering ? words.answering : words.from(knock.ip));
      // Not disabled: a button that is disabled loses the focus.
      for (const choice of [admit, refuse]) choice.setAttribute('aria-disabled', `${isAnswering}`);
    },
  };
}
