import type { Account } from '../../client/account.ts';
import { visibleName } from '../conversation/visible-text.ts';
import { TEXTS } from '../texts.ts';
import { ask } from '../view/ask.ts';
import { openDialog } from '../view/dialog.ts';
import { button, element, setText } from '../view/dom.ts';
import { openDevices } from './devices.ts';
import { openEntry } from './entry.ts';
import type { EntryOptions } from './entry.ts';
import { openPassword } from './password.ts';
import { openSessions } from './sessions.ts';
import type { SessionsOptions } from './sessions.ts';
import { ACCOUNT_TEXTS } from './texts.ts';

export interface AccountViewParts {
  readonly account: Account;
  /** What the list of sessions needs to know at the moment. */
  readonly sessions: () => SessionsOptions;
  /** Whether signing out costs a seat. */
  readonly hasSeat: () => boolean;
  /** Before the login is ended. */
  readonly leaving: () => Promise<void>;
  readonly remark: (text: string) => void;
}

export interface AccountView {
  update: () => void;
  signIn: (options?: EntryOptions) => void;
}

const words = ACCOUNT_TEXTS;

/** The way to the account, in a corner of the page: pairing needs none. */
export function accountView(host: HTMLElement, parts: AccountViewParts): AccountView {
  const { account, remark } = parts;
  let open: HTMLDialogElement | null = null;
  const label = element('bdi', { class: 'account-name' });
  const toAccount = button('', 'quiet', () => {
    if (account.user === null) view.signIn();
    else open = openMenu();
  });
  toAccount.append(label);
  host.append(toAccount);

  const signOut = async (isEverywhere: boolean): Promise<void> => {
    open?.close();
    await parts.leaving();
    try {
      if (isEverywhere) await account.signOutEverywhere();
      else if (!(await account.signOut()).isConfirmed) remark(words.unconfirmed);
    } catch {
      remark(TEXTS.panel.noAnswer);
    }
  };
  const askToSignOut = (): void => {
    if (!parts.hasSeat()) void signOut(false);
    else {
      ask({ heading: words.signOutQuestion, why: [words.signOutSeat], yes: words.signOut }, () => void signOut(false));
    }
  };
  const openMenu = (): HTMLDialogElement => {
    const to = (text: string, next: () => HTMLDialogElement | null): HTMLElement =>
      button(text, 'secondary', () => {
        dialog.close();
        open = next();
      });
    const dialog = openDialog(
      words.account,
      whoView(account),
      element(
        'div',
        { class: 'account-menu' },
        to(words.sessions, () => openSessions(account, parts.sessions())),
        to(words.devices, () => openDevices(account, () => void signOut(true))),
        to(words.changePassword, () => openPassword(account)),
        to(words.signOut, () => {
          askToSignOut();
          return null;
        }),
      ),
      element(
        'div',
        { class: 'row' },
        button(TEXTS.close, 'secondary', () => dialog.close()),
      ),
    );
    return dialog;
  };
  account.on('signedOut', ({ reason }) => {
    open?.close();
    if (reason === 'refused') remark(words.refused);
  });

  const view: AccountView = {
    update: () => {
      const { user } = account;
      const name = user === null ? words.signIn : visibleName(user.name ?? user.email ?? words.account);
      setText(label, name);
      if (user === null) toAccount.removeAttribute('aria-label');
      else toAccount.setAttribute('aria-label', words.accountOf(name));
    },
    signIn: (options) => {
      open = openEntry(account, options);
    },
  };
  return view;
}

function whoView({ user }: Account): HTMLElement {
  const lines = [user?.name ?? null, user?.email ?? null].flatMap((text) => (text === null ? [] : [visibleName(text)]));
  return element(
    'p',
    { class: 'account-who' },
    ...lines.map((text, index) => element('bdi', { class: index === 0 ? 'name' : 'facts', text })),
  );
}
