import { expect, it } from '@jest/globals';
import { formatReport } from './report.ts';

const report = {
  title: 'history: small',
  figures: [
    { name: 'page', value: 'p99 3 ms', target: { text: 'below 10 ms', isReached: true } },
    { name: '  a | b', value: '70' },
  ],
  notes: ['a plan'],
};

it('a report is columns, a table of Markdown or a line of JSON, each with its notes', () => {
  const [text, markdown, json] = (['text', 'markdown', 'json'] as const).map((format) =>
    formatReport(format, 'history', '2 cores', report).split('\n'),
  );
  expect(text).toEqual([
    '',
    'history: small',
    '  page     p99 3 ms  target below 10 ms: reached',
    '    a | b  70',
    'a plan',
  ]);
  expect(markdown).toEqual([
    ...['', '## history: small', '', '| figure | value | target | reached |', '|---|---|---|---|'],
    ...['| page | p99 3 ms | below 10 ms | yes |', '| a \\| b | 70 |  |  |', '', '```', 'a plan', '```'],
  ]);
  expect(json).toHaveLength(1);
  expect(JSON.parse(json?.[0] ?? '')).toEqual({ scenario: 'history', machine: '2 cores', ...report });
});

it('what is compared stands in columns side by side, before the figures', () => {
  const comparison = { columns: ['Tandem', 'a relay'], rows: [{ name: 'CPU', cells: ['70 us', '100 us'] }] };
  const [text, markdown, json] = (['text', 'markdown', 'json'] as const).map((format) =>
    formatReport(format, 'peers', '2 cores', { ...report, comparison }),
  );
  expect(text).toContain('history: small\n       Tandem  a relay\n  CPU  70 us   100 us\n  page');
  expect(markdown).toContain('|  | Tandem | a relay |\n|---|---|---|\n| CPU | 70 us | 100 us |\n\n| figure');
  expect(JSON.parse(json ?? '')).toMatchObject({ comparison });
});
