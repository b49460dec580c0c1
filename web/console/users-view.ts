import type { ConsoleCommands, LoginRow } from '../../protocol/console.ts';
import { TandemError } from '../../protocol/errors.ts';
import { visibleName } from '../conversation/visible-text.ts';
import { shownName } from '../shown-name.ts';
import { ask } from '../view/ask.ts';
import { button, element, setText, show } from '../view/dom.ts';
import { failureText } from './failure-text.ts';
import { countText, dateTimeText, NOTHING } from './format.ts';
import { screenHeading } from './screen.ts';
import type { Desk, Screen } from './screen.ts';
import { tableView } from './table.ts';
import { CONSOLE_TEXTS } from './texts.ts';

type Found = ConsoleCommands['console:logins']['result'];

const words = CONSOLE_TEXTS.signOut;

/** The devices on which a user is signed in. */
export function usersView(desk: Desk): Screen<string | null> {
  const heading = screenHeading(CONSOLE_TEXTS.users);
  const input = element('input', {
    id: 'user',
    attributes: { type: 'text', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false' },
  });
  const fault = element('p', { class: 'fault', attributes: { role: 'alert' } });
  const told = element('p', { class: 'hint', attributes: { role: 'status' } });
  const name = element('bdi', { class: 'shown-name' });
  const id = element('span', { class: 'id' });
  const since = element('p', { class: 'hint' });
  const who = element('h2', { attributes: { tabindex: '-1' } }, name);
  const table = loginTable((login) => {
    ask({ heading: words.oneQuestion, why: [words.oneWhy], yes: words.one }, () => void signOut(login.id));
  });
  const askForAll = (): void => {
    ask({ heading: words.allQuestion, why: [words.allWhy], yes: words.all }, () => void signOut(null));
  };
  const all = button(words.all, 'secondary', askForAll);
  const result = element('section', { class: 'part' }, who, id, since, table.element, all);
  const strangerId = element('bdi', { class: 'id' });
  const strangerHeading = element('h2', { text: words.foreign, attributes: { tabindex: '-1' } });
  const stranger = element(
    'section',
    { class: 'part' },
    strangerHeading,
    element('p', { class: 'hint', text: words.foreignWhy }),
    element('p', {}, strangerId),
    button(words.all, 'secondary', askForAll),
  );
  let asked = 0;
  let found: Found | null = null;
  /** Typed, and known to no account of ours: the users of a foreign issuer have none. */
  let foreignId: string | null = null;

  const draw = (): void => {
    show(result, found !== null);
    show(stranger, foreignId !== null);
    setText(strangerId, foreignId === null ? '' : visibleName(foreignId));
    if (found === null) return;
    setText(name, shownName(found.user.name, false));
    setText(id, found.user.id);
    setText(since, `Account since ${dateTimeText(found.user.createdAt)}`);
    table.update(found.logins);
    show(table.element, found.logins.length > 0);
  };
  const look = async (user: string): Promise<void> => {
    asked += 1;
    const own = asked;
    setText(fault, '');
    setText(told, CONSOLE_TEXTS.loading);
    try {
      const answer = await desk.ask('console:logins', { user });
      if (own !== asked) return;
      found = answer;
      foreignId = null;
      setText(
        told,
        answer.logins.length === 0
          ? 'Signed in nowhere.'
          : `Signed in on ${countText(answer.logins.length, 'device')}.`,
      );
    } catch (error) {
      if (own !== asked) return;
      found = null;
      foreignId = isNoAccount(error) ? user : null;
      setText(told, '');
      setText(fault, failureText(error));
    }
    draw();
  };
  const signOut = async (loginId: string | null): Promise<void> => {
    const userId = found?.user.id ?? foreignId;
    if (userId === null) return;
    const isDone = await desk.run(
      () => desk.ask('console:sign_out', { userId, ...(loginId === null ? {} : { loginId }) }),
      loginId === null ? words.allDone : words.oneDone,
    );
    if (found !== null) await look(userId);
    if (isDone) (foreignId === null ? who : strangerHeading).focus();
  };
  const form = element(
    'form',
    { class: 'filters', attributes: { role: 'search', 'aria-label': 'Users', novalidate: '' } },
    element(
      'div',
      { class: 'field' },
      element('label', { text: 'Id or e-mail address', attributes: { for: input.id } }),
      input,
    ),
    element('button', { class: 'primary', text: 'Search', attributes: { type: 'submit' } }),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const user = input.value.trim();
    if (user !== '') void look(user);
    else {
      setText(fault, 'Type the id or the e-mail address of a user.');
      input.focus();
    }
  });
  draw();
  return {
    heading,
    element: element('section', { class: 'users' }, heading, form, told, fault, result, stranger),
    open: (userId) => {
      if (userId === null) return;
      input.value = userId;
      void look(userId);
    },
    close: () => undefined,
  };
}

function isNoAccount(error: unknown): boolean {
  return (
    error instanceof TandemError &&
    error.code === 'INVALID_PAYLOAD' &&
    (error.issues ?? []).some(({ path }) => path === 'user')
  );
}

function loginTable(signOut: (login: LoginRow) => void) {
  return tableView<LoginRow>({
    caption: 'Devices',
    keyOf: ({ id }) => id,
    columns: [
      {
        heading: 'Device',
        isRowHeading: true,
        cell: () => {
          const device = element('bdi', { class: 'device' });
          return {
            element: device,
            update: (login) => setText(device, deviceText(login)),
          };
        },
      },
      { heading: 'Address', text: ({ ip }) => ip ?? NOTHING },
      { heading: 'Signed in', text: ({ createdAt }) => dateTimeText(createdAt) },
      { heading: 'Last used', text: ({ lastUsedAt }) => dateTimeText(lastUsedAt) },
      {
        heading: 'Act',
        cell: (first) => {
          const end = button(words.one, 'quiet', () => signOut(first));
          end.setAttribute('aria-label', words.oneLabel(deviceText(first), dateTimeText(first.createdAt)));
          return { element: end, update: () => undefined };
        },
      },
    ],
  });
}

function deviceText({ userAgent }: LoginRow): string {
  return userAgent === null ? 'Unknown device' : visibleName(userAgent);
}
