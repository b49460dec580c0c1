import type { Redis } from './client.ts';
import { arrayOf, numberOf } from './reply.ts';
import { loadScript } from './script.ts';

const FIND = loadScript('find_waiting');

/**
 * Those of the partitions whose index has something that is due: one question for all of them, because nearly always
 * there is nothing. In a cluster they lie on several nodes, and each is asked by whoever takes from it.
 */
export async function waitingPartitions(
  redis: Pick<Redis, 'kind' | 'run'>,
  partitions: readonly number[],
  indexOf: (partition: number) => string,
  now: string,
): Promise<readonly number[]> {
  if (redis.kind === 'cluster' || partitions.length < 2) return partitions;
  const numbers = arrayOf(await redis.run(FIND, partitions.map(indexOf), [now])).map(numberOf);
  return numbers.flatMap((number) => partitions[number - 1] ?? []);
}
