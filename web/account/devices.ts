import type { Account, Login } from '../../client/account.ts';
import { TEXTS } from '../texts.ts';
import { ask } from '../view/ask.ts';
import { openDialog } from '../view/dialog.ts';
import { button, element } from '../view/dom.ts';
import { deviceName } from './device-name.ts';
import { loadingView } from './loading.ts';
import { ACCOUNT_TEXTS, whenText } from './texts.ts';

const words = ACCOUNT_TEXTS.device;

/** Where the user is signed in, and how to change that. */
export function openDevices(account: Account, signOutEverywhere: () => void): HTMLDialogElement {
  const list = element('ul', { class: 'account-list', attributes: { 'aria-label': words.list } });
  const giveUp = new AbortController();
  const loading = loadingView(giveUp.signal);
  const load = async (signal: AbortSignal): Promise<void> => {
    const logins = await account.logins({ signal });
    list.replaceChildren(...logins.map((login) => deviceView(login, () => endLogin(login.id))));
  };
  const endLogin = (id: string): void => {
    // The focus would be lost with the line.
    heading?.focus();
    loading.start(async (signal) => {
      await account.endLogin(id, { signal }).catch((error: unknown) => {
        // Signed out by somebody else meanwhile is signed out all the same.
        if ((error as { code?: unknown }).code !== 'UNKNOWN_COMMAND') throw error;
      });
      await load(signal);
    });
  };
  const everywhere = button(words.everywhere, 'secondary', () => {
    ask({ heading: words.everywhereQuestion, why: [words.everywhereWhy], yes: words.everywhere }, signOutEverywhere);
  });
  const close = button(TEXTS.close, 'secondary', () => dialog.close());
  const dialog = openDialog(
    ACCOUNT_TEXTS.devices,
    list,
    loading.element,
    element('div', { class: 'row' }, everywhere, close),
  );
  const heading = dialog.querySelector('h2');
  heading?.setAttribute('tabindex', '-1');
  dialog.addEventListener('close', () => giveUp.abort());
  loading.start(load);
  return dialog;
}

function deviceView({ userAgent, ip, lastUsedAt, current }: Login, end: () => void): HTMLElement {
  const name = deviceName(userAgent) ?? words.unknown;
  const facts = [...(current ? [words.current] : []), ...(ip === null ? [] : [ip]), words.used(whenText(lastUsedAt))];
  const line = element(
    'li',
    { class: 'account-line' },
    element('bdi', { class: 'name', text: name }),
    element('span', { class: 'facts', text: facts.join(', ') }),
  );
  if (!current) {
    const out = button(words.end, 'quiet', end);
    out.setAttribute('aria-label', words.endOf(name));
    line.append(out);
  }
  return line;
}
