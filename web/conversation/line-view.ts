import type { JsonValue } from '../../protocol/session.ts';
import type { FailedMessage } from '../../client/index.ts';
import { failedText } from '../error-texts.ts';
import { noteWords, queueStateText, reachText, TEXTS } from '../texts.ts';
import { clockText, dayText } from '../time-texts.ts';
import { button, element, setText } from '../view/dom.ts';
import { shownName } from '../shown-name.ts';
import { bodyView } from './body-view.ts';
import type { Line } from './lines.ts';
import { phrase } from './phrase.ts';
import type { Reach } from './receipts.ts';
import type { NoteText, Saying } from './transcript.ts';

/** What a line needs of the conversation that it stands in. */
export interface LineContext {
  readonly self: string;
  /** Nothing more is sent. */
  readonly isClosed: boolean;
  nameOf: (participantId: string) => string | null;
  reachOf: (seq: number) => Reach;
  /** Puts the text of a failed message back into the composer. */
  writeAgain: (failed: FailedMessage) => void;
  discard: (failed: FailedMessage) => void;
}

export interface LineView {
  readonly element: HTMLElement;
  /** Shows what has become of the line under the same key. */
  refresh: (line: Line) => void;
}

const words = TEXTS.conversation;

export function lineView(line: Line, context: LineContext): LineView {
  switch (line.kind) {
    case 'day':
      return dayView(line.day);
    case 'missing':
      return missingView(line.count);
    case 'note':
      return still(element('li', { class: 'note' }, ...noteNodes(line.text)));
    case 'saying':
      return messageView(line.saying, context);
    case 'stored':
      return messageView(ownMessage(line.stored.message, context), context);
    case 'failed':
      return messageView(ownMessage(line.failed, context), context);
    case 'queued':
      return messageView(ownMessage(line.queued, context), context);
  }
}

type Content = Pick<Saying, 'from' | 'type' | 'body' | 'isOwn' | 'unreadable'>;

function ownMessage({ type, body }: { type: string; body: JsonValue }, { self }: LineContext): Content {
  return { from: self, type, body, isOwn: true, unreadable: null };
}

function still(made: HTMLElement): LineView {
  return { element: made, refresh: () => undefined };
}

function dayView(day: string): LineView {
  const time = element('time', { attributes: { datetime: day } });
  return {
    element: element('li', { class: 'day' }, time),
    // Midnight makes a yesterday of today.
    refresh: () => setText(time, dayText(day)),
  };
}

function missingView(first: number): LineView {
  const made = element('li', { class: 'note', text: words.missing(first) });
  return {
    element: made,
    refresh: (line) => {
      if (line.kind === 'missing') setText(made, words.missing(line.count));
    },
  };
}

function noteNodes(text: NoteText): Node[] {
  const names = 'name' in text ? [shownName(text.name, false)] : [];
  return phrase(names, (place = '') => noteWords(text, place));
}

function messageView(content: Content, context: LineContext): LineView {
  const { isOwn, unreadable, type, body } = content;
  const author = element('p', { class: 'author' });
  const status = element('span');
  const time = element('time');
  const meta = element('p', { class: 'meta' }, time, status);
  const actions = element('div', { class: 'remedies' });
  const made = element('li', { class: isOwn ? 'message own' : 'message other' }, author);
  if (unreadable !== null) {
    made.append(element('p', { class: 'unreadable', text: words.unreadable[unreadable] }));
  } else if (type === 'text' && typeof body === 'string') {
    made.append(bodyView(body));
  } else {
    made.append(element('p', { class: 'type', text: type }), bodyView(JSON.stringify(body)));
  }
  made.append(meta, actions);

  const show = (state: string, sentAt: string | null, text: string): void => {
    const shown = unreadable === null ? state : 'unreadable';
    if (made.dataset.state !== shown) made.dataset.state = shown;
    // To write a time takes long, and every line is refreshed whenever one changes.
    if (time.dateTime !== (sentAt ?? '')) {
      time.dateTime = sentAt ?? '';
      setText(time, sentAt === null ? '' : clockText(sentAt));
    }
    setText(status, text === '' || sentAt === null ? text : `, ${text}`);
    if (state !== 'failed' && actions.childElementCount > 0) actions.replaceChildren();
  };
  return {
    element: made,
    refresh: (line) => {
      showAuthor(author, content, context);
      made.classList.toggle('continued', line.kind === 'saying' && line.isContinued);
      if (line.kind === 'saying') {
        const { seq, sentAt } = line.saying;
        show('stored', sentAt, isOwn ? reachText(context.reachOf(seq)) : '');
      } else if (line.kind === 'stored') {
        show('stored', line.stored.sentAt, words.sent);
      } else if (line.kind === 'queued') {
        show(line.queued.state.kind, null, queueStateText(line.queued.state, context.isClosed));
      } else if (line.kind === 'failed') {
        show('failed', null, failedText(line.failed.error));
        if (actions.childElementCount === 0) actions.append(...failedActions(line.failed, context));
      }
    },
  };
}

function showAuthor(author: HTMLElement, { from, isOwn }: Content, { nameOf }: LineContext): void {
  const name = from === 'server' ? words.server : shownName(nameOf(from), isOwn);
  if (author.dataset.name === name) return;
  author.dataset.name = name;
  const isNamed = isOwn && name !== TEXTS.panel.unnamedSelf;
  author.replaceChildren(element('bdi', { text: name }), isNamed ? ` (${words.you})` : '');
}

function failedActions(failed: FailedMessage, { writeAgain, discard }: LineContext): HTMLElement[] {
  const again = button(words.writeAgain, 'quiet', () => writeAgain(failed));
  const away = button(words.discard, 'quiet', () => discard(failed));
  return failed.type === 'text' && typeof failed.body === 'string' ? [again, away] : [away];
}
