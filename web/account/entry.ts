import type { Account } from '../../client/account.ts';
import { TEXTS } from '../texts.ts';
import { openDialog } from '../view/dialog.ts';
import { button, element } from '../view/dom.ts';
import { formView } from './form.ts';
import type { FieldSpec } from './form.ts';
import { ACCOUNT_TEXTS, accountErrorText } from './texts.ts';

export interface EntryOptions {
  /** Why it is asked for; as a rule nobody needs an account. */
  readonly why?: string;
  /** Signed in. */
  readonly done?: () => void;
}

const words = ACCOUNT_TEXTS;

/** Signs in, or makes an account. Gives the dialog. */
export function openEntry(account: Account, options: EntryOptions = {}): HTMLDialogElement {
  return openForm(account, 'sign_in', '', options);
}

function openForm(
  account: Account,
  kind: 'sign_in' | 'register',
  typed: string,
  options: EntryOptions,
): HTMLDialogElement {
  const isNew = kind === 'register';
  const heading = isNew ? words.register : words.signIn;
  const email: FieldSpec = {
    ...{ name: 'email', label: words.email, type: 'email', value: typed },
    // What password managers know the account by.
    ...{ autocomplete: 'username', missing: words.missing.email },
  };
  const password: FieldSpec = {
    ...{ name: 'password', label: words.password, type: 'password', missing: words.missing.password },
    ...(isNew ? { autocomplete: 'new-password', hint: words.passwordHint } : { autocomplete: 'current-password' }),
  };
  const name: FieldSpec = {
    ...{ name: 'name', label: words.name, type: 'text', autocomplete: 'nickname', hint: words.nameHint },
  };
  const form = formView({
    id: 'entry',
    fields: isNew ? [email, password, name] : [email, password],
    submit: heading,
    faultText: (error) => accountErrorText(error, kind),
    run: async (values) => {
      const { email: address = '', password: secret = '', name: called = '' } = values;
      const credentials = { email: address.trim(), password: secret };
      if (isNew) await account.register({ ...credentials, ...(called.trim() === '' ? {} : { name: called.trim() }) });
      else await account.signIn(credentials);
      dialog.close();
      options.done?.();
    },
  });
  const other = button(isNew ? words.signIn : words.register, 'quiet', () => {
    const address = form.querySelector('input')?.value ?? '';
    dialog.close();
    openForm(account, isNew ? 'sign_in' : 'register', address, options);
  });
  const close = button(TEXTS.close, 'secondary', () => dialog.close());
  const dialog = openDialog(
    heading,
    element('p', { class: 'hint', text: options.why ?? words.why }),
    form,
    element('p', { class: 'other-way', text: `${isNew ? words.hasAccount : words.noAccount} ` }, other),
    element('div', { class: 'row' }, close),
  );
  form.querySelector('input')?.focus();
  return dialog;
}
