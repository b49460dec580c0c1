import { eventually } from '../../support/eventually.ts';
import type { Arena } from '../arena.ts';

const ARCHIVED_MS = 30_000;

/** Resolves when nobody has anything to send, and everything is archived. Who talks is to be hushed before. */
export async function archived(arena: Arena): Promise<void> {
  await eventually(async () => {
    const open = arena.clients.recorders.filter(({ unsettled }) => unsettled.length > 0);
    if (open.length > 0) throw new Error(`${open.length} clients have sends without an outcome`);
    for (const { sessionId, teller } of arena.clients.pairs) {
      const { lastSeq, durableSeq } = await teller.head();
      if (durableSeq < lastSeq) throw new Error(`${sessionId} is archived to ${durableSeq} of ${lastSeq}`);
    }
  }, ARCHIVED_MS);
}
