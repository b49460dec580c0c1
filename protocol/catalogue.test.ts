import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { CLOSINGS } from './closings.ts';
import { COMMAND_NAMES } from './commands.ts';
import { ERRORS } from './errors.ts';
import { EVENT_NAMES } from './events.ts';
import { CODE_ALPHABET, LIMITS } from './limits.ts';

const page = readFileSync(new URL('../docs/protocol.md', import.meta.url), 'utf8');

/** Rows of the one table under a heading, each as a map from column to cell without backticks. */
function tableUnder(heading: string): Map<string, string>[] {
  const lines = page.split('\n');
  const start = lines.indexOf(heading);
  if (start === -1) throw new Error(`docs/protocol.md has no heading "${heading}"`);
  const end = lines.findIndex((line, index) => index > start && line.startsWith('#'));
  const table = lines.slice(start + 1, end === -1 ? undefined : end).filter((line) => line.startsWith('|'));
  const [head, rule, ...rows] = table.map(cells);
  if (head === undefined || rule === undefined || rows.length === 0) {
    throw new Error(`docs/protocol.md has no table under "${heading}"`);
  }
  return rows.map((row) => new Map(head.map((column, index) => [column, row[index] ?? ''])));
}

function cells(line: string): string[] {
  return line
    .slice(1, line.lastIndexOf('|'))
    .split('|')
    .map((cell) => cell.trim().replaceAll('`', ''));
}

function column(rows: Map<string, string>[], name: string): string[] {
  return rows.map((row) => row.get(name) ?? `no column ${name}`);
}

describe('docs/protocol.md says what the code does', () => {
  it('lists every command once, and no other', () => {
    expect(column(tableUnder('### Command table'), 'command').sort()).toEqual([...COMMAND_NAMES].sort());
  });

  it('lists every event once, and no other', () => {
    expect(column(tableUnder('### Event table'), 'event').sort()).toEqual([...EVENT_NAMES].sort());
  });

  it('lists every closing reason, and whether the client comes back', () => {
    const documented = tableUnder('### Closing reasons').map((row) => [row.get('reason'), row.get('reconnect')]);
    const coded = Object.entries(CLOSINGS).map(([reason, { reconnect }]) => [reason, yesOrNo(reconnect)]);
    expect(documented).toEqual(coded);
  });

  it('lists every error with its HTTP status, and whether to try again', () => {
    const documented = tableUnder('### Error table').map((row) => [
      row.get('code'),
      row.get('HTTP'),
      row.get('retryable'),
    ]);
    const coded = Object.entries(ERRORS).map(([code, entry]) => [code, String(entry.status), yesOrNo(entry.retryable)]);
    expect(documented).toEqual(coded);
  });

  it('lists every limit with its defaults', () => {
    const documented = tableUnder('### Limit table').map((row) => [
      row.get('name'),
      row.get('scope'),
      row.get('points'),
      row.get('window (s)'),
      row.get('block (s)'),
    ]);
    const coded = Object.entries(LIMITS).map(([name, limit]) => [
      name,
      limit.scope,
      String(limit.points),
      String(limit.durationSeconds),
      String(limit.blockSeconds),
    ]);
    expect(documented).toEqual(coded);
  });

  it('names the alphabet of codes', () => {
    expect(page).toContain(`\`${CODE_ALPHABET}\``);
  });
});

function yesOrNo(value: boolean): string {
  return value ? 'yes' : 'no';
}
