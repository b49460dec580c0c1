import { describe, expect, it } from '@jest/globals';
import { CODE_ALPHABET } from '../../protocol/limits.ts';
import { codeLength, newCode, normalizeCode } from './pairing-code.ts';

describe('pairing codes', () => {
  it('use the whole alphabet and nothing else', () => {
    const seen = new Set(Array.from({ length: 2000 }, () => newCode(6)).join(''));
    expect([...seen].sort().join('')).toBe(CODE_ALPHABET);
  });

  it('get longer when live codes exceed one in 100,000 of the space', () => {
    expect(codeLength(6, 0)).toBe(6);
    expect(codeLength(6, 4_817)).toBe(6);
    expect(codeLength(6, 4_818)).toBe(7);
    expect(codeLength(6, 134_000)).toBe(7);
    expect(codeLength(6, 135_000)).toBe(8);
    expect(codeLength(12, 1e15)).toBe(12);
  });

  it.each([
    ['bcd-234', 'BCD234'],
    [' b c d 2 3 4 ', 'BCD234'],
    ['BCD\u00a0234', 'BCD234'],
    ['--BCD234--', 'BCD234'],
    [`${' '.repeat(40)}BCD${'-'.repeat(40)}234`, 'BCD234'],
    ['B'.repeat(64), 'B'.repeat(64)],
  ])('read %j as %s', (typed, code) => {
    expect(normalizeCode(typed)).toBe(code);
  });

  it.each([
    '',
    '   ',
    'ABC234',
    'BCD23O',
    'BCD_234',
    'BCD234!',
    '\u212aCD234',
    'BCD\u0660',
    'BCD23\u00df',
    'BCD23\u017f',
    'B'.repeat(65),
  ])('refuse %j', (typed) => {
    expect(normalizeCode(typed)).toBeNull();
  });
});
