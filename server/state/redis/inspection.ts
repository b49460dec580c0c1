/** What Redis tells of itself. For people who look: nothing is decided by it. */
import type { Redis, RedisReply } from './client.ts';
import { RedisReplyError } from './client-errors.ts';

/** Over all primaries together; null where one of them does not tell. */
export interface RedisFigures {
  /** Look-ups that found a key since the servers started, and that found none. By every client of theirs. */
  readonly hits: number | null;
  readonly misses: number | null;
  /** Of the database in use, whoever's keys they are. */
  readonly totalKeys: number | null;
  readonly memoryUsedBytes: number | null;
}

/** Rejects with `UNAVAILABLE` when a primary cannot be asked; what is forbidden to ask is null. */
export async function inspectRedis(redis: Pick<Redis, 'sendToPrimaries'>): Promise<RedisFigures> {
  const [stats, memory, sizes] = await Promise.all([
    ask(redis, ['INFO', 'stats']),
    ask(redis, ['INFO', 'memory']),
    ask(redis, ['DBSIZE']),
  ]);
  return {
    hits: sum(stats, (reply) => infoField(reply, 'keyspace_hits')),
    misses: sum(stats, (reply) => infoField(reply, 'keyspace_misses')),
    totalKeys: sum(sizes, (reply) => (typeof reply === 'number' ? reply : null)),
    memoryUsedBytes: sum(memory, (reply) => infoField(reply, 'used_memory')),
  };
}

/** Null when a primary refuses the question: forbidden by its access list, or renamed. */
async function ask(
  redis: Pick<Redis, 'sendToPrimaries'>,
  args: readonly string[],
): Promise<readonly RedisReply[] | null> {
  try {
    return await redis.sendToPrimaries(args);
  } catch (error) {
    if (error instanceof RedisReplyError) return null;
    throw error;
  }
}

function sum(replies: readonly RedisReply[] | null, numberOf: (reply: RedisReply) => number | null): number | null {
  if (replies === null) return null;
  let total = 0;
  for (const reply of replies) {
    const number = numberOf(reply);
    if (number === null) return null;
    total += number;
  }
  return total;
}

function infoField(reply: RedisReply, name: string): number | null {
  if (typeof reply !== 'string') return null;
  const value = new RegExp(`^${name}:(\\d+)\\r?$`, 'm').exec(reply)?.[1];
  return value === undefined ? null : Number(value);
}
