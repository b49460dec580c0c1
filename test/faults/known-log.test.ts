import { describe, expect, it } from '@jest/globals';
import { KnownLog } from './known-log.ts';

describe('KnownLog', () => {
  it('is complete up to the first hole, in whatever order messages come', () => {
    const known = new KnownLog(2);
    known.note(5, 'e');
    known.note(3, 'c');
    expect([known.completeSeq, known.hasHole]).toEqual([3, true]);
    known.note(4, 'd');
    expect([known.completeSeq, known.hasHole, known.idAt(4)]).toEqual([5, false, 'd']);
  });

  it('knows of a tail that never came from the head, and closes announced gaps', () => {
    const known = new KnownLog(0);
    known.noteHead(3);
    expect([known.completeSeq, known.hasHole]).toEqual([0, true]);
    known.noteGap(1, 3);
    expect([known.completeSeq, known.hasHole]).toEqual([3, false]);
  });

  it('forgets what a reset made void', () => {
    const known = new KnownLog(0);
    for (const seq of [1, 2, 3]) known.note(seq, `id-${seq}`);
    known.forgetAfter(1);
    expect([known.completeSeq, known.hasHole, known.idAt(2)]).toEqual([1, false, undefined]);
    known.note(2, 'other');
    expect([known.completeSeq, known.idAt(2)]).toEqual([2, 'other']);
  });
});
