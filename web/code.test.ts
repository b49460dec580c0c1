import { describe, expect, it } from '@jest/globals';
import { codeInFragment, formatCode, pairingLink, parseCode } from './code.ts';

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
});

describe('a pairing link', () => {
  it('carries the code in its fragment, and is read back from there', () => {
    const link = new URL(pairingLink('http://192.168.0.7:3001', 'BCD234'));
    expect(link.href).toBe('http://192.168.0.7:3001/#BCD-234');
    expect(codeInFragment(link.hash)).toBe('BCD-234');
  });

  it('without a fragment has no code', () => {
    expect(codeInFragment('')).toBeNull();
    expect(codeInFragment('#')).toBeNull();
  });

  it('with broken percent-encoding is taken as it stands', () => {
    expect(codeInFragment('#%E0%A4%A')).toBe('%E0%A4%A');
    expect(codeInFragment('#BCD%20234')).toBe('BCD 234');
  });
});
