import { formatFigures, type Figure } from './figures.ts';
import type { Format } from './options.ts';

/** What a scenario found. */
export interface Report {
  readonly title: string;
  readonly figures: Figure[];
  /** What is compared side by side; it stands before the figures. */
  readonly comparison?: Comparison;
  /** Lines to read beside the figures, such as plans of queries. */
  readonly notes?: readonly string[];
}

export interface Comparison {
  readonly columns: readonly string[];
  readonly rows: readonly { readonly name: string; readonly cells: readonly string[] }[];
}

/** JSON is one line for each scenario, with the machine in each. */
export function formatReport(format: Format, scenario: string, machine: string, report: Report): string {
  const { title, figures, comparison, notes = [] } = report;
  switch (format) {
    case 'text':
      return `\n${[title, ...(comparison ? alignedTable(comparison) : []), formatFigures(figures), ...notes].join('\n')}`;
    case 'markdown':
      return `\n${[
        ...[`## ${title}`, ''],
        ...(comparison ? [...comparisonTable(comparison), ''] : []),
        ...table(figures),
        ...(notes.length > 0 ? ['', '```', ...notes, '```'] : []),
      ].join('\n')}`;
    case 'json':
      return JSON.stringify({ scenario, machine, title, comparison, figures, notes });
  }
}

function table(figures: readonly Figure[]): string[] {
  return [
    row('figure', 'value', 'target', 'reached'),
    '|---|---|---|---|',
    ...figures.map(({ name, value, target }) =>
      row(name, value, target?.text ?? '', target === undefined ? '' : target.isReached ? 'yes' : 'no'),
    ),
  ];
}

function comparisonTable({ columns, rows }: Comparison): string[] {
  return [
    row('', ...columns),
    `|---${'|---'.repeat(columns.length)}|`,
    ...rows.map(({ name, cells }) => row(name, ...cells)),
  ];
}

function row(...cells: string[]): string {
  return `| ${cells.map((cell) => cell.trim().replaceAll('|', '\\|')).join(' | ')} |`;
}

function alignedTable({ columns, rows }: Comparison): string[] {
  const lines = [['', ...columns], ...rows.map(({ name, cells }) => [name, ...cells])];
  const widths = ['', ...columns].map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)));
  return lines.map((line) => `  ${line.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('  ')}`.trimEnd());
}
