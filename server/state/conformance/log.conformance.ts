import { expect } from '@jest/globals';
import type { Suite } from './suite.conformance.ts';
import { close } from './room.conformance.ts';
import { range, readLog, roomWithMessages, seqsOf } from './message.conformance.ts';

export function reading({ test }: Suite): void {
  test('is read after a seq, lowest first, exclusive', async (h) => {
    const { room } = await roomWithMessages(h, 10);
    const seqs = async (afterSeq: number, limit: number) => seqsOf(await readLog(h, room.id, { afterSeq, limit }));
    expect(await seqs(0, 4)).toEqual([1, 2, 3, 4]);
    expect(await seqs(4, 4)).toEqual([5, 6, 7, 8]);
    expect(await seqs(8, 200)).toEqual([9, 10]);
    expect(await seqs(10, 4)).toEqual([]);
    expect(await seqs(99, 4)).toEqual([]);
    const page = await readLog(h, room.id, { afterSeq: 4, limit: 1 });
    expect(page).toMatchObject({ epoch: 1, lastSeq: 10, firstSeq: 1 });
  });

  test('is read before a seq: the highest below it, ascending, exclusive', async (h) => {
    const { room } = await roomWithMessages(h, 10);
    const seqs = async (beforeSeq: number, limit: number) => seqsOf(await readLog(h, room.id, { beforeSeq, limit }));
    expect(await seqs(11, 4)).toEqual([7, 8, 9, 10]);
    expect(await seqs(1_000_000, 3)).toEqual([8, 9, 10]);
    expect(await seqs(7, 4)).toEqual([3, 4, 5, 6]);
    expect(await seqs(3, 200)).toEqual([1, 2]);
    expect(await seqs(1, 4)).toEqual([]);
  });

  test(
    'keeps the newest, and says from which seq on',
    async (h) => {
      const { room } = await roomWithMessages(h, 100);
      await h.archive(room.id);
      const page = await readLog(h, room.id, { afterSeq: 0, limit: 200 });
      expect(page.lastSeq).toBe(100);
      expect(page.firstSeq).toBeLessThanOrEqual(100 - 20 + 1);
      expect(page.firstSeq).toBeGreaterThan(100 - 2 * 20);
      expect(seqsOf(page)).toEqual(range(page.firstSeq, 100));
      const before = await readLog(h, room.id, { beforeSeq: page.firstSeq + 2, limit: 10 });
      expect(seqsOf(before)).toEqual([page.firstSeq, page.firstSeq + 1]);
      expect(seqsOf(await readLog(h, room.id, { beforeSeq: page.firstSeq, limit: 10 }))).toEqual([]);
    },
    { hotMessages: 20 },
  );

  test('can still be read after the close', async (h) => {
    const { room } = await roomWithMessages(h, 3);
    await close(h, room);
    const page = await readLog(h, room.id, { afterSeq: 0, limit: 10 });
    expect(page.lastSeq).toBe(3);
    expect(seqsOf(page)).toEqual(range(page.firstSeq, 3));
  });
}
