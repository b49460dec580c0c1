import type { StateCounts } from '../../sessions/ports.ts';
import type { Redis } from './client.ts';
import { PARTITIONS, partitionOf, type Keys } from './keys.ts';
import { fieldsOf } from './reply.ts';
import { loadScript } from './script.ts';
import { countsOf, type PartitionCounts } from './session-store.ts';

const READ = loadScript('read_counts');
const EMPTY: PartitionCounts = { waiting: 0, paired: 0, online: 0, away: 0, backlog: 0 };
const ALL: readonly number[] = Array.from({ length: PARTITIONS }, (_, partition) => partition);

/** How many sessions and participants there are: of the partitions that this instance answers for, so that sums are true. */
export class PartitionTallies {
  readonly #redis: Pick<Redis, 'run'>;
  readonly #keys: Keys;
  readonly #counts = new Map<number, PartitionCounts>();
  #owned: readonly number[] = ALL;
  #backlog = 0;

  constructor(redis: Pick<Redis, 'run'>, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** The partitions that this instance answers for: all of them while it is alone. */
  get owned(): readonly number[] {
    return this.#owned;
  }

  async refresh(owned: readonly number[] = this.#owned): Promise<void> {
    this.#owned = owned;
    await Promise.all(
      owned.map(async (partition) => {
        const reply = await this.#redis.run(READ, [this.#keys.partition(partition).counts], []);
        this.#counts.set(partition, countsOf(fieldsOf(reply)));
      }),
    );
    this.#backlog = owned.length === 0 ? 0 : Math.round((this.counts().backlog * PARTITIONS) / owned.length);
  }

  /** What a change of that session made of its partition. */
  set(sessionId: string, counts: PartitionCounts): void {
    this.#counts.set(partitionOf(sessionId), counts);
  }

  /**
   * Messages that wait for the archive, in the whole deployment as far as it can be told here: what the partitions of
   * this instance have, times its share of them. Kept, because every append asks.
   */
  get backlog(): number {
    return this.#backlog;
  }

  counts(): StateCounts {
    const total = { waiting: 0, paired: 0, online: 0, away: 0, backlog: 0 };
    for (const partition of this.#owned) {
      const counts = this.#counts.get(partition) ?? EMPTY;
      for (const name of ['waiting', 'paired', 'online', 'away', 'backlog'] as const) total[name] += counts[name];
    }
    const { waiting, paired, online, away, backlog } = total;
    return { sessions: { waiting, paired }, participants: { online, away }, backlog, oldestWriteAgeMs: 0 };
  }
}
