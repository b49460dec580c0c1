import type { ConsoleCommands, SessionRow } from '../../protocol/console.ts';
import type { SessionStatus } from '../../protocol/session.ts';
import { shownName } from '../shown-name.ts';
import { button, element, setText, show } from '../view/dom.ts';
import { failureText } from './failure-text.ts';
import { dateTimeText, numberText, timeText } from './format.ts';
import { fragmentOf } from './route.ts';
import { screenHeading } from './screen.ts';
import { sessionCountText } from './session-count.ts';
import type { Desk, Screen } from './screen.ts';
import { tableView } from './table.ts';
import { CONSOLE_TEXTS, STATUS_WORDS } from './texts.ts';

const PAGE = 50;
/** More rows make a phone slow, and are read by nobody: what follows takes their place. */
const MOST_ROWS = 500;
const MOST_NAMES = 4;

type Query = ConsoleCommands['console:sessions']['payload'];

export function sessionsView(desk: Desk): Screen {
  const heading = screenHeading(CONSOLE_TEXTS.sessions);
  const search = searchView(() => void load('anew'));
  const told = element('p', { class: 'hint', attributes: { role: 'status' } });
  const fault = element('p', { class: 'fault', attributes: { role: 'alert' } });
  const table = sessionTable();
  const more = button(CONSOLE_TEXTS.more, 'secondary', () => void load('more'));
  let rows: SessionRow[] = [];
  let cursor: string | null = null;
  /** How many are before the first row that is shown. */
  let skipped = 0;
  let query: Query = {};
  let asked = 0;

  const load = async (what: 'anew' | 'more'): Promise<void> => {
    asked += 1;
    const own = asked;
    if (what === 'anew') query = search.query();
    setText(fault, '');
    setText(told, CONSOLE_TEXTS.loading);
    try {
      const page = await desk.ask('console:sessions', {
        ...query,
        limit: PAGE,
        ...(what === 'more' && cursor !== null ? { cursor } : {}),
      });
      // Somebody has searched for something else meanwhile.
      if (own !== asked) return;
      if (what === 'anew') {
        rows = [];
        skipped = 0;
      } else if (rows.length + page.sessions.length > MOST_ROWS) {
        skipped += rows.length;
        rows = [];
        heading.scrollIntoView();
      }
      // A session that has changed its place between two pages comes twice.
      const known = new Set(rows.map(({ id }) => id));
      rows = [...rows, ...page.sessions.filter(({ id }) => !known.has(id))];
      cursor = page.nextCursor;
      const shown = { count: rows.length, skipped, hasMore: cursor !== null };
      setText(told, sessionCountText(shown, timeText(Date.now())));
    } catch (error) {
      if (own !== asked) return;
      setText(told, '');
      setText(fault, failureText(error));
    }
    table.update(rows);
    show(table.element, rows.length > 0);
    show(more, cursor !== null);
    setText(more, rows.length + PAGE > MOST_ROWS ? 'Show the next ones instead' : CONSOLE_TEXTS.more);
  };

  show(table.element, false);
  show(more, false);
  return {
    heading,
    element: element('section', { class: 'sessions' }, heading, search.element, told, fault, table.element, more),
    // Not when one comes back from a session: the place in the list would be lost.
    open: () => {
      if (asked === 0) void load('anew');
    },
    close: () => undefined,
  };
}

function searchView(run: () => void): { element: HTMLElement; query: () => Query } {
  const input = element('input', {
    id: 'search',
    attributes: { type: 'search', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', dir: 'auto' },
  });
  const option = (value: string, text: string): HTMLOptionElement => element('option', { text, attributes: { value } });
  const status = element(
    'select',
    { id: 'status-filter' },
    option('', 'All'),
    ...Object.entries(STATUS_WORDS).map(([value, text]) => option(value, text)),
  );
  status.addEventListener('change', run);
  const field = (label: string, control: HTMLElement): HTMLElement =>
    element('div', { class: 'field' }, element('label', { text: label, attributes: { for: control.id } }), control);
  const form = element(
    'form',
    { class: 'filters', attributes: { role: 'search', 'aria-label': 'Sessions', novalidate: '' } },
    field('Start of an id, or of a name', input),
    field('Status', status),
    element('button', { class: 'primary', text: 'Search', attributes: { type: 'submit' } }),
    button(CONSOLE_TEXTS.refresh, 'secondary', run),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    run();
  });
  return {
    element: form,
    query: () => {
      const typed = input.value.trim();
      return {
        ...(typed === '' ? {} : { search: typed }),
        // Its options are the statuses and the empty one.
        ...(status.value === '' ? {} : { status: status.value as SessionStatus }),
      };
    },
  };
}

function sessionTable() {
  return tableView<SessionRow>({
    caption: 'Sessions, the newest first',
    keyOf: ({ id }) => id,
    stateOf: ({ status }) => status,
    columns: [
      {
        heading: 'Session',
        isRowHeading: true,
        cell: ({ id }) => {
          const link = element('a', {
            class: 'id',
            text: id,
            attributes: { href: fragmentOf({ kind: 'session', sessionId: id }) },
          });
          const names = element('span', { class: 'names' });
          return {
            element: element('span', { class: 'session-title' }, link, names),
            update: (row) => {
              names.replaceChildren(...namesOf(row));
            },
          };
        },
      },
      {
        heading: 'Status',
        cell: () => {
          const badge = element('span', { class: 'state' });
          return {
            element: badge,
            update: ({ status, locked }) => {
              badge.dataset['state'] = status;
              setText(badge, locked ? `${STATUS_WORDS[status]}, locked` : STATUS_WORDS[status]);
            },
          };
        },
      },
      { heading: 'Created', text: ({ createdAt }) => dateTimeText(createdAt) },
      { heading: 'Online', isNumber: true, text: ({ online, participants }) => `${online} of ${participants}` },
      { heading: 'Seats', isNumber: true, text: ({ capacity }) => numberText(capacity) },
      { heading: 'Messages', isNumber: true, text: ({ lastSeq }) => numberText(lastSeq) },
    ],
  });
}

/** Isolated each, so that one that is written from right to left stays in its place. */
function namesOf({ names }: SessionRow): Node[] {
  const nodes = names
    .slice(0, MOST_NAMES)
    .map((name) => element('bdi', { class: 'shown-name', text: shownName(name, false) }));
  const rest = names.length - nodes.length;
  return rest > 0 ? [...nodes, element('span', { text: `and ${rest} more` })] : nodes;
}
