import { TandemError } from '../../protocol/errors.ts';
import { randomId } from '../../client/index.ts';
import type { FailedMessage, TandemSession } from '../../client/index.ts';
import { shownName } from '../shown-name.ts';
import { failedText, unqueuedText } from '../error-texts.ts';
import { noteWords, TEXTS } from '../texts.ts';
import { button, element, setText, show } from '../view/dom.ts';
import { announcer } from './announcer.ts';
import { composer } from './composer.ts';
import type { ComposerStanding } from './composer.ts';
import { Conversation } from './conversation.ts';
import { DraftStore } from './draft.ts';
import { dayOf, linesOf } from './lines.ts';
import { messageList } from './message-list.ts';
import type { NoteText, Saying } from './transcript.ts';
import { typingView } from './typing-view.ts';

export interface ConversationView {
  readonly element: HTMLElement;
  /** A seat was taken, resumed or restored: shows this one. */
  open: (session: TandemSession) => void;
  /** To be called at every tick and change. */
  update: () => void;
  focus: () => void;
  /** Back to the start: drops everything. */
  forget: () => void;
}

const words = TEXTS.conversation;
const now = (): number => performance.now();

/** What was said, who types, and the line to write in. */
export function conversationView(): ConversationView {
  const drafts = new DraftStore(sessionStorageOrNull());
  const heading = element('h2', { class: 'unseen', text: words.heading });
  const announced = announcer();
  const typing = typingView(now);
  const list = messageList(
    {
      get self() {
        return talk?.session.participantId ?? '';
      },
      get isClosed() {
        return talk?.session.isClosed ?? false;
      },
      nameOf: (id) => talk?.names.of(id) ?? null,
      reachOf: (seq) => talk?.receipts.of(seq) ?? { peers: 0, delivered: 0, read: 0 },
      writeAgain,
      discard: (failed) => talk?.discard(failed),
    },
    {
      wanted: (direction, isAsked) => (isAsked ? talk?.history.retry(direction) : talk?.history.want(direction)),
      moved: onMoved,
    },
  );
  const newest = button('', 'secondary', toNewest);
  newest.classList.add('newest');
  const line = composer({
    submit: (text) => void send(text),
    typed: (text) => {
      if (talk === null) return;
      drafts.save(talk.session.id, text);
      talk.writer.changed(text);
    },
  });
  const made = element(
    'section',
    { class: 'talk', attributes: { 'aria-label': words.heading } },
    heading,
    element('div', { class: 'reading' }, list.element, newest),
    typing.element,
    announced.element,
    line.element,
  );

  let talk: Conversation | null = null;
  let shown = '';
  let isScheduled = false;
  let typingTimer: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener('visibilitychange', () => markRead());

  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    queueMicrotask(() => {
      isScheduled = false;
      refresh();
    });
  }

  function refresh(): void {
    if (talk === null) return;
    const { transcript, receipts, names, session } = talk;
    transcript.isReadingBack = !list.isAtEnd || transcript.hasNewer;
    const state = `${transcript.version} ${receipts.version} ${names.version} ${session.isClosed} ${dayOf(new Date())}`;
    if (state !== shown) {
      shown = state;
      list.update(linesOf(transcript), transcript.hasNewer);
      list.lookForEdges();
    }
    showEdges(talk);
    showNewest(talk);
    showTyping(talk);
    line.update(standingOf(session));
    markRead();
  }

  function showEdges({ transcript, history, session }: Conversation): void {
    const { isStarted, hasOlder, hasNewer, sayings } = transcript;
    const hasMore = hasOlder || !isStarted;
    const isEmpty = sayings.length + transcript.queue.length + transcript.failed.length === 0;
    list.updateEdge('older', history.state('older'), hasMore, isEmpty ? words.empty : beginningText(session));
    list.updateEdge('newer', history.state('newer'), hasNewer && isStarted, '');
  }

  function showNewest({ transcript }: Conversation): void {
    const { unseen, isReadingBack } = transcript;
    setText(newest, unseen > 0 ? words.newMessages(unseen) : words.toEnd);
    newest.dataset.state = unseen > 0 ? 'new' : 'quiet';
    const isInTheWay = newest === document.activeElement && !isReadingBack;
    show(newest, isReadingBack);
    if (isInTheWay) list.element.focus({ preventScroll: true });
  }

  function showTyping({ typists, names }: Conversation): void {
    typing.update(typists.typing().map((id) => shownName(names.of(id), false)));
    clearTimeout(typingTimer);
    const { nextEndMs } = typists;
    if (nextEndMs !== null) typingTimer = setTimeout(refresh, nextEndMs + 1);
  }

  function onMoved(): void {
    if (talk === null) return;
    const { transcript } = talk;
    transcript.isReadingBack = !list.isAtEnd || transcript.hasNewer;
    if (!transcript.isReadingBack) transcript.see();
    showNewest(talk);
    markRead();
  }

  function markRead(): void {
    if (talk === null || talk.transcript.isReadingBack) return;
    if (document.visibilityState === 'visible' && list.isEndInSight) talk.markRead();
  }

  function toNewest(): void {
    if (talk === null) return;
    const { transcript, history } = talk;
    if (transcript.hasNewer) {
      transcript.restart();
      history.want('older');
    }
    list.toEnd();
    transcript.see();
    refresh();
  }

  async function send(text: string): Promise<void> {
    const sender = talk;
    if (sender === null) return;
    const { session } = sender;
    const id = randomId(22);
    const isQueued = (): boolean => session.queue.some((message) => message.id === id);
    const accept = (): void => {
      if (talk !== sender || line.text.trim() !== text) return;
      line.text = '';
      drafts.save(session.id, '');
      sender.writer.stop();
    };
    toNewest();
    const sending = session.send('text', text, { id });
    const wasQueued = isQueued();
    if (wasQueued) accept();
    try {
      await sending;
      if (!wasQueued) accept();
    } catch (error) {
      // What was queued tells of its failure itself.
      if (!wasQueued && talk === sender) line.setFault(unqueuedText(asTandemError(error)));
    }
  }

  function writeAgain(failed: FailedMessage): void {
    if (talk === null || typeof failed.body !== 'string') return;
    const before = line.text.trim();
    // What is being written is not thrown away for it.
    if (before !== '' && before !== failed.body) {
      line.setFault(words.notEmpty);
      line.focus();
      return;
    }
    line.text = failed.body;
    drafts.save(talk.session.id, failed.body);
    talk.discard(failed);
    line.focus();
  }

  function hear({ from, type, body, unreadable }: Saying): void {
    if (talk === null) return;
    const author = from === 'server' ? words.server : shownName(talk.names.of(from), false);
    const text = typeof body === 'string' && type === 'text' ? body : type;
    announced.say(author, unreadable === null ? text : words.unreadable[unreadable]);
  }

  function note(text: NoteText): void {
    announced.tell(noteWords(text, 'name' in text ? shownName(text.name, false) : ''));
  }

  function drop(): void {
    clearTimeout(typingTimer);
    talk?.stop();
    talk = null;
    shown = '';
    list.clear();
    announced.clear();
    typing.update([]);
    line.text = '';
  }

  return {
    element: made,
    open: (session) => {
      if (talk?.session === session) return;
      drop();
      const failed = ({ error }: FailedMessage): void => announced.tell(failedText(error));
      talk = new Conversation(session, { changed: schedule, heard: hear, noted: note, failed }, now);
      line.text = drafts.load(session.id);
      refresh();
    },
    update: () => {
      talk?.history.tick();
      refresh();
    },
    focus: () => {
      if (!line.focus()) list.element.focus({ preventScroll: true });
    },
    forget: () => {
      drop();
      drafts.forget();
    },
  };
}

function standingOf(session: TandemSession): ComposerStanding {
  const { info, isEncrypted, queue } = session;
  const isAlone = info.status === 'waiting' && !info.shareHistory;
  return { blocked: blockedText(session), held: isAlone ? words.nobody : null, isEncrypted, next: queue[0] };
}

function blockedText({ isClosed, ended }: TandemSession): string | null {
  if (isClosed) return words.closed;
  if (ended === null) return null;
  if (!ended.canResume) return words.left;
  return ended.reason === 'replaced' ? words.elsewhere : words.signedOut;
}

function beginningText({ info, participantId }: TandemSession): string {
  const joinedSeq = info.participants.find(({ id }) => id === participantId)?.joinedSeq ?? 0;
  return joinedSeq > 0 && !info.shareHistory ? words.beginningForYou : words.beginning;
}

function asTandemError(error: unknown): TandemError {
  return error instanceof TandemError ? error : new TandemError('INTERNAL', undefined, { cause: error });
}

/** Null where the browser forbids storage: reading the property alone throws there. */
function sessionStorageOrNull(): Storage | null {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
