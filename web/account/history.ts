import type { Account } from '../../client/account.ts';
import type { Message, Session } from '../../client/index.ts';
import { bodyView } from '../conversation/body-view.ts';
import { shownName } from '../shown-name.ts';
import { TEXTS } from '../texts.ts';
import { openDialog } from '../view/dialog.ts';
import { button, element, show } from '../view/dom.ts';
import { loadingView } from './loading.ts';
import { ACCOUNT_TEXTS, whenText } from './texts.ts';

const words = ACCOUNT_TEXTS.history;

/** What was said in a session, to read. */
export function openHistory(account: Account, session: Session, back: () => void): HTMLDialogElement {
  const list = element('ol', { class: 'account-messages', attributes: { 'aria-label': words.messageList } });
  const note = element('p', { text: words.encrypted });
  const giveUp = new AbortController();
  const loading = loadingView(giveUp.signal);
  const earlier = button(words.earlier, 'quiet', () => loading.start(load));
  const userId = account.user?.id ?? '';
  let lowest: number | null = null;
  show(note, false);
  show(earlier, false);

  const load = async (signal: AbortSignal): Promise<void> => {
    const range = lowest === null ? {} : { beforeSeq: lowest };
    const { messages, hasMore } = await account.messages(session.id, { ...range, signal });
    lowest = messages[0]?.seq ?? lowest;
    list.prepend(...messages.map((message) => messageView(message, session, userId)));
    show(earlier, hasMore);
    if (list.childElementCount > 0) return;
    note.textContent = words.nothing;
    show(note, true);
  };
  const toList = button(words.back, 'secondary', () => {
    dialog.close();
    back();
  });
  const close = button(TEXTS.close, 'secondary', () => dialog.close());
  const dialog = openDialog(
    words.heading(whenText(session.createdAt)),
    note,
    loading.element,
    earlier,
    list,
    element('div', { class: 'row' }, toList, close),
  );
  dialog.classList.add('wide');
  dialog.addEventListener('close', () => giveUp.abort());
  // The library's own mark: what is stored is ciphertext.
  if (Object.hasOwn(session.metadata, 'e2e')) show(note, true);
  else loading.start(load);
  return dialog;
}

function messageView({ from, type, body, sentAt }: Message, { participants }: Session, userId: string): HTMLElement {
  const author = participants.find(({ id }) => id === from);
  const isOwn = author !== undefined && author.userId === userId;
  const name = from === 'server' ? TEXTS.conversation.server : shownName(author?.name ?? null, isOwn);
  return element(
    'li',
    { class: isOwn ? 'message own' : 'message other' },
    element('p', { class: 'author' }, element('bdi', { text: name })),
    type === 'text' && typeof body === 'string' ? bodyView(body) : bodyView(`${type} ${JSON.stringify(body)}`),
    element('p', { class: 'meta' }, element('time', { text: whenText(sentAt), attributes: { datetime: sentAt } })),
  );
}
