import { describe, expect, it } from '@jest/globals';
import { formatCode, parseCode } from './code.ts';

describe('a typed code', () => {
  it.each(['bcd234', ' BCD-234 ', 'b c d 2 3 4', 'BCD\u2013234', 'BCD\u00a0234', 'bcd\u2011234\ufeff'])(
    'is the same code however it is typed: %j',
    (typed) => {
      expect(parseCode(typed)).toEqual({ kind: 'code', code: 'BCD234' });
    },
  );

  it('may be longer than six characters', () => {
    expect(parseCode('bcdf-2345')).toEqual({ kind: 'code', code: 'BCDF2345' });
  });

  it('names the character that no code contains', () => {
    expect(parseCode('BCD-2O4')).toEqual({ kind: 'foreign', character: 'O' });
    expect(parseCode('BCD\u{1f600}34')).toEqual({ kind: 'foreign', character: '\u{1f600}' });
  });

  it('is not sent when it is empty or too short', () => {
    expect(parseCode(' - ')).toEqual({ kind: 'empty' });
    expect(parseCode('BCD-23')).toEqual({ kind: 'too_short' });
  });
});

describe('a code shown to people', () => {
  it.each([
    ['BCD234', 'BCD-234'],
    ['BCD2345', 'BCD2-345'],
    ['BCDF2345', 'BCDF-2345'],
    ['BCD234FGH', 'BCD-234-FGH'],
    ['BCDF234FGH', 'BCDF-234-FGH'],
    ['BCDF2345FGH', 'BCDF-2345-FGH'],
    ['BCDF2345FGHJ', 'BCD-F23-45F-GHJ'],
  ])('%s is shown as %s', (code, shown) => {
    expect(formatCode(code)).toBe(shown);
    expect(parseCode(shown)).toEqual({ kind: 'code', code });
  });

  it('loses no character, however long it is', () => {
    for (let length = 0; length <= 64; length++) {
      const code = 'BCDFGHJK'.repeat(8).slice(0, length);
      expect(formatCode(code).replaceAll('-', '')).toBe(code);
    }
  });
});
