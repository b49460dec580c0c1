import { formatFigures, type Figure } from './figures.ts';
import type { Format } from './options.ts';

/** What a scenario found. */
export interface Report {
  readonly title: string;
  readonly figures: Figure[];
  /** Lines to read beside the figures, such as plans of queries. */
  readonly notes?: readonly string[];
}

/** JSON is one line for each scenario, with the machine in each. */
export function formatReport(format: Format, scenario: string, machine: string, report: Report): string {
  const { title, figures, notes = [] } = report;
  switch (format) {
    case 'text':
      return `\n${[title, formatFigures(figures), ...notes].join('\n')}`;
    case 'markdown':
      return `\n${[`## ${title}`, '', ...table(figures), ...(notes.length > 0 ? ['', '```', ...notes, '```'] : [])].join('\n')}`;
    case 'json':
      return JSON.stringify({ scenario, machine, title, figures, notes });
  }
}

function table(figures: readonly Figure[]): string[] {
  const row = (...cells: string[]) => `| ${cells.map((cell) => cell.trim().replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    row('figure', 'value', 'target', 'reached'),
    '|---|---|---|---|',
    ...figures.map(({ name, value, target }) =>
      row(name, value, target?.text ?? '', target === undefined ? '' : target.isReached ? 'yes' : 'no'),
    ),
  ];
}
