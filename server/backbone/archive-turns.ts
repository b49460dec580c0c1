import type { ArchiverOptions } from '../jobs/archiver.ts';
import type { Logger } from '../observability/logger.ts';

/**
 * The archiver stands between two stores, and a round fails of either. Operators hear which one it was, and that the
 * database is back where it was the database that had been away; of Redis `redis_recovered` tells.
 */
export function archiveTurns(
  durable: ArchiverOptions['durable'],
  logger: Logger,
): Pick<ArchiverOptions, 'durable' | 'onTurn'> {
  const ofDatabase = new WeakSet<object>();
  let isDatabaseAway = false;
  return {
    durable: {
      commit: async (batch) => {
        try {
          await durable.commit(batch);
        } catch (error) {
          if (typeof error === 'object' && error !== null) ofDatabase.add(error);
          throw error;
        }
      },
    },
    onTurn: (isWell, error) => {
      if (!isWell) {
        isDatabaseAway = typeof error === 'object' && error !== null && ofDatabase.has(error);
        logger.error('archive_failed', { error, reason: isDatabaseAway ? 'database' : 'redis' });
      } else if (isDatabaseAway) logger.warn('db_recovered', { reason: 'archive' });
    },
  };
}
