import { describe, expect, it } from '@jest/globals';
import { readCursor, writeCursor } from './list-cursor.ts';

const NUMBER = /^(\d+)$/;

describe('the cursor of a list', () => {
  it('gives its place back, to its own list', () => {
    expect(readCursor('numbers', writeCursor('numbers', '42'), NUMBER)[1]).toBe('42');
    expect(writeCursor('numbers', '42')).toMatch(/^[\w-]+$/);
  });

  it('is refused by every other list', () => {
    const cursor = writeCursor('sessions of user-1', '42');
    for (const list of ['sessions of user-2', 'sessions', '']) {
      expect(() => readCursor(list, cursor, NUMBER)).toThrow(
        expect.objectContaining({ code: 'INVALID_PAYLOAD', issues: [expect.objectContaining({ path: 'cursor' })] }),
      );
    }
  });

  it.each([
    ['nothing', ''],
    ['text', 'next'],
    ['another place', writeCursor('numbers', '4 2')],
    ['no place', writeCursor('numbers', '')],
    ['padding', `${writeCursor('numbers', '42')}=`],
    ['a space', ` ${writeCursor('numbers', '42')}`],
    ['more than a cursor has', writeCursor('numbers', '4'.repeat(400))],
    ['NUL', '\u0000'],
  ])('is refused when it is %s', (_what, cursor) => {
    expect(() => readCursor('numbers', cursor, NUMBER)).toThrow(expect.objectContaining({ code: 'INVALID_PAYLOAD' }));
  });
});
