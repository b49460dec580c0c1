import type { DurableStore } from '../../sessions/ports.ts';

/** How far the archive has an open session. */
export interface ArchivedHead {
  readonly id: string;
  readonly epoch: number;
  readonly lastSeq: number;
}

/** One statement each, well within its deadline however many sessions there are. */
const PAGE = 500;

/** All sessions that are open by the archive, in pages. */
export async function* archivedHeads(
  durable: Pick<DurableStore, 'listSessions'>,
  now: () => number,
): AsyncGenerator<readonly ArchivedHead[]> {
  for (const status of ['waiting', 'paired'] as const) {
    let cursor: string | null = null;
    do {
      const page = await durable.listSessions(status, { cursor, limit: PAGE }, now());
      yield page.items.map(({ document: { id, epoch }, lastSeq }) => ({ id, epoch, lastSeq }));
      cursor = page.nextCursor;
    } while (cursor !== null);
  }
}
