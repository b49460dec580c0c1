import type { Participant } from '../../protocol/session.ts';
import type { OutboxEntry } from '../outbox.ts';
import type { JoinedSession } from '../joined-session.ts';
import { errorText, closedText, durationText, idleText, TEXTS, waitText } from '../texts.ts';
import type { SessionClient } from '../session-client.ts';
import { ask } from './ask.ts';
import { button, element, setText, show } from './dom.ts';
import { messageListView } from './message-list.ts';

export interface ConversationView {
  readonly element: HTMLElement;
  update: (joined: JoinedSession, isMoved: boolean) => void;
  focus: () => void;
}

const words = TEXTS.conversation;

/** Who is there, what was said, and the line to write in. */
export function conversationView(client: SessionClient): ConversationView {
  const heading = element('h1', { text: words.heading, attributes: { tabindex: '-1' } });
  const people = element('ul', { class: 'people', attributes: { 'aria-label': words.participants } });
  const leave = button(words.leave, 'secondary', () => askToLeave(client));
  const end = button(words.end, 'secondary', () => ask(TEXTS.ask.end, TEXTS.ask.endYes, () => void client.end()));
  const back = button(words.backToStart, 'primary', () => client.backToStart());
  const state = element('p', { class: 'notice', attributes: { role: 'status' } });
  const idleWarning = element('span', { attributes: { role: 'status' } });
  const idleTime = element('span', { attributes: { role: 'timer' } });
  const keepOpen = button(words.keepOpen, 'secondary', () => void client.keepOpen());
  const idle = element(
    'div',
    { class: 'idle row' },
    element('p', { class: 'notice' }, idleWarning, document.createTextNode(' '), idleTime),
    keepOpen,
  );
  const messages = messageListView();
  const composer = composerView(client, () => messages.toEnd());
  const header = element(
    'header',
    { class: 'bar' },
    heading,
    people,
    element('div', { class: 'row' }, leave, end, back),
  );

  let shownPeople = '';
  const showPeople = (joined: JoinedSession, participants: readonly Participant[]): void => {
    const lines = participants.map((participant) => person(participant, joined));
    const text = lines.map((line) => line.outerHTML).join('');
    // Only what differs is shown anew: what somebody has selected stays selected.
    if (text !== shownPeople) people.replaceChildren(...lines);
    shownPeople = text;
  };

  return {
    element: element('section', { class: 'conversation' }, header, state, idle, messages.element, composer.element),
    update: (joined, isMoved) => {
      const { session, isClosed } = joined;
      if (session === null) return;
      showPeople(joined, session.participants);
      show(people, !isClosed);
      show(leave, !isClosed && !isMoved);
      show(end, !isClosed && !isMoved && joined.isHost && session.participants.length > 1);
      show(back, isClosed || isMoved);
      const failure = client.commandFailure;
      const failureText = failure === 'lost' ? words.noAnswer : failure === null ? '' : errorText(failure);
      setText(state, isClosed ? closedText(joined.closeReason) : failureText);
      show(state, isClosed || failureText !== '');
      const leftMs = joined.closesAt === null ? 0 : Date.parse(joined.closesAt) - Date.now();
      setText(idleWarning, joined.closesAt === null ? '' : words.idle);
      setText(idleTime, joined.closesAt === null ? '' : idleText(durationText(leftMs)));
      show(idle, joined.closesAt !== null);
      messages.update(joined);
      composer.update(joined, isMoved);
    },
    focus: () => composer.focus(heading),
  };
}

interface ComposerView {
  readonly element: HTMLElement;
  update: (joined: JoinedSession, isMoved: boolean) => void;
  focus: (otherwise: HTMLElement) => void;
}

function composerView(client: SessionClient, onSend: () => void): ComposerView {
  const input = element('textarea', {
    id: 'message',
    attributes: {
      rows: '1',
      autocomplete: 'off',
      enterkeyhint: 'send',
      dir: 'auto',
      'aria-describedby': 'message-fault',
    },
  });
  const label = element('label', { class: 'unseen', text: words.message, attributes: { for: 'message' } });
  const send = element('button', { class: 'primary', text: words.send, attributes: { type: 'submit' } });
  const fault = element('p', { id: 'message-fault', class: 'fault', attributes: { role: 'alert' } });
  const limit = limitView();
  const form = element('form', { class: 'composer' }, limit.element, label, input, send, fault);

  const submit = (): void => {
    const { phase } = client;
    const text = input.value.trim();
    if (phase.kind !== 'seated' || input.disabled || text === '') return;
    const { delivery } = phase.joined;
    setText(fault, delivery.outbox.isFull ? words.full : '');
    if (delivery.outbox.isFull) return;
    onSend();
    delivery.send(text);
    input.value = '';
    input.focus();
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
  });
  input.addEventListener('keydown', (event) => {
    // Enter inside an input method picks a word and must not send.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });

  return {
    element: form,
    update: (joined, isMoved) => {
      const isAlone = joined.session?.status === 'waiting';
      show(form, !joined.isClosed && !isMoved);
      limit.update(joined.delivery.outbox.next);
      input.disabled = isAlone;
      send.disabled = isAlone;
      input.placeholder = isAlone ? words.nobody : words.placeholder;
    },
    focus: (otherwise) => (input.disabled || form.hidden ? otherwise : input).focus(),
  };
}

/** Why nothing leaves at the moment, and until when: beside the line to write in, where it stays in sight. */
function limitView(): { readonly element: HTMLElement; update: (next: OutboxEntry | undefined) => void } {
  const reason = element('span', { attributes: { role: 'status' } });
  const wait = element('span', { attributes: { role: 'timer' } });
  const notice = element('p', { class: 'notice' }, reason, document.createTextNode(' '), wait);
  return {
    element: notice,
    update: (next) => {
      const waitMs = next?.state.kind === 'limited' ? next.notBefore - Date.now() : 0;
      show(notice, waitMs > 0);
      setText(reason, next?.state.kind === 'limited' && waitMs > 0 ? errorText(next.state.error) : '');
      setText(wait, waitMs > 0 ? waitText(durationText(waitMs)) : '');
    },
  };
}

function askToLeave(client: SessionClient): void {
  const { phase } = client;
  const unsent = phase.kind === 'seated' ? phase.joined.delivery.outbox.entries.length : 0;
  const leave = (): void => void client.leave();
  if (unsent === 0) leave();
  else ask(TEXTS.ask.leaveUnsent(unsent), TEXTS.ask.leaveYes, leave);
}

function person(participant: Participant, joined: JoinedSession): HTMLLIElement {
  const isSelf = participant.id === joined.participantId;
  const name = participant.name ?? (isSelf ? words.unnamedSelf : words.unnamed);
  const facts = [
    ...(isSelf && participant.name !== null ? [words.you] : []),
    ...(participant.role === 'host' ? [words.host] : []),
    ...(isSelf ? [] : [words[participant.presence]]),
  ];
  const line = element('li', { class: 'person' }, element('span', { class: 'name', text: name }));
  line.dataset.presence = isSelf ? 'self' : participant.presence;
  if (facts.length > 0) line.append(element('span', { class: 'facts', text: facts.join(', ') }));
  return line;
}
