import { canEncrypt } from '../../client/index.ts';
import { SIZES } from '../../protocol/limits.ts';
import type { Notice } from '../page-seat.ts';
import { noticeText } from '../error-texts.ts';
import { againText, scannerFaultText, TEXTS } from '../texts.ts';
import { durationText } from '../time-texts.ts';
import type { ScannerFault } from '../scanner.ts';
import { button, element, setText, show } from './dom.ts';

export interface StartView {
  readonly element: HTMLElement;
  readonly name: string;
  update: (notice: Notice | null) => void;
  /** Puts a name into the form where there is none. */
  suggestName: (name: string) => void;
  /** Puts a code into the form and leaves the rest to the user. */
  prefill: (typed: string) => void;
  /** Why what is in the form is no code. */
  setFault: (text: string) => void;
  /** Whether this page can scan; until it is known there is neither button nor excuse. */
  setScanner: (fault: ScannerFault | null) => void;
  focus: () => void;
}

export interface StartActions {
  create: (options: { encrypt: boolean; approval: boolean }) => void;
  join: (typed: string) => void;
  scan: () => void;
}

const words = TEXTS.start;

export function startView(storedName: string, actions: StartActions): StartView {
  const heading = element('h1', { text: words.heading, attributes: { tabindex: '-1' } });
  const reason = element('p', { attributes: { role: 'alert' } });
  const wait = element('p', { class: 'wait', attributes: { role: 'timer' } });
  const notice = element('div', { class: 'notice' }, reason, wait);
  const name = element('input', {
    id: 'name',
    attributes: {
      maxlength: `${SIZES.nameCharacters}`,
      autocomplete: 'nickname',
      dir: 'auto',
      'aria-describedby': 'name-hint',
    },
  });
  name.value = storedName;
  const create = element('button', { class: 'primary', text: words.create, attributes: { type: 'submit' } });
  const encrypt = encryptView();
  const code = element('input', {
    id: 'code',
    class: 'code-input',
    attributes: {
      placeholder: words.codePlaceholder,
      autocomplete: 'off',
      autocapitalize: 'characters',
      autocorrect: 'off',
      spellcheck: 'false',
      'aria-describedby': 'code-hint code-fault',
    },
  });
  const fault = element('p', { id: 'code-fault', class: 'fault', attributes: { role: 'alert' } });
  const join = element('button', { class: 'secondary', text: words.join, attributes: { type: 'submit' } });
  const scan = button(words.scan, 'secondary', actions.scan);
  const noScan = element('p', { class: 'hint' });
  show(scan, false);

  const approval = choiceView('approval', words.approval, words.approvalHint);

  // A choice comes before what it is about; that there is none is said in passing.
  const createForm = element(
    'form',
    { class: 'stack' },
    ...(encrypt.isChoice ? [encrypt.element] : []),
    approval.element,
    create,
    ...(encrypt.isChoice ? [] : [encrypt.element]),
  );
  const joinForm = element(
    'form',
    { class: 'stack' },
    field(words.code, code, element('p', { id: 'code-hint', class: 'hint', text: words.codeHint })),
    fault,
    element('div', { class: 'row pair' }, join, scan),
    noScan,
  );
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
    if (text !== '') code.focus();
  };
  createForm.addEventListener('submit', (event) => {
    event.preventDefault();
    setFault('');
    actions.create({ encrypt: encrypt.isWanted(), approval: approval.isWanted() });
  });
  joinForm.addEventListener('submit', (event) => {
    event.preventDefault();
    actions.join(code.value);
  });
  code.addEventListener('input', () => setFault(''));

  return {
    element: view,
    get name() {
      return name.value.trim();
    },
    update: (shown) => {
      setText(reason, shown === null ? '' : noticeText(shown));
      show(notice, shown !== null);
      const waitMs = shown?.kind === 'refused' && shown.retryAt !== null ? shown.retryAt - Date.now() : 0;
      setText(wait, waitMs > 0 ? againText(durationText(waitMs)) : '');
      show(wait, waitMs > 0);
    },
    suggestName: (suggested) => {
      if (name.value === '') name.value = suggested;
    },
    prefill: (typed) => {
      setFault('');
      code.value = typed;
    },
    setFault,
    setScanner: (scannerFault) => {
      show(scan, scannerFault === null);
      setText(noScan, scannerFault === null ? '' : scannerFaultText(scannerFault));
    },
    focus: () => heading.focus(),
  };
}

interface Choice {
  readonly element: HTMLElement;
  isWanted: () => boolean;
}

/** The choice of encryption, or why there is none. */
function encryptView(): Choice & { readonly isChoice: boolean } {
  if (!canEncrypt()) {
    const excuse = element('p', { class: 'hint', text: words.encryptMissing });
    return { element: excuse, isChoice: false, isWanted: () => false };
  }
  return { ...choiceView('encrypt', words.encrypt, words.encryptHint), isChoice: true };
}

function choiceView(id: string, text: string, why: string): Choice {
  const hint = element('p', { id: `${id}-hint`, class: 'hint', text: why });
  const box = element('input', { id, attributes: { type: 'checkbox', 'aria-describedby': hint.id } });
  const label = element('label', { text, attributes: { for: id } });
  return { element: element('div', { class: 'choice' }, box, label, hint), isWanted: () => box.checked };
}

function field(label: string, input: HTMLInputElement, ...after: Node[]): HTMLElement {
  const caption = element('label', { text: label, attributes: { for: input.id } });
  return element('div', { class: 'field' }, caption, input, ...after);
}
