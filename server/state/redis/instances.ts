import type { Deployment } from '../../sessions/ports.ts';
import type { Redis } from './client.ts';
import { PARTITIONS, type Keys } from './keys.ts';
import { arrayOf, fieldsOf, numberOf, textOf } from './reply.ts';
import { loadScript } from './script.ts';

const BEAT = loadScript('beat');
const READ_HELD = loadScript('read_held');
const LEAVE = loadScript('leave_instance');
const FORGET = loadScript('forget_instance');

/** Instances of the deployment, by their heartbeats in Redis, and what they hold. */
export class Instances implements Deployment {
  readonly #redis: Pick<Redis, 'run'>;
  readonly #keys: Keys;

  constructor(redis: Pick<Redis, 'run'>, keys: Keys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async beat(instanceId: string): Promise<ReadonlyMap<string, number>> {
    const beats = fieldsOf(await this.#redis.run(BEAT, [this.#keys.instances], [instanceId]));
    return new Map([...beats].map(([id, count]) => [id, Number(count)]));
  }

  async heldBy(instanceId: string, partitions: readonly number[]): Promise<string[]> {
    const lists = await Promise.all(
      partitions.map((partition) => {
        const { held, flat } = this.#keys.partition(partition);
        return this.#redis.run(READ_HELD, [`${held}${instanceId}`, flat], [instanceId]);
      }),
    );
    return lists.flatMap((list) => arrayOf(list).map(textOf));
  }

  async leave(instanceId: string): Promise<void> {
    await this.#redis.run(LEAVE, [this.#keys.instances], [instanceId]);
  }

  /** Takes the instance out of the list, unless a session still counts on it. */
  async forget(instanceId: string): Promise<boolean> {
    const all = Array.from({ length: PARTITIONS }, (_, partition) => partition);
    if ((await this.heldBy(instanceId, all)).length > 0) return false;
    return numberOf(await this.#redis.run(FORGET, [this.#keys.instances], [instanceId])) === 1;
  }
}
