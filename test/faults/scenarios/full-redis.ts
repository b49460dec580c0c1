import type { RedisServer } from '../../support/redis-server.ts';

const BALLAST = 'ballast-of-the-test';
const BALLAST_BYTES = 2 * 2 ** 20;

/** More is in it than it may hold, by more than any buffer of a client that comes and goes. */
export async function fill(redis: RedisServer): Promise<void> {
  await redis.command('SET', BALLAST, 'x'.repeat(BALLAST_BYTES));
  const used = Number(/^used_memory:(\d+)/m.exec(String(await redis.command('INFO', 'memory')))?.[1]);
  await redis.command('CONFIG', 'SET', 'maxmemory', String(used - BALLAST_BYTES / 2));
}

export async function giveRoom(redis: RedisServer): Promise<void> {
  await redis.command('CONFIG', 'SET', 'maxmemory', '0');
  await redis.command('DEL', BALLAST);
}
