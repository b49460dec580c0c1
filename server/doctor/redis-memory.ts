import type { Redis } from '../state/redis/client.ts';
import { RedisReplyError } from '../state/redis/client-errors.ts';
import { failed, ok, warning, type Finding } from './finding.ts';

/** Above it there is too little time to notice. */
const HIGH_SHARE = 0.8;
const MEBIBYTE = 2 ** 20;

/** How full Redis is: a full one refuses sends. The fullest primary counts. */
export async function checkMemory(redis: Redis): Promise<readonly Finding[]> {
  const check = 'redis memory';
  let replies: readonly unknown[];
  try {
    replies = await redis.sendToPrimaries(['INFO', 'memory']);
  } catch (error) {
    // Forbidden, which the check of the version says.
    if (error instanceof RedisReplyError) return [];
    throw error;
  }
  const primaries = replies.map((reply) => {
    const number = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(String(reply))?.[1] ?? 0);
    const [used, most] = [number('used_memory'), number('maxmemory')];
    return { used, most, share: most === 0 ? 0 : used / most };
  });
  const [fullest] = primaries.toSorted((one, other) => other.share - one.share);
  if (fullest === undefined) return [];
  const { used, most, share } = fullest;
  const megabytes = `${(used / MEBIBYTE).toFixed(1)} MiB`;
  if (most === 0) {
    const found = `${megabytes} used, and no maxmemory: a full Redis is then ended by the system rather than refusing sends`;
    return [warning(check, found, 'Set maxmemory to what the machine can spare.')];
  }
  const found = `${megabytes} of ${(most / MEBIBYTE).toFixed(1)} MiB used`;
  const advice = 'Give it more memory, or shorten RETRY_HORIZON and HISTORY_HOT_MESSAGES.';
  if (share >= 1) return [failed(check, `${found}: sends are refused`, advice)];
  return [share < HIGH_SHARE ? ok(check, found) : warning(check, found, advice)];
}
