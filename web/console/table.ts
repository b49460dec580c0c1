import { element, setText } from '../view/dom.ts';

/** What is in a cell and changes with its row, without losing the focus. */
export interface Cell<R> {
  readonly element: HTMLElement;
  update: (row: R) => void;
}

export interface Column<R> {
  readonly heading: string;
  /** Names the row. */
  readonly isRowHeading?: boolean;
  readonly isNumber?: boolean;
  /** Either a text, or a cell of its own. */
  readonly text?: (row: R) => string;
  readonly cell?: (row: R) => Cell<R>;
}

export interface TableSpec<R> {
  readonly caption: string;
  readonly keyOf: (row: R) => string;
  /** Kept at the row, so that the style sheet can tell it. */
  readonly stateOf?: (row: R) => string;
  readonly columns: readonly Column<R>[];
}

export interface TableView<R> {
  readonly element: HTMLTableElement;
  update: (rows: readonly R[]) => void;
}

/**
 * A table that becomes a list of cards on a phone. The roles are spelled out, because one that is no longer laid out as a
 * table is none to a screen reader either.
 */
export function tableView<R>({ caption, keyOf, stateOf, columns }: TableSpec<R>): TableView<R> {
  const headings = columns.map(({ heading, isNumber }) =>
    element('th', {
      text: heading,
      ...(isNumber === true ? { class: 'number' } : {}),
      attributes: { scope: 'col', role: 'columnheader' },
    }),
  );
  const head = element(
    'thead',
    { attributes: { role: 'rowgroup' } },
    element('tr', { attributes: { role: 'row' } }, ...headings),
  );
  const body = element('tbody', { attributes: { role: 'rowgroup' } });
  const table = element(
    'table',
    { class: 'cards', attributes: { role: 'table' } },
    element('caption', { text: caption }),
    head,
    body,
  );
  const shown = new Map<string, { element: HTMLTableRowElement; update: (row: R) => void }>();
  return {
    element: table,
    update: (rows) => {
      const keys = new Set(rows.map(keyOf));
      for (const [key, line] of shown) {
        if (keys.has(key)) continue;
        line.element.remove();
        shown.delete(key);
      }
      let place = body.firstElementChild;
      for (const row of rows) {
        const key = keyOf(row);
        const line = shown.get(key) ?? rowView(columns, row);
        shown.set(key, line);
        line.update(row);
        if (stateOf !== undefined) line.element.dataset['state'] = stateOf(row);
        // Moved only when it stands elsewhere: what is moved loses the focus.
        if (line.element === place) place = place.nextElementSibling;
        else body.insertBefore(line.element, place);
      }
    },
  };
}

function rowView<R>(
  columns: readonly Column<R>[],
  first: R,
): { element: HTMLTableRowElement; update: (row: R) => void } {
  const cells = columns.map((column) => {
    const cell = column.cell?.(first);
    const holder = element(
      column.isRowHeading === true ? 'th' : 'td',
      {
        ...(column.isNumber === true ? { class: 'number' } : {}),
        attributes: {
          'data-heading': column.heading,
          ...(column.isRowHeading === true ? { scope: 'row', role: 'rowheader' } : { role: 'cell' }),
        },
      },
      ...(cell === undefined ? [] : [cell.element]),
    );
    const update = (row: R): void => {
      if (cell !== undefined) cell.update(row);
      else setText(holder, column.text?.(row) ?? '');
    };
    return { holder, update };
  });
  return {
    element: element('tr', { attributes: { role: 'row' } }, ...cells.map(({ holder }) => holder)),
    update: (row) => {
      for (const cell of cells) cell.update(row);
    },
  };
}
