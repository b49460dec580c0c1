import type { Account } from '../../client/account.ts';
import { TEXTS } from '../texts.ts';
import { openDialog } from '../view/dialog.ts';
import { button, element } from '../view/dom.ts';
import { formView } from './form.ts';
import { ACCOUNT_TEXTS, accountErrorText } from './texts.ts';

const words = ACCOUNT_TEXTS;

/** Changes the password. */
export function openPassword(account: Account): HTMLDialogElement {
  const form = formView({
    id: 'password',
    fields: [
      {
        ...{ name: 'current', label: words.currentPassword, type: 'password' },
        ...{ autocomplete: 'current-password', missing: words.missing.current },
      },
      {
        ...{ name: 'next', label: words.newPassword, type: 'password', autocomplete: 'new-password' },
        ...{ hint: words.passwordHint, missing: words.missing.next },
      },
    ],
    submit: words.changePassword,
    faultText: (error) => accountErrorText(error, 'password'),
    run: async ({ current = '', next = '' }) => {
      await account.changePassword({ current, next });
      form.remove();
      done.textContent = words.passwordChanged;
      close.focus();
    },
  });
  // So that password managers know whose it is.
  const user = element('input', {
    attributes: { type: 'text', name: 'username', autocomplete: 'username', hidden: '', 'aria-hidden': 'true' },
  });
  user.value = account.user?.email ?? '';
  form.prepend(user);
  const done = element('p', { attributes: { role: 'status' } });
  const close = button(TEXTS.close, 'secondary', () => dialog.close());
  const dialog = openDialog(words.changePassword, form, done, element('div', { class: 'row' }, close));
  form.querySelector<HTMLInputElement>('input[type="password"]')?.focus();
  return dialog;
}
