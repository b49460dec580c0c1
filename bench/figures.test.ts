import { describe, expect, it } from '@jest/globals';
import { formatFigures, median, rounded } from './figures.ts';

describe('figures', () => {
  it('say reached or missed where there is a target, and nothing where there is none', () => {
    const text = formatFigures([
      { name: 'rate', value: '299 /s', target: { text: '300 /s or more', isReached: false } },
      { name: 'p99', value: '3 ms', target: { text: 'below 25 ms', isReached: true } },
      { name: 'memory', value: '70 MiB' },
    ]);
    expect(text.split('\n')).toEqual([
      '  rate    299 /s  target 300 /s or more: missed',
      '  p99     3 ms    target below 25 ms: reached',
      '  memory  70 MiB',
    ]);
  });

  it('keep three digits, and never less than the whole number', () => {
    expect([0.1234, 12.34, 299.6, 12_345].map(rounded)).toEqual(['0.12', '12.3', '300', '12,345']);
    expect(median([3, 1, 2])).toBe(2);
  });
});
