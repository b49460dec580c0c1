import type { DurableStore, StoredHead } from '../../sessions/ports.ts';
import type { Redis } from './client.ts';
import { isUnavailable } from './client-errors.ts';
import { PARTITIONS, partitionOf, type Keys } from './keys.ts';
import { arrayOf, numberOf, textOf } from './reply.ts';
import { loadScript } from './script.ts';
import type { SessionRebuild } from './session-rebuild.ts';
import { asideOf } from './unarchived.ts';

const READ_HEADS = loadScript('read_heads');
const READ_OPEN = loadScript('read_open');

const HEADS_AT_ONCE = 100;
const OPEN_AT_ONCE = 500;
const PARTITIONS_AT_ONCE = 8;
const REBUILDS_AT_ONCE = 8;

export interface RestoringOptions {
  redis: Pick<Redis, 'run'>;
  keys: Keys;
  rebuilds: Pick<SessionRebuild, 'rebuild'>;
  durable: Pick<DurableStore, 'closedAmong'>;
  clock: () => string;
  /** `epoch`: what is over. */
  onRestored: (sessionId: string, epoch: number) => void;
  /** One session that cannot be put back must not keep all others waiting. */
  onFault: (error: unknown) => void;
}

interface Lost {
  readonly id: string;
  /** Of the archive; something of it is lost. */
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
  async compare(archived: AsyncIterable<readonly StoredHead[]>): Promise<() => Promise<void>> {
    const missing: Lost[] = [];
    const open = new Set<string>();
    for await (const page of archived) {
      for (const { id } of page) open.add(id);
      const reads = chunksOf(page).map(async (heads) => this.#lost(heads));
      const lost = (await Promise.all(reads)).flat();
      missing.push(...lost.filter(({ isMissing }) => isMissing));
      await this.#rebuildAll(lost.filter(({ isMissing }) => !isMissing));
    }
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
    for (let first = 0; first < PARTITIONS; first += PARTITIONS_AT_ONCE) {
      const some = partitions.slice(first, first + PARTITIONS_AT_ONCE);
      const ended = await Promise.all(some.map((partition) => this.#ended(partition, open)));
      await this.#rebuildAll(ended.flat());
    }
    return () => this.#rebuildAll(missing);
  }

  /** Those of which Redis has less than the archive, or an older view. */
  async #lost(archived: readonly StoredHead[]): Promise<Lost[]> {
    const { redis, keys } = this.#options;
    const names = archived.map(({ id }) => keys.session(id).flat);
    const heads = arrayOf(await redis.run(READ_HEADS, names, [])).map(arrayOf);
    return archived.flatMap(({ id, epoch, lastSeq, version }, index): Lost[] => {
      const [heldEpoch = null, ...rest] = heads[index] ?? [];
      if (heldEpoch === null) return [{ id, epoch, isMissing: true }];
      const [heldSeq = 0, , heldVersion = 0] = rest.map(numberOf);
      const held = numberOf(heldEpoch);
      const isBehind = held < epoch || (held === epoch && (heldSeq < lastSeq || heldVersion < version));
      // Of an older epoch than the archive's, all that was done since is lost: it is this one that is over now.
      return isBehind ? [{ id, epoch, isMissing: false }] : [];
    });
  }

  /** Those that Redis takes for open and the archive does not, of one partition: they ended in what is lost. */
  async #ended(partition: number, open: ReadonlySet<string>): Promise<Lost[]> {
    const { redis, keys, durable, clock } = this.#options;
    const { due, unarchived } = keys.partition(partition);
    const ended: Lost[] = [];
    for (let from = 0; ; from += OPEN_AT_ONCE) {
      const values = [clock(), String(from), String(OPEN_AT_ONCE)];
      const ids = arrayOf(await redis.run(READ_OPEN, [due, unarchived, asideOf({ unarchived })], values)).map(textOf);
      const strange = ids.filter((id) => !open.has(id));
      // What the archive has not heard of yet is none of these.
      const closed = strange.length === 0 ? [] : await durable.closedAmong(strange);
      ended.push(...closed.map(({ id, epoch }) => ({ id, epoch, isMissing: false })));
      if (ids.length < OPEN_AT_ONCE) return ended;
    }
  }

  async #rebuildAll(lost: readonly Lost[]): Promise<void> {
    const { rebuilds, onRestored, onFault } = this.#options;
    const waiting = [...lost];
    const work = async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        try {
          if ((await rebuilds.rebuild(next.id, next.epoch)) === 'open') onRestored(next.id, next.epoch);
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
function chunksOf(heads: readonly StoredHead[]): StoredHead[][] {
  const byPartition = new Map<number, StoredHead[]>();
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
