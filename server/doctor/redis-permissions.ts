import type { Redis } from '../state/redis/client.ts';
import { RedisReplyError } from '../state/redis/client-errors.ts';
import { Keys } from '../state/redis/keys.ts';

/**
 * Every command that the server sends, in a form that changes nothing: on a key that nobody makes, and such that it
 * either finds nothing there or is wrong in itself. Redis looks at the rights of the user before it looks at any of that.
 */
function probes(key: string, channel: string): readonly (readonly string[])[] {
  return [
    ['GET', key],
    ['SET', key, '', 'XX'],
    ['DEL', key],
    ['PEXPIRE', key, '1'],
    ['PTTL', key],
    ['HGET', key, 'f'],
    ['HGETALL', key],
    ['HMGET', key, 'f'],
    // Fields and values do not pair up.
    ['HSET', key, 'f', 'v', 'f'],
    ['HDEL', key, 'f'],
    ['HLEN', key],
    ['HINCRBY', key, 'f', 'not a number'],
    ['LINDEX', key, '0'],
    ['LLEN', key],
    ['LRANGE', key, '0', '0'],
    ['LREM', key, '0', ''],
    ['LTRIM', key, '0', '0'],
    ['SMEMBERS', key],
    ['SREM', key, 'm'],
    ['XADD', key, 'NOMKSTREAM', '*', 'f', 'v'],
    ['XRANGE', key, '-', '+', 'COUNT', '1'],
    ['XREVRANGE', key, '+', '-', 'COUNT', '1'],
    ['XTRIM', key, 'MAXLEN', '0'],
    ['ZADD', key, 'XX', '1', 'm'],
    ['ZCARD', key],
    ['ZCOUNT', key, '0', '0'],
    ['ZRANGEBYSCORE', key, '0', '0'],
    ['ZREM', key, 'm'],
    ['ZREMRANGEBYSCORE', key, '0', '0'],
    // Of no script: NOSCRIPT.
    ['EVALSHA', '0'.repeat(40), '1', key],
    // A number of keys that is none.
    ['EVAL', '', 'not a number'],
    ['TIME'],
    ['DBSIZE'],
    ['PUBLISH', channel, ''],
  ];
}

/** What the server sends as well, and nothing harmless can be said with: they make what they are given. */
export const NOT_PROBED = ['rpush', 'sadd', 'script|load'] as const;

export interface Refusal {
  readonly command: string;
  /** What Redis says. */
  readonly reason: string;
}

/** The commands that the user of the configuration may not send. Rejects with `UNAVAILABLE` when Redis can't be asked. */
export async function refusedCommands(redis: Redis, keyPrefix: string): Promise<readonly Refusal[]> {
  const keys = new Keys(keyPrefix);
  // A limit of that name there is not.
  const key = keys.limit('doctor', 'nothing');
  const sharded = redis.kind === 'cluster';
  const channel = `${keys.channel(sharded ? 0 : null)}doctor`;
  const wanted = probes(key, channel).map((probe) =>
    sharded && probe[0] === 'PUBLISH' ? ['SPUBLISH', ...probe.slice(1)] : probe,
  );
  const refusals = await Promise.all(
    wanted.map(async (args): Promise<Refusal | null> => {
      try {
        await redis.send(args, args[0]?.endsWith('PUBLISH') === true ? channel : key);
        return null;
      } catch (error) {
        const reply = error instanceof RedisReplyError ? error : (error as Error).cause; // it only rejects with errors
        // Anything but an answer of Redis. Full, or demoted: it may, but not now.
        if (!(reply instanceof RedisReplyError)) throw error;
        return reply.message.startsWith('NOPERM') ? { command: args[0] ?? '', reason: reply.message } : null;
      }
    }),
  );
  return refusals.filter((refusal) => refusal !== null);
}

/** Their names as an access list has them, for the test that keeps them equal to the list that is recommended. */
export function probedCommands(): readonly string[] {
  return probes('', '').map(([command = '']) => command.toLowerCase());
}
