/**
 * What an acknowledged write is worth here. Measured, not configured: an operator of Redis can change it at any time,
 * and what nobody can ask for counts as not given.
 */
import { DURABILITIES, type Durability } from '../../../protocol/session.ts';
import type { Redis, RedisReply } from './client.ts';
import { RedisReplyError } from './client-errors.ts';

export type RedisDurability = Exclude<Durability, 'archived'>;

type Primaries = Pick<Redis, 'sendToPrimaries'>;

/**
 * The level of the weakest primary. Rejects with `UNAVAILABLE` when one of them cannot be asked.
 *
 * `appendfsync no` leaves it to the operating system when the disk gets what was acknowledged, within 30 s or so, and
 * `no-appendfsync-on-rewrite` does so while the log is rewritten; both count as memory.
 */
export async function measureDurability(redis: Primaries): Promise<RedisDurability> {
  const [persistence, appendonly, onRewrite, fsync] = await Promise.all([
    infos(redis, 'persistence'),
    settings(redis, 'appendonly'),
    settings(redis, 'no-appendfsync-on-rewrite'),
    settings(redis, 'appendfsync'),
  ]);
  const isLogged = persistence.map((fields) => {
    return fields.get('aof_enabled') === '1' && fields.get('aof_last_write_status') === 'ok';
  });
  const isOn = [
    ...isLogged,
    ...appendonly.map((value) => value === 'yes'),
    ...onRewrite.map((value) => value === 'no'),
  ];
  if (isOn.includes(false)) return 'redis_memory';
  return weakest(fsync.map((value) => LEVELS.get(value ?? '') ?? 'redis_memory'));
}

export interface Eviction {
  /** The first policy that is not `noeviction`; null where Redis does not tell. */
  readonly policy: string | null;
  /** Whether every primary refuses writes when it is full, rather than dropping what was acknowledged. */
  readonly isSafe: boolean;
}

/** Whether a full Redis drops keys. Rejects with `UNAVAILABLE` when a primary cannot be asked. */
export async function measureEviction(redis: Primaries): Promise<Eviction> {
  const told = (await infos(redis, 'memory')).map((fields) => fields.get('maxmemory_policy') ?? null);
  const policies = told.includes(null) ? await settings(redis, 'maxmemory-policy') : told;
  const [unsafe] = policies.filter((policy) => policy !== SAFE_POLICY);
  return unsafe === undefined ? { policy: SAFE_POLICY, isSafe: true } : { policy: unsafe, isSafe: false };
}

const SAFE_POLICY = 'noeviction';

const LEVELS: ReadonlyMap<string, RedisDurability> = new Map([
  ['always', 'redis_always'],
  ['everysec', 'redis_everysec'],
]);

function weakest(levels: readonly RedisDurability[]): RedisDurability {
  const order = (level: RedisDurability) => DURABILITIES.indexOf(level);
  return levels.toSorted((one, other) => order(other) - order(one))[0] ?? 'redis_memory';
}

/** The value of a setting on each primary; null where it is not told. */
async function settings(redis: Primaries, name: string): Promise<readonly (string | null)[]> {
  const replies = await askAll(redis, ['CONFIG', 'GET', name]);
  return replies.map((reply) => {
    const [told, value] = Array.isArray(reply) ? (reply as readonly RedisReply[]) : [];
    return told === name && typeof value === 'string' ? value : null;
  });
}

async function infos(redis: Primaries, section: string): Promise<readonly ReadonlyMap<string, string>[]> {
  const replies = await askAll(redis, ['INFO', section]);
  return replies.map((reply) => {
    const lines = typeof reply === 'string' ? reply.split(/\r?\n/) : [];
    return new Map(
      lines.map((line): [string, string] => [line.split(':', 1)[0] ?? '', line.slice(line.indexOf(':') + 1)]),
    );
  });
}

/** One empty answer in place of all when a primary refuses the question: forbidden by its access list, or renamed. */
async function askAll(redis: Primaries, args: readonly string[]): Promise<readonly RedisReply[]> {
  try {
    return await redis.sendToPrimaries(args);
  } catch (error) {
    if (error instanceof RedisReplyError) return [null];
    throw error;
  }
}
