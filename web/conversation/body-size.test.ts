import { describe, expect, it } from '@jest/globals';
import { SIZES } from '../../protocol/limits.ts';
import { bytesLeft, isNearlyFull } from './body-size.ts';

describe('the room in a message', () => {
  it('is counted as UTF-8 JSON, quotes and escapes included', () => {
    expect(bytesLeft('', false)).toBe(SIZES.messageBody - 2);
    expect(bytesLeft('ä€😀"\n', false)).toBe(SIZES.messageBody - 2 - 2 - 3 - 4 - 2 - 2);
    expect(bytesLeft('x'.repeat(SIZES.messageBody - 2), false)).toBe(0);
    expect(bytesLeft('x'.repeat(SIZES.messageBody - 1), false)).toBe(-1);
  });

  it('is smaller where encryption needs some of it', () => {
    expect(bytesLeft('', true)).toBeLessThan(bytesLeft('', false) * 0.75);
  });

  it('is told only when it runs out', () => {
    expect(isNearlyFull(bytesLeft('hello', false))).toBe(false);
    expect(isNearlyFull(bytesLeft('x'.repeat(15_000), false))).toBe(true);
  });
});
