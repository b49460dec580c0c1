import { describe, expect, it } from '@jest/globals';
import { heapBytesOf } from './logged-message.ts';

describe('heapBytesOf', () => {
  it('charges text with its bytes', () => {
    expect(heapBytesOf('"hello"', 7)).toBe(7);
  });

  it('charges each value of an array or object with what it takes when it is parsed', () => {
    expect(heapBytesOf('[]', 2)).toBe(2 + 64);
    expect(heapBytesOf('[1,2]', 5)).toBe(5 + 2 * 64);
    expect(heapBytesOf('{"a":{"b":1}}', 13)).toBe(13 + 2 * 64);
  });
});
