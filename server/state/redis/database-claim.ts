import type { Redis } from './client.ts';
import type { Keys } from './keys.ts';
import { arrayOf, numberOf, textOf } from './reply.ts';
import { loadScript } from './script.ts';

const CLAIM = loadScript('claim_database');

/** As long as a deployment may be switched off and still be recognised. */
const LIFE_MS = 90 * 86_400_000;

/** This Redis holds the sessions of another database. */
export class ForeignRedisError extends Error {
  override readonly name = 'ForeignRedisError';
}

/**
 * Ties Redis to the database: sessions that are archived elsewhere would be lost to both. Rejects with
 * `ForeignRedisError` when Redis belongs to another. `isNew`: it belonged to none, so it is empty, or was emptied; one of
 * all who ask is told so.
 */
export async function claimDatabase(
  redis: Pick<Redis, 'run'>,
  keys: Keys,
  identity: string,
): Promise<{ readonly isNew: boolean }> {
  const [owner, isNew] = arrayOf(await redis.run(CLAIM, [keys.database], [identity, String(LIFE_MS)]));
  if (textOf(owner) === identity) return { isNew: numberOf(isNew) === 1 };
  throw new ForeignRedisError(
    `Redis holds the sessions of another database (${textOf(owner)}) than the one that is configured (${identity}): ` +
      'give all instances the same DATABASE_URL, or this deployment a REDIS_KEY_PREFIX of its own.',
  );
}
