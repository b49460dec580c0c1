import { describe, expect, it } from '@jest/globals';
import { agoText, bytesText, countText, dateTimeText, millisecondsText, numberText, rateText } from './format.ts';

describe('figures', () => {
  it.each([
    [null, '\u2013'],
    [0, '0'],
    [0.046, '0.05'],
    [7.345, '7.3'],
    [123.7, '124'],
    [12_345.6, '12,346'],
  ])('%s reads %s', (value, text) => {
    expect(numberText(value)).toBe(text);
  });

  it('carry their unit', () => {
    expect([rateText(2.5), rateText(null)]).toEqual(['2.5/s', '\u2013']);
    expect(millisecondsText(1.26)).toBe('1.3\u00a0ms');
    expect(millisecondsText(3_725_000)).toBe('1\u00a0h 2\u00a0min');
    expect(millisecondsText(null)).toBe('\u2013');
    expect([512, 2_048, 157_286_400, 2 ** 52].map(bytesText)).toEqual([
      '512\u00a0B',
      '2\u00a0KiB',
      '150\u00a0MiB',
      '4,096\u00a0TiB',
    ]);
    expect([countText(1, 'session'), countText(1_234, 'session')]).toEqual(['1 session', '1,234 sessions']);
  });
});

describe('how long something goes on', () => {
  it.each([
    [-5, '0\u00a0s'],
    [59_999, '59\u00a0s'],
    [60_000, '1\u00a0min'],
    [90_000, '1\u00a0min 30\u00a0s'],
    [273_600_000, '3\u00a0d 4\u00a0h'],
    [259_260_000, '3\u00a0d'],
  ])('%s ms reads %s', (ms, text) => {
    expect(agoText(ms)).toBe(text);
  });
});

it('a time that is none is no text of a browser', () => {
  expect(dateTimeText('2026-01-31T14:05:03.000Z')).toMatch(/^2026-\d\d-\d\d\u00a0\d\d:\d\d:03$/);
  expect(dateTimeText('yesterday')).toBe('\u2013');
});
