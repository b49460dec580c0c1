import type { Health, HealthTurn } from './health.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

/** Shows what health knows as metrics. */
export function measureHealth(metrics: Pick<Metrics, 'observe'>, health: Pick<Health, 'ready' | 'summary'>): void {
  metrics.observe({
    isReady: () => health.ready().status === 'ready',
    // Not the check of readiness, which fails with a full backlog too, while the database answers.
    databaseUp: () => health.summary().services.database.status === 'ok',
    redisUp: () => health.summary().services.redis.status === 'ok',
  });
}

export interface TurnLogOptions {
  /** Whether a message is delivered by being committed: then a canary that does not come back is the database's fault. */
  readonly isDeliveredByDatabase: boolean;
}

/** Logs what failed, and what is well again. */
export function createTurnLog(
  logger: Pick<Logger, 'warn' | 'error'>,
  { isDeliveredByDatabase }: TurnLogOptions,
): (turn: HealthTurn) => void {
  return (turn) => {
    const { check: reason } = turn;
    // What becomes of the connections to Redis is told where they are.
    if (reason === 'redis') logger.warn('security_event', { reason: turn.isWell ? 'redis_well' : 'redis_unfit' });
    else if (reason === 'delivery' && !isDeliveredByDatabase) {
      if (turn.isWell) logger.warn('delivery_recovered');
      else logger.error('delivery_failed', { error: turn.error });
    } else if (turn.isWell) logger.warn('db_recovered', { reason });
    else logger.error('db_error', { reason, error: turn.error });
  };
}
