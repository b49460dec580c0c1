import type { Account } from '../../client/account.ts';
import type { Session } from '../../client/index.ts';
import { nameInSentence } from '../shown-name.ts';
import { TEXTS } from '../texts.ts';
import { openDialog } from '../view/dialog.ts';
import { button, element, show } from '../view/dom.ts';
import { openHistory } from './history.ts';
import { loadingView } from './loading.ts';
import { ACCOUNT_TEXTS, whenText } from './texts.ts';

export interface SessionsOptions {
  /** The session that this page is in. */
  readonly currentId: string | null;
  /** Whether this device can take its seat in a session up again. */
  readonly canResume: (sessionId: string) => boolean;
  readonly resume: (sessionId: string) => void;
}

const words = ACCOUNT_TEXTS.history;
const PAGE = 20;

/** The user's sessions, the newest first. */
export function openSessions(account: Account, options: SessionsOptions): HTMLDialogElement {
  const list = element('ul', { class: 'account-list', attributes: { 'aria-label': words.list } });
  const none = element('p', { text: words.none });
  const giveUp = new AbortController();
  const loading = loadingView(giveUp.signal);
  let cursor: string | null = null;
  const more = button(words.more, 'quiet', () => loading.start(load));
  show(none, false);
  show(more, false);

  const load = async (signal: AbortSignal): Promise<void> => {
    const page = await account.sessions({ cursor, limit: PAGE, signal });
    cursor = page.nextCursor;
    const lines = page.sessions.map((session) => sessionView(session, account.user?.id ?? '', actionOf(session)));
    list.append(...lines);
    show(none, list.childElementCount === 0);
    const hadFocus = document.activeElement === more;
    show(more, cursor !== null);
    if (hadFocus && cursor === null) lines[0]?.querySelector('button')?.focus();
  };
  const actionOf = (session: Session): Node => {
    const { id, status, createdAt } = session;
    if (id === options.currentId) return element('span', { class: 'facts', text: words.here });
    const isOpen = status !== 'closed' && options.canResume(id);
    const when = whenText(createdAt);
    const go = button(isOpen ? words.resume : words.read, 'quiet', () => {
      dialog.close();
      if (isOpen) options.resume(id);
      else openHistory(account, session, () => openSessions(account, options));
    });
    go.setAttribute('aria-label', isOpen ? words.resumeOf(when) : words.readOf(when));
    return go;
  };
  const close = button(TEXTS.close, 'secondary', () => dialog.close());
  const dialog = openDialog(
    ACCOUNT_TEXTS.sessions,
    none,
    list,
    loading.element,
    element('div', { class: 'row' }, more, close),
  );
  dialog.addEventListener('close', () => giveUp.abort());
  loading.start(load);
  return dialog;
}

function sessionView({ createdAt, status, lastSeq, participants }: Session, userId: string, action: Node): HTMLElement {
  const others = participants.filter((participant) => participant.userId !== userId).map(nameInSentence);
  const facts = [words.status[status], words.messages(lastSeq)];
  return element(
    'li',
    { class: 'account-line' },
    element('time', { class: 'name', text: whenText(createdAt), attributes: { datetime: createdAt } }),
    element('span', { class: 'facts', text: facts.join(', ') }),
    action,
    ...(others.length === 0 ? [] : [element('bdi', { class: 'with', text: words.with(others.join(', ')) })]),
  );
}
