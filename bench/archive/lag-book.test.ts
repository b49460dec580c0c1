import { expect, it } from '@jest/globals';
import { LagBook } from './lag-book.ts';

it('a message lags until the archive of its own session was seen to cover it', () => {
  const book = new LagBook();
  book.appended(0, 1, 1000, 1001);
  book.appended(0, 2, 1010, 1011);
  book.appended(1, 1, 1000, 1001);
  book.archived(0, 1, 1100);
  expect(book.open).toBe(2);
  book.archived(0, 2, 1200);
  book.archived(0, 2, 1300);
  expect(book.open).toBe(1);
  expect(book.summary()).toMatchObject({ count: 2, p50: 100, max: 190 });
});

it('one that was archived before its append was answered lags no longer than that took', () => {
  const book = new LagBook();
  book.archived(0, 5, 1005);
  book.appended(0, 5, 1000, 1007);
  expect(book.open).toBe(0);
  expect(book.summary()).toMatchObject({ count: 1, max: 7 });
});
