import { button, element, setText, show } from '../view/dom.ts';
import { CONSOLE_TEXTS } from './texts.ts';

export interface SignInView {
  readonly element: HTMLElement;
  /** `fault`: why it did not open; empty where nothing is wrong. */
  update: (isBusy: boolean, fault: string) => void;
  focus: () => void;
}

const words = CONSOLE_TEXTS.signIn;

/** Asks for the admin token. The field is empty again as soon as the token is handed over. */
export function signInView(go: (token: string) => void, cancel: () => void): SignInView {
  const fault = element('p', { id: 'token-fault', class: 'fault', attributes: { role: 'alert' } });
  const input = element('input', {
    id: 'token',
    attributes: {
      type: 'password',
      autocomplete: 'off',
      autocapitalize: 'off',
      spellcheck: 'false',
      'aria-describedby': 'token-hint token-fault',
    },
  });
  const submit = element('button', { class: 'primary', text: words.go, attributes: { type: 'submit' } });
  const giveUp = button('Cancel', 'secondary', cancel);
  const form = element(
    'form',
    { class: 'stack', attributes: { novalidate: '' } },
    element(
      'div',
      { class: 'field' },
      element('label', { text: words.label, attributes: { for: input.id } }),
      input,
      element('p', { id: 'token-hint', class: 'hint', text: words.hint }),
    ),
    fault,
    element('div', { class: 'row' }, submit, giveUp),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const token = input.value.trim();
    if (token === '') {
      setText(fault, words.missing);
      input.setAttribute('aria-invalid', 'true');
      input.focus();
      return;
    }
    input.value = '';
    go(token);
  });
  return {
    element: element(
      'section',
      { class: 'card sign-in' },
      element('h1', { text: words.heading }),
      element('p', { class: 'intro', text: words.intro }),
      form,
    ),
    update: (isBusy, text) => {
      setText(fault, text);
      input.setAttribute('aria-invalid', `${text !== ''}`);
      submit.setAttribute('aria-disabled', `${isBusy}`);
      show(giveUp, isBusy);
    },
    focus: () => input.focus(),
  };
}
