import type { DailyAnalytics } from '../../sessions/ports.ts';
import type { Pool } from '../pool.ts';

/** A day has a row for each writer that was at work at the same time. */
const ANALYTICS = {
  name: 'analytics',
  text: `
    select day::text as day, sum(sessions)::bigint as sessions, sum(pairings)::bigint as pairings,
      sum(time_to_pair_ms)::bigint as "timeToPairMs", sum(messages)::bigint as messages,
      json_build_object(
        'closed', sum(closed_closed), 'idle', sum(closed_idle), 'expired', sum(closed_expired),
        'empty', sum(closed_empty)
      ) as closed,
      sum(duration_ms)::bigint as "durationMs"
    from daily_analytics
    where day between $1::date and $2::date
    group by daily_analytics.day
    order by daily_analytics.day`,
};

export async function analytics(pool: Pick<Pool, 'query'>, fromDay: string, toDay: string): Promise<DailyAnalytics[]> {
  return await pool.query<DailyAnalytics>(ANALYTICS, [fromDay, toDay]);
}
