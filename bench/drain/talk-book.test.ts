import { describe, expect, it } from '@jest/globals';
import { TalkBook } from './talk-book.ts';

describe('the book of a pair that talks through a drain', () => {
  it('finds nothing in what came twice under its number, and in any order', () => {
    const book = new TalkBook();
    for (const id of ['a', 'b']) book.sent(id);
    book.received('b', 2);
    book.received('a', 1);
    book.received('b', 2);
    for (const id of ['a', 'b']) book.acknowledged(id);
    expect(book.counts()).toEqual({ acknowledged: 2, lost: 0, doubled: 0, holes: 0 });
    expect(book.isSettled).toBe(true);
  });

  it('misses what was acknowledged and did not come, and the number that it has', () => {
    const book = new TalkBook();
    for (const id of ['a', 'b', 'c']) book.sent(id);
    for (const id of ['a', 'b']) book.acknowledged(id);
    book.received('a', 1);
    book.received('c', 3);
    expect(book.counts()).toEqual({ acknowledged: 2, lost: 1, doubled: 0, holes: 1 });
    expect(book.contiguousSeq).toBe(1);
    expect(book.unanswered()).toEqual(['c']);
  });

  it('counts a message that got a second number', () => {
    const book = new TalkBook();
    book.received('a', 1);
    book.received('a', 2);
    expect(book.counts().doubled).toBe(1);
  });
});
