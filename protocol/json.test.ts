import { describe, expect, it } from '@jest/globals';
import { inspectJson, isOverDeep } from './json.ts';

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < depth; level += 1) value = [value];
  return value;
}

describe('inspectJson', () => {
  it('accepts what JSON can say, up to the depth', () => {
    const value = { a: [1, 'two', null, true, { b: '\u{1f600}' }], '': 0 };
    expect(inspectJson(value, 32)).toBeNull();
    expect(inspectJson(nested(32), 32)).toBeNull();
    expect(inspectJson('text', 0)).toBeNull();
  });

  it('names what is too deep without walking it', () => {
    for (const depth of [33, 4200, 30_000]) {
      const issue = inspectJson(nested(depth), 32);
      expect(issue).not.toBeNull();
      expect(issue !== null && isOverDeep(issue)).toBe(true);
      expect(issue?.path.length).toBeLessThanOrEqual(103);
    }
  });

  it.each([
    ['NUL in a string', { a: [{ b: 'x\u0000' }] }, 'a.0.b'],
    ['a lone surrogate', { a: '\ud800' }, 'a'],
    ['a lone surrogate at the top', '\udc00', ''],
    ['NUL in a key', { a: { 'k\u0000': 1 } }, 'a'],
    ['binary data', { a: Buffer.from('x') }, 'a'],
    ['a number that JSON has not', [Number.NaN], '0'],
  ])('finds %s and says where', (_name, value, path) => {
    const issue = inspectJson(value, 32);
    expect(issue?.path).toBe(path);
    expect(issue !== null && isOverDeep(issue)).toBe(false);
  });
});
