import { eventually } from '../../support/eventually.ts';
import type { Arena } from '../arena.ts';
import type { Pair } from '../clients.ts';

export interface Head {
  readonly pair: Pair;
  readonly epoch: number;
  readonly lastSeq: number;
}

/** What the server tells of every session now. */
export function headsOf(arena: Arena): Promise<Head[]> {
  return Promise.all(
    arena.clients.pairs.map(async (pair) => {
      const { epoch, lastSeq } = await eventually(() => pair.teller.head());
      return { pair, epoch, lastSeq };
    }),
  );
}

/** A session that was lost before the archive knew of it is gone for good: that is another story. */
export async function allKnownToArchive(arena: Arena): Promise<void> {
  await eventually(async () => {
    for (const { teller } of arena.clients.pairs) {
      const { durableSeq } = await teller.head();
      if (durableSeq === 0) throw new Error('a session is not archived');
    }
  });
}
