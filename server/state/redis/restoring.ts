import type { ArchivedHead } from './archived-heads.ts';
import type { Redis } from './client.ts';
import { isUnavailable } from './client-errors.ts';
import { partitionOf, type Keys } from './keys.ts';
import { arrayOf, numberOf } from './reply.ts';
import { loadScript } from './script.ts';
import type { SessionRebuild } from './session-rebuild.ts';

const READ_HEADS = loadScript('read_heads');

const HEADS_AT_ONCE = 100;
const REBUILDS_AT_ONCE = 8;

export interface RestoringOptions {
  redis: Pick<Redis, 'run'>;
  keys: Keys;
  rebuilds: Pick<SessionRebuild, 'rebuild'>;
  onRestored: (sessionId: string) => void;
  /** One session that cannot be put back must not keep all others waiting. */
  onFault: (error: unknown) => void;
}

interface Lost {
  readonly id: string;
  /** Of which something is lost. */
  readonly epoch: number;
  /** Redis has nothing of it. */
  readonly isMissing: boolean;
}

/** Compares Redis with the archive, after another process of Redis or another primary was found behind its address. */
export class Restoring {
  readonly #options: RestoringOptions;

  constructor(options: RestoringOptions) {
    this.#options = options;
  }

  /**
   * Puts back what is behind. Gives what puts back the sessions that are missing altogether: whoever uses one of those
   * notices by itself, so nobody has to wait for them, and after a Redis that lost everything that would take long.
   */
  async compare(archived: AsyncIterable<readonly ArchivedHead[]>): Promise<() => Promise<void>> {
    const missing: Lost[] = [];
    for await (const page of archived) {
      const reads = chunksOf(page).map(async (heads) => this.#lost(heads));
      const lost = (await Promise.all(reads)).flat();
      missing.push(...lost.filter(({ isMissing }) => isMissing));
      await this.#rebuildAll(lost.filter(({ isMissing }) => !isMissing));
    }
    return () => this.#rebuildAll(missing);
  }

  /** Those of which Redis has less than the archive, with the epoch that it has lost a part of. */
  async #lost(archived: readonly ArchivedHead[]): Promise<Lost[]> {
    const { redis, keys } = this.#options;
    const names = archived.map(({ id }) => keys.session(id).flat);
    const heads = arrayOf(await redis.run(READ_HEADS, names, [])).map(arrayOf);
    return archived.flatMap(({ id, epoch, lastSeq }, index): Lost[] => {
      const [heldEpoch = null, heldSeq = 0] = heads[index] ?? [];
      if (heldEpoch === null) return [{ id, epoch, isMissing: true }];
      const held = numberOf(heldEpoch);
      const isBehind = held < epoch || (held === epoch && numberOf(heldSeq) < lastSeq);
      return isBehind ? [{ id, epoch: held, isMissing: false }] : [];
    });
  }

  async #rebuildAll(lost: readonly Lost[]): Promise<void> {
    const { rebuilds, onRestored, onFault } = this.#options;
    const waiting = [...lost];
    const work = async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        try {
          if ((await rebuilds.rebuild(next.id, next.epoch)) === 'open') onRestored(next.id);
        } catch (error) {
          if (isUnavailable(error)) throw error;
          onFault(error);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(REBUILDS_AT_ONCE, lost.length) }, work));
  }
}

/** Of one partition each, because a script may name keys of one slot alone. */
function chunksOf(heads: readonly ArchivedHead[]): ArchivedHead[][] {
  const byPartition = new Map<number, ArchivedHead[]>();
  for (const head of heads) {
    const partition = partitionOf(head.id);
    byPartition.set(partition, [...(byPartition.get(partition) ?? []), head]);
  }
  return [...byPartition.values()].flatMap((all) =>
    Array.from({ length: Math.ceil(all.length / HEADS_AT_ONCE) }, (_, index) =>
      all.slice(index * HEADS_AT_ONCE, (index + 1) * HEADS_AT_ONCE),
    ),
  );
}
