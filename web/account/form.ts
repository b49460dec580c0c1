import { TandemError } from '../../client/index.ts';
import { againText } from '../texts.ts';
import { durationText } from '../time-texts.ts';
import { element, setText } from '../view/dom.ts';

export interface FieldSpec {
  /** Its name in an `issues` of the server. */
  readonly name: string;
  readonly label: string;
  readonly type: 'email' | 'password' | 'text';
  readonly autocomplete: string;
  readonly hint?: string;
  readonly value?: string;
  /** What to say when nothing was typed; nothing is needed unless given. */
  readonly missing?: string;
}

export interface FormSpec {
  /** Unlike that of any other form at the same time. */
  readonly id: string;
  readonly fields: readonly FieldSpec[];
  readonly submit: string;
  readonly run: (values: Readonly<Record<string, string>>) => Promise<void>;
  readonly faultText: (error: TandemError) => string;
}

const TICK_MS = 1_000;

/** A form that says in words why something was refused, and for how long. */
export function formView({ id, fields, submit, run, faultText }: FormSpec): HTMLFormElement {
  const fault = element('p', { id: `${id}-fault`, class: 'fault', attributes: { role: 'alert' } });
  const wait = element('p', { class: 'wait', attributes: { role: 'timer' } });
  const inputs = fields.map((field) => ({ field, input: inputOf(id, field, fault) }));
  const go = element('button', { class: 'primary', text: submit, attributes: { type: 'submit' } });
  const form = element(
    'form',
    // The words are ours, and the same in every browser.
    { class: 'stack account-form', attributes: { novalidate: '' } },
    ...inputs.map(({ field, input }) => fieldView(id, field, input)),
    fault,
    wait,
    go,
  );
  let isBusy = false;
  let retryAt = 0;

  const blame = (name: string | undefined, text: string): void => {
    setText(fault, text);
    const blamed = inputs.find(({ field }) => field.name === name)?.input;
    for (const { input } of inputs) input.setAttribute('aria-invalid', `${input === blamed}`);
    blamed?.focus();
  };
  const tick = (): void => {
    const waitMs = retryAt - performance.now();
    setText(wait, waitMs > 0 ? againText(durationText(waitMs)) : '');
    if (waitMs > 0 && form.isConnected) setTimeout(tick, TICK_MS);
  };
  const submitted = async (): Promise<void> => {
    // Asked for too early it is refused again, and at some limits for longer.
    if (isBusy || retryAt > performance.now()) return;
    const empty = inputs.find(({ field, input }) => field.missing !== undefined && input.value.trim() === '');
    if (empty !== undefined) {
      blame(empty.field.name, empty.field.missing ?? '');
      return;
    }
    blame(undefined, '');
    isBusy = true;
    // Not disabled: a button that is disabled loses the focus.
    go.setAttribute('aria-disabled', 'true');
    try {
      await run(Object.fromEntries(inputs.map(({ field, input }) => [field.name, input.value])));
    } catch (cause) {
      const error = cause instanceof TandemError ? cause : new TandemError('INTERNAL', undefined, { cause });
      blame(error.issues?.[0]?.path, faultText(error));
      retryAt = performance.now() + (error.retryAfterMs ?? 0);
      tick();
    } finally {
      isBusy = false;
      go.setAttribute('aria-disabled', 'false');
    }
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void submitted();
  });
  return form;
}

function inputOf(
  id: string,
  { name, type, autocomplete, hint, value }: FieldSpec,
  fault: HTMLElement,
): HTMLInputElement {
  const input = element('input', {
    id: `${id}-${name}`,
    attributes: {
      name,
      type,
      autocomplete,
      'aria-describedby': hint === undefined ? fault.id : `${id}-${name}-hint ${fault.id}`,
      ...(type === 'email' ? { autocapitalize: 'off', spellcheck: 'false', inputmode: 'email' } : {}),
      ...(type === 'text' ? { dir: 'auto' } : {}),
    },
  });
  input.value = value ?? '';
  return input;
}

function fieldView(id: string, { name, label, hint }: FieldSpec, input: HTMLInputElement): HTMLElement {
  const caption = element('label', { text: label, attributes: { for: input.id } });
  const after = hint === undefined ? [] : [element('p', { id: `${id}-${name}-hint`, class: 'hint', text: hint })];
  return element('div', { class: 'field' }, caption, input, ...after);
}
