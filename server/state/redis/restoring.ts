import type { Redis } from './client.ts';
import { partitionOf, type Keys } from './keys.ts';
import { arrayOf, numberOf } from './reply.ts';
import { loadScript } from './script.ts';
import type { SessionRebuild } from './session-rebuild.ts';

const READ_HEADS = loadScript('read_heads');

const HEADS_AT_ONCE = 100;
const REBUILDS_AT_ONCE = 8;

/** How far the archive has an open session. */
export interface ArchivedHead {
  readonly id: string;
  readonly epoch: number;
  readonly lastSeq: number;
}

export interface RestoringOptions {
  redis: Pick<Redis, 'run'>;
  keys: Keys;
  rebuilds: Pick<SessionRebuild, 'rebuild'>;
  onRestored: (sessionId: string) => void;
}

/** Compares Redis with the archive, after another process of Redis or another primary was found behind its address. */
export class Restoring {
  readonly #options: RestoringOptions;

  constructor(options: RestoringOptions) {
    this.#options = options;
  }

  async compare(archived: readonly ArchivedHead[]): Promise<void> {
    const byPartition = new Map<number, ArchivedHead[]>();
    for (const head of archived) {
      const heads = byPartition.get(partitionOf(head.id));
      if (heads === undefined) byPartition.set(partitionOf(head.id), [head]);
      else heads.push(head);
    }
    for (const heads of byPartition.values()) {
      for (let from = 0; from < heads.length; from += HEADS_AT_ONCE) {
        await this.#rebuildAll(await this.#lost(heads.slice(from, from + HEADS_AT_ONCE)));
      }
    }
  }

  /** Those of which Redis has less than the archive, with the epoch that it has lost a part of. */
  async #lost(archived: readonly ArchivedHead[]): Promise<{ id: string; epoch: number }[]> {
    const { redis, keys } = this.#options;
    const names = archived.map(({ id }) => keys.session(id).flat);
    const heads = arrayOf(await redis.run(READ_HEADS, names, [])).map(arrayOf);
    return archived.flatMap(({ id, epoch, lastSeq }, index) => {
      const [heldEpoch = null, heldSeq = 0] = heads[index] ?? [];
      if (heldEpoch === null) return [{ id, epoch }];
      const held = numberOf(heldEpoch);
      const isBehind = held < epoch || (held === epoch && numberOf(heldSeq) < lastSeq);
      return isBehind ? [{ id, epoch: held }] : [];
    });
  }

  async #rebuildAll(lost: readonly { id: string; epoch: number }[]): Promise<void> {
    const { rebuilds, onRestored } = this.#options;
    const waiting = [...lost];
    const work = async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        if (await rebuilds.rebuild(next.id, next.epoch)) onRestored(next.id);
      }
    };
    await Promise.all(Array.from({ length: Math.min(REBUILDS_AT_ONCE, lost.length) }, work));
  }
}
