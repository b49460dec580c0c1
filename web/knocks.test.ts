import { beforeEach, describe, expect, it } from '@jest/globals';
import { Knocks } from './knocks.ts';

const BOB = { knockId: 'bob', name: 'Bob', ip: '192.0.2.x' };
const CAT = { knockId: 'cat', name: null, ip: '192.0.2.x' };

describe('who waits for a host', () => {
  let knocks: Knocks;
  beforeEach(() => {
    knocks = new Knocks();
    knocks.tell(BOB, 1_000);
    knocks.tell(CAT, 2_000);
  });

  function waiting(now: number, onlineSince = 0): string[] {
    knocks.forgetGone(now, onlineSince);
    return knocks.list.map(({ knockId }) => knockId);
  }

  it('is listed in the order of knocking, for as long as the server lets anybody wait', () => {
    expect(waiting(60_999)).toEqual(['bob', 'cat']);
    expect(waiting(61_000)).toEqual(['cat']);
    expect(waiting(62_000)).toEqual([]);
  });

  it('is listed once, and its time begins anew, when it is told again', () => {
    knocks.tell(BOB, 30_000);
    expect(waiting(89_999)).toEqual(['bob']);
  });

  it('has gone when it is not told again after a connection came back', () => {
    knocks.tell(CAT, 5_100);
    expect(waiting(6_999, 5_000)).toEqual(['bob', 'cat']);
    expect(waiting(7_000, 5_000)).toEqual(['cat']);
  });

  it('is answered once at a time, and again where the answer did not settle it', () => {
    expect([knocks.begin('bob'), knocks.begin('bob'), knocks.begin('nobody')]).toEqual([true, false, false]);
    expect(knocks.list.map(({ isAnswering }) => isAnswering)).toEqual([true, false]);
    knocks.end('bob', true);
    expect(knocks.list.map(({ isAnswering }) => isAnswering)).toEqual([false, false]);
    expect(knocks.begin('bob')).toBe(true);
    knocks.end('bob', false);
    expect(waiting(3_000)).toEqual(['cat']);
  });

  it('is bounded, whatever a server tells', () => {
    for (let count = 0; count < 1_000; count += 1) knocks.tell({ ...BOB, knockId: `knock ${count}` }, 3_000);
    expect(waiting(3_000)).toHaveLength(50);
    knocks.clear();
    expect(waiting(3_000)).toEqual([]);
  });
});
