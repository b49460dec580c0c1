import type { DurableStore, StoredHead } from '../../sessions/ports.ts';

/** One statement each, well within its deadline however many sessions there are. */
const PAGE = 500;

/** All sessions that are open by the archive, in pages. */
export async function* archivedHeads(durable: Pick<DurableStore, 'openHeads'>): AsyncGenerator<readonly StoredHead[]> {
  for (let above: string | null = null; ;) {
    const page: readonly StoredHead[] = await durable.openHeads(above, PAGE);
    yield page;
    above = page.at(-1)?.id ?? null;
    if (page.length < PAGE || above === null) return;
  }
}
