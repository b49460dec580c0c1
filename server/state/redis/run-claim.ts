import type { Redis } from './client.ts';
import type { Keys } from './keys.ts';

const COMPARING_MS = 60_000;
const LIFE_MS = 90 * 86_400_000;

/** Which processes of Redis have been compared with the archive. One of all instances compares; the mark is in Redis. */
export class RunClaim {
  readonly #redis: Pick<Redis, 'send' | 'primaries'>;
  readonly #keys: Keys;

  constructor(redis: Pick<Redis, 'send' | 'primaries'>, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** `mine`: this instance is to compare. `others`: another one is at it. `done`: all that runs now was compared. */
  async take(): Promise<{ readonly turn: 'mine' | 'others' | 'done'; readonly names: readonly string[] }> {
    const names = this.#names();
    let turn: 'mine' | 'others' | 'done' = 'done';
    for (const name of names) {
      const taken = await this.#redis.send(['SET', name, 'comparing', 'NX', 'PX', String(COMPARING_MS)], name);
      if (taken === 'OK') turn = 'mine';
      else if (turn === 'done' && (await this.#redis.send(['GET', name], name)) !== 'done') turn = 'others';
    }
    return { turn, names };
  }

  /** These were compared. */
  async settle(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#redis.send(['SET', name, 'done', 'PX', String(LIFE_MS)], name);
  }

  /** The comparison failed: whoever is next begins anew. */
  async release(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#redis.send(['DEL', name], name);
  }

  #names(): string[] {
    return this.#redis.primaries().map(({ runId, replicationId }) => this.#keys.run(`${runId}:${replicationId}`));
  }
}
