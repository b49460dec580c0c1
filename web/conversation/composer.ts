import { errorText } from '../error-texts.ts';
import { roomText, TEXTS, waitText } from '../texts.ts';
import { durationText } from '../time-texts.ts';
import type { QueuedMessage } from '../../client/index.ts';
import { element, setText, show } from '../view/dom.ts';
import { bytesLeft, isNearlyFull } from './body-size.ts';

export interface Composer {
  readonly element: HTMLElement;
  text: string;
  update: (standing: ComposerStanding) => void;
  /** Why the text is still here. */
  setFault: (text: string) => void;
  /** False when nothing can be written. */
  focus: () => boolean;
}

export interface ComposerStanding {
  /** Why nothing can be written; null when it can. */
  readonly blocked: string | null;
  /** Why nothing can be sent at the moment, while it can be written; null when it can. */
  readonly held: string | null;
  readonly isEncrypted: boolean;
  /** What is sent next. */
  readonly next: QueuedMessage | undefined;
}

interface ComposerEvents {
  submit: (text: string) => void;
  /** The writer has changed the text. */
  typed: (text: string) => void;
}

const words = TEXTS.conversation;

export function composer({ submit, typed }: ComposerEvents): Composer {
  // On a keyboard of glass Enter makes a line: there is no Shift to hold.
  const isTouch = matchMedia('(hover: none) and (pointer: coarse)').matches;
  const input = element('textarea', {
    id: 'message',
    attributes: {
      rows: '1',
      autocomplete: 'off',
      enterkeyhint: isTouch ? 'enter' : 'send',
      dir: 'auto',
      'aria-describedby': 'message-held message-room message-fault',
    },
  });
  const label = element('label', { class: 'unseen', text: words.message, attributes: { for: 'message' } });
  const send = element('button', { class: 'primary', text: words.send, attributes: { type: 'submit' } });
  const held = element('p', { id: 'message-held', class: 'notice', attributes: { role: 'status' } });
  const room = element('p', { id: 'message-room', class: 'room' });
  const fault = element('p', { id: 'message-fault', class: 'fault', attributes: { role: 'alert' } });
  const limit = limitView();
  const row = element('div', { class: 'write' }, label, input, send);
  const form = element('form', { class: 'composer' }, limit.element, held, row, room, fault);
  let standing: ComposerStanding = { blocked: null, held: null, isEncrypted: false, next: undefined };

  const fit = (): void => {
    input.style.height = 'auto';
    // The border is no part of the scroll height.
    input.style.height = `${input.scrollHeight + input.offsetHeight - input.clientHeight}px`;
  };
  const left = (): number => bytesLeft(input.value.trim(), standing.isEncrypted);
  const showRoom = (): void => {
    const bytes = left();
    setText(room, isNearlyFull(bytes) ? roomText(bytes) : '');
    room.dataset.state = bytes < 0 ? 'full' : 'some';
    input.setAttribute('aria-invalid', `${bytes < 0}`);
  };
  const changed = (): void => {
    fit();
    showRoom();
    setText(fault, '');
  };
  const trySubmit = (): void => {
    const text = input.value.trim();
    const { blocked, held: reason } = standing;
    if (blocked !== null || reason !== null || text === '') return;
    if (left() < 0) setText(fault, roomText(left()));
    else submit(text);
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    trySubmit();
    input.focus();
  });
  input.addEventListener('input', () => {
    changed();
    typed(input.value);
  });
  input.addEventListener('keydown', (event) => {
    // Enter inside an input method picks a word and must not send.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || isTouch) return;
    event.preventDefault();
    trySubmit();
  });
  // Where the field becomes narrower, its text needs more lines; before it is on the screen it has no height at all.
  let width = 0;
  new ResizeObserver(() => {
    if (input.clientWidth === width) return;
    width = input.clientWidth;
    fit();
  }).observe(input);

  return {
    element: form,
    get text() {
      return input.value;
    },
    set text(value) {
      input.value = value;
      changed();
    },
    update: (now) => {
      standing = now;
      const { blocked, held: reason } = now;
      limit.update(blocked === null ? now.next : undefined);
      setText(held, blocked ?? reason ?? '');
      show(held, held.textContent !== '');
      // What was typed can still be copied.
      input.readOnly = blocked !== null;
      input.disabled = blocked !== null && input.value === '';
      send.disabled = blocked !== null || reason !== null;
      input.placeholder = blocked === null ? words.placeholder : '';
      showRoom();
    },
    setFault: (text) => setText(fault, text),
    focus: () => {
      if (standing.blocked !== null) return false;
      input.focus();
      return true;
    },
  };
}

/** Why nothing leaves at the moment, and until when: beside the line to write in, where it stays in sight. */
function limitView(): { readonly element: HTMLElement; update: (next: QueuedMessage | undefined) => void } {
  const reason = element('span', { attributes: { role: 'status' } });
  const wait = element('span', { attributes: { role: 'timer' } });
  const notice = element('p', { class: 'notice' }, reason, document.createTextNode(' '), wait);
  return {
    element: notice,
    update: (next) => {
      const limited = next?.state.kind === 'limited' ? next.state : null;
      const waitMs = limited === null ? 0 : limited.retryAt - Date.now();
      show(notice, waitMs > 0);
      setText(reason, limited !== null && waitMs > 0 ? errorText(limited.error) : '');
      setText(wait, waitMs > 0 ? waitText(durationText(waitMs)) : '');
    },
  };
}
