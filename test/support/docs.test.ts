import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { VARIABLES, variableNames, type VariableName } from '../../server/config/variables.ts';

const root = path.join(import.meta.dirname, '../..');
const pages = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  ...['client', 'bench', 'examples', 'deploy/redis'].map((room) => `${room}/README.md`),
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => path.join('docs', file)),
];

function read(page: string): string {
  return readFileSync(path.join(root, page), 'utf8');
}

/** The tables of docs/operations.md that list variables: name and default, `–` where there is none. */
function documentedVariables(): [string, string][] {
  return [...read('docs/operations.md').matchAll(/^\| `([A-Z_]+)` \| (?:`(.*?)`|–) \|/gm)].map(([, name, value]) => [
    name ?? '',
    value ?? '',
  ]);
}

function belongsInTheTables(name: VariableName): boolean {
  return !/^(RATE_LIMIT_|DATABASE_|MAIL_FROM$)/.test(name);
}

/** What GitHub makes of a heading: lower case, without punctuation, with hyphens. */
function anchorsOf(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe('docs/operations.md', () => {
  it('lists every variable that this version knows, with its default', () => {
    const coded = variableNames()
      .filter(belongsInTheTables)
      .map((name) => [name, VARIABLES[name].default]);
    expect(documentedVariables().sort()).toEqual(coded.sort());
  });

  it('lists every log event that the code knows, and no other', () => {
    const [, type = ''] = /export type LogEvent =\n(.*?);\n/s.exec(read('server/observability/log-event.ts')) ?? [];
    const coded = [...type.matchAll(/\| '(\w+)'/g)].map(([, event]) => event);
    const [, section = ''] = /^## Logs$(.*?)^## /ms.exec(read('docs/operations.md').split('## Health')[1] ?? '') ?? [];
    const rows = [...section.matchAll(/^\| (`.*?`) \|/gm)].map(([, cell = '']) => cell);
    const documented = rows.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, event]) => event));
    expect(documented).toContain('server_started');
    expect(documented.sort()).toEqual(coded.sort());
  });
});

describe('links between the pages', () => {
  it.each(pages)('lead somewhere in %s', (page) => {
    const broken = [...read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)].filter(
      ([, file = '', anchor]) => {
        const target = file === '' ? page : path.join(path.dirname(page), file);
        if (!existsSync(path.join(root, target))) return true;
        return anchor !== undefined && !anchorsOf(target).includes(anchor);
      },
    );
    expect(broken.map(([link]) => link)).toEqual([]);
  });
});
