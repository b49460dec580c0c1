import { SIZES } from '../../protocol/limits.ts';
import { parseCode } from '../code.ts';
import type { OpeningWish } from '../opening.ts';
import type { Notice } from '../session-client.ts';
import { againText, codeFaultText, durationText, noticeText, TEXTS } from '../texts.ts';
import { element, setText, show } from './dom.ts';

export interface StartView {
  readonly element: HTMLElement;
  update: (notice: Notice | null) => void;
  /** Puts a code into the form and joins with it. */
  joinWith: (typed: string) => void;
  /** Puts a code into the form and leaves the rest to the user. */
  prefill: (typed: string) => void;
  focus: () => void;
}

const words = TEXTS.start;

export function startView(storedName: string, open: (wish: OpeningWish) => void): StartView {
  const heading = element('h1', { text: words.heading, attributes: { tabindex: '-1' } });
  const reason = element('p', { attributes: { role: 'alert' } });
  const wait = element('p', { class: 'wait', attributes: { role: 'timer' } });
  const notice = element('div', { class: 'notice' }, reason, wait);
  const name = element('input', {
    id: 'name',
    attributes: {
      maxlength: `${SIZES.nameCharacters}`,
      autocomplete: 'nickname',
      'aria-describedby': 'name-hint',
    },
  });
  name.value = storedName;
  const create = element('button', { class: 'primary', text: words.create, attributes: { type: 'submit' } });
  const code = element('input', {
    id: 'code',
    class: 'code-input',
    attributes: {
      placeholder: words.codePlaceholder,
      autocomplete: 'off',
      autocapitalize: 'characters',
      autocorrect: 'off',
      spellcheck: 'false',
      'aria-describedby': 'code-fault',
    },
  });
  const fault = element('p', { id: 'code-fault', class: 'fault', attributes: { role: 'alert' } });
  const join = element('button', { class: 'secondary', text: words.join, attributes: { type: 'submit' } });

  const createForm = element('form', { class: 'stack' }, create);
  const joinForm = element('form', { class: 'stack' }, field(words.code, code), fault, join);
  const view = element(
    'section',
    { class: 'card start' },
    heading,
    element('p', { class: 'intro', text: words.intro }),
    notice,
    field(words.name, name, element('p', { id: 'name-hint', class: 'hint', text: words.nameHint })),
    createForm,
    element('p', { class: 'or', text: words.or }),
    joinForm,
  );

  const setFault = (text: string): void => {
    setText(fault, text);
    code.setAttribute('aria-invalid', `${text !== ''}`);
  };
  const tryToJoin = (): void => {
    const typed = parseCode(code.value);
    if (typed.kind === 'code') {
      setFault('');
      open({ command: 'session:join', name: name.value.trim(), code: typed.code });
      return;
    }
    setFault(codeFaultText(typed));
    code.focus();
  };
  createForm.addEventListener('submit', (event) => {
    event.preventDefault();
    setFault('');
    open({ command: 'session:create', name: name.value.trim() });
  });
  joinForm.addEventListener('submit', (event) => {
    event.preventDefault();
    tryToJoin();
  });
  code.addEventListener('input', () => setFault(''));

  return {
    element: view,
    update: (shown) => {
      setText(reason, shown === null ? '' : noticeText(shown));
      show(notice, shown !== null);
      const waitMs = shown?.kind === 'refused' && shown.retryAt !== null ? shown.retryAt - Date.now() : 0;
      setText(wait, waitMs > 0 ? againText(durationText(waitMs)) : '');
      show(wait, waitMs > 0);
    },
    joinWith: (typed) => {
      code.value = typed;
      tryToJoin();
    },
    prefill: (typed) => {
      setFault('');
      code.value = typed;
    },
    focus: () => heading.focus(),
  };
}

function field(label: string, input: HTMLInputElement, ...after: Node[]): HTMLElement {
  const caption = element('label', { text: label, attributes: { for: input.id } });
  return element('div', { class: 'field' }, caption, input, ...after);
}
