import type { JsonValue, Message } from '../../protocol/session.ts';
import type { JoinedSession } from '../joined-session.ts';
import type { OutboxEntry } from '../outbox.ts';
import { clockText, noteText, outboxText, TEXTS } from '../texts.ts';
import { button, element, setText } from './dom.ts';

export interface MessageListView {
  readonly element: HTMLElement;
  update: (joined: JoinedSession) => void;
  /** Shows the newest from the next update on, wherever the reader was. */
  toEnd: () => void;
}

/** One line of the list; `key` stays the same while a message goes from the outbox into the log. */
interface Line {
  key: string;
  make: () => HTMLElement;
  refresh?: (line: HTMLElement) => void;
}

const words = TEXTS.conversation;
/** How near the end counts as reading the newest: then the list follows. */
const FOLLOW_PX = 80;

export function messageListView(): MessageListView {
  const list = element('ol', {
    class: 'messages',
    attributes: { role: 'log', 'aria-label': words.messages, tabindex: '0' },
  });
  const lines = new Map<string, HTMLElement>();
  let isAtEnd = true;
  let size = '';
  const sizeNow = (): string => `${list.clientHeight} ${list.scrollHeight}`;
  const follow = (): void => {
    if (sizeNow() === size) return;
    if (isAtEnd) list.scrollTop = list.scrollHeight;
    size = sizeNow();
  };
  list.addEventListener('scroll', () => {
    // While the size differs from the last known, the list has moved because of that, and not by its reader's hand.
    if (sizeNow() === size) isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < FOLLOW_PX;
  });
  // The keyboard of a phone, and every notice, take room from the list.
  new ResizeObserver(follow).observe(list);

  return {
    element: list,
    update: (joined) => {
      arrange(list, lines, linesOf(joined));
      follow();
    },
    toEnd: () => {
      isAtEnd = true;
    },
  };
}

/** Makes the list show these lines in this order, and moves or makes only what differs. */
function arrange(list: HTMLElement, lines: Map<string, HTMLElement>, wanted: readonly Line[]): void {
  const keys = new Set(wanted.map(({ key }) => key));
  for (const [key, line] of lines) {
    if (keys.has(key)) continue;
    line.remove();
    lines.delete(key);
  }
  let previous: Element | null = null;
  for (const { key, make, refresh } of wanted) {
    let line = lines.get(key);
    if (line === undefined) {
      line = make();
      lines.set(key, line);
    }
    refresh?.(line);
    const place: Element | null = previous === null ? list.firstElementChild : previous.nextElementSibling;
    if (place !== line) list.insertBefore(line, place);
    previous = line;
  }
}

function linesOf(joined: JoinedSession): Line[] {
  const { log, outbox, hasForgotten } = joined.delivery;
  // What stands after the same message: first the message, then what is missing, then what happened.
  const placed = [
    ...log.messages.map((message) => ({ seq: message.seq, rank: 0, line: messageLine(message, joined) })),
    ...log.gaps.map(({ fromSeq, toSeq }) => ({
      seq: fromSeq,
      rank: 1,
      line: plainLine(`gap:${fromSeq}-${toSeq}`, words.gap(fromSeq, toSeq)),
    })),
    ...joined.notes.map((note) => ({
      seq: note.afterSeq,
      rank: 2,
      line: plainLine(`note:${note.id}`, noteText(note.text)),
    })),
  ].sort((a, b) => a.seq - b.seq || a.rank - b.rank);
  const lines = [...placed.map(({ line }) => line), ...outbox.entries.map((entry) => outboxLine(entry, joined))];
  if (hasForgotten) lines.unshift(plainLine('forgotten', words.forgotten));
  return lines.length > 0 ? lines : [plainLine('empty', words.empty)];
}

function plainLine(key: string, text: string): Line {
  return { key, make: () => element('li', { class: 'note', text }) };
}

function messageLine(message: Message, joined: JoinedSession): Line {
  const isOwn = message.from === joined.participantId;
  const key = isOwn ? `own:${message.id}` : `seq:${message.seq}:${message.id}`;
  return {
    key,
    make: () => {
      const line = bubble(isOwn, authorOf(message.from, joined), message.type, message.body);
      if (!isOwn) line.append(meta(message.sentAt));
      return line;
    },
    refresh: (line) => {
      if (!isOwn || line.dataset.state === 'sent') return;
      line.dataset.state = 'sent';
      line.querySelectorAll('.meta, .quiet').forEach((part) => part.remove());
      line.append(meta(message.sentAt, words.sent));
    },
  };
}

function outboxLine(entry: OutboxEntry, joined: JoinedSession): Line {
  return {
    key: `own:${entry.id}`,
    make: () => {
      const line = bubble(true, authorOf(joined.participantId, joined), entry.type, entry.body);
      line.append(element('p', { class: 'meta' }));
      return line;
    },
    refresh: (line) => refreshUnsent(line, entry, joined),
  };
}

function refreshUnsent(line: HTMLElement, entry: OutboxEntry, joined: JoinedSession): void {
  const { state } = entry;
  // A rollback brings a message that was sent back here.
  line.dataset.state = state.kind;
  const meaning = line.querySelector<HTMLElement>('.meta');
  if (meaning !== null) setText(meaning, outboxText(state));
  const discard = line.querySelector('.quiet');
  if (state.kind !== 'failed') discard?.remove();
  else if (discard === null) line.append(button(words.discard, 'quiet', () => joined.delivery.discard(entry.id)));
}

function bubble(isOwn: boolean, author: string, type: string, body: JsonValue): HTMLLIElement {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const parts = [element('p', { class: 'author', text: author })];
  if (type !== 'text') parts.push(element('p', { class: 'type', text: type }));
  parts.push(element('p', { class: 'body', text, attributes: { dir: 'auto' } }));
  return element('li', { class: isOwn ? 'message own' : 'message other' }, ...parts);
}

function meta(sentAt: string, state?: string): HTMLElement {
  const time = element('time', { text: clockText(sentAt), attributes: { datetime: sentAt } });
  const line = element('p', { class: 'meta' }, time);
  if (state !== undefined) line.append(`, ${state}`);
  return line;
}

function authorOf(from: string, joined: JoinedSession): string {
  if (from === 'server') return words.server;
  const name = joined.nameOf(from);
  if (from === joined.participantId) return name === null ? words.unnamedSelf : `${name} (${words.you})`;
  return name ?? words.unnamed;
}
