import type { Redis, RedisPrimary } from './client.ts';
import type { Keys } from './keys.ts';

/** Renewed meanwhile: when whoever compares dies, another one begins so much later. */
const CLAIM_MS = 2500;
const LIFE_MS = 90 * 86_400_000;

/**
 * How far the comparison of a primary with the archive is: `comparing` while it may still lack what was acknowledged,
 * `compared` when all that is behind was put right and what is missing altogether is being put back, `done` after that.
 */
export type RunStage = 'comparing' | 'compared' | 'done';

/** Which memories of Redis have been compared with the archive. One of all instances compares; the mark is in Redis. */
export class RunClaim {
  readonly #redis: Pick<Redis, 'send'>;
  readonly #keys: Keys;

  constructor(redis: Pick<Redis, 'send'>, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** `mine`: this instance is to compare; otherwise how far it is. */
  async take(primary: RedisPrimary): Promise<'mine' | RunStage> {
    // It has no name under which another instance would know it.
    if (primary.runId === '') return 'mine';
    const name = this.#keys.run(primary.id);
    const taken = await this.#redis.send(['SET', name, 'comparing', 'NX', 'PX', String(CLAIM_MS)], name);
    if (taken === 'OK') return 'mine';
    const stage = await this.#redis.send(['GET', name], name);
    return stage === 'done' || stage === 'compared' ? stage : 'comparing';
  }

  /** Says how far it is; what is not done has to be said again within 2.5 s. */
  async mark(primary: RedisPrimary, stage: RunStage): Promise<void> {
    if (primary.runId === '') return;
    const name = this.#keys.run(primary.id);
    await this.#redis.send(['SET', name, stage, 'PX', String(stage === 'done' ? LIFE_MS : CLAIM_MS)], name);
  }

  /** The comparison failed: whoever is next begins anew. */
  async release(primary: RedisPrimary): Promise<void> {
    if (primary.runId === '') return;
    const name = this.#keys.run(primary.id);
    await this.#redis.send(['DEL', name], name);
  }
}
