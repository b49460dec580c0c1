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
  async take(): Promise<'mine' | 'others' | 'done'> {
    let answer: 'mine' | 'others' | 'done' = 'done';
    for (const key of this.#names()) {
      const taken = await this.#redis.send(['SET', key, 'comparing', 'NX', 'PX', String(COMPARING_MS)], key);
      if (taken === 'OK') answer = 'mine';
      else if ((await this.#redis.send(['GET', key], key)) !== 'done' && answer === 'done') answer = 'others';
    }
    return answer;
  }

  async settle(): Promise<void> {
    for (const key of this.#names()) await this.#redis.send(['SET', key, 'done', 'PX', String(LIFE_MS)], key);
  }

  #names(): string[] {
    return this.#redis.primaries().map(({ runId, replicationId }) => this.#keys.run(`${runId}:${replicationId}`));
  }
}
