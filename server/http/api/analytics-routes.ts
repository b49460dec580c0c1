import { z } from 'zod';
import type { DailyAnalytics } from '../../sessions/ports.ts';
import { invalid } from '../../sessions/refusals.ts';
import { defineRoute, type ApiRoute } from './route.ts';

const DAY_MS = 86_400_000;
const USUAL_DAYS = 30;
const MOST_DAYS = 366;
/** Nothing was counted before. */
const EARLIEST = Date.UTC(2000, 0, 1);

/** A day in UTC, or a moment of it. */
const day = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?Z)?$/, 'expected a day as 2026-01-31')
  .transform((text, context) => {
    const start = text.slice(0, 10);
    const at = Date.parse(text);
    // Date.parse takes the 31st of February for a day in March.
    // Nor does the database know the year 0.
    if (at >= EARLIEST && new Date(Date.parse(start)).toISOString().startsWith(start)) return start;
    context.addIssue({ code: 'custom', message: 'expected a day that exists' });
    return z.NEVER;
  });

const count = z.int().min(0);
const counted = {
  sessions: count.meta({ description: 'Created on that day' }),
  pairings: count.meta({ description: 'Sessions whose second participant arrived on that day, for the first time' }),
  averageTimeToPairMs: z.number().nullable(),
  messages: count,
  closed: count.meta({ description: 'Closed on that day' }),
  averageDurationMs: z.number().nullable().meta({ description: 'Of those that were closed on that day' }),
  closeReasons: z.object({ closed: count, idle: count, expired: count, empty: count }),
};

export interface AnalyticsRouteOptions {
  /** Days from the one to the other, both included, ascending; without those on which nothing was. */
  analytics: (fromDay: string, toDay: string) => Promise<DailyAnalytics[]>;
  now: () => number;
}

export function analyticsRoutes({ analytics, now }: AnalyticsRouteOptions): ApiRoute[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/api/v1/analytics/summary',
      name: 'summarize',
      summary: 'What happened on each day in UTC, and in all of them together; the last 30 days unless asked otherwise',
      who: 'key',
      query: z.strictObject({ from: day.optional(), to: day.optional() }),
      answer: z.object({
        from: z.string(),
        to: z.string(),
        totals: z.object(counted),
        days: z.array(z.object({ day: z.string(), ...counted })),
      }),
      handle: async ({ query }) => {
        const to = query.to ?? dayOf(now());
        const from = query.from ?? dayOf(Date.parse(to) - (USUAL_DAYS - 1) * DAY_MS);
        const span = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;
        if (span < 1) throw invalid('query.from', 'must not be after to');
        if (span > MOST_DAYS) throw invalid('query.from', `must be at most ${MOST_DAYS} days before to`);
        const days = await analytics(from, to);
        return { from, to, totals: viewOf(days), days: days.map((one) => ({ day: one.day, ...viewOf([one]) })) };
      },
    }),
  ];
}

function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

function viewOf(days: readonly DailyAnalytics[]) {
  const sum = (of: (day: DailyAnalytics) => number) => days.reduce((total, one) => total + of(one), 0);
  const pairings = sum((one) => one.pairings);
  const closeReasons = {
    closed: sum((one) => one.closed.closed),
    idle: sum((one) => one.closed.idle),
    expired: sum((one) => one.closed.expired),
    empty: sum((one) => one.closed.empty),
  };
  const closed = Object.values(closeReasons).reduce((total, one) => total + one, 0);
  const average = (total: number, among: number) => (among === 0 ? null : Math.round(total / among));
  return {
    sessions: sum((one) => one.sessions),
    pairings,
    averageTimeToPairMs: average(
      sum((one) => one.timeToPairMs),
      pairings,
    ),
    messages: sum((one) => one.messages),
    closed,
    averageDurationMs: average(
      sum((one) => one.durationMs),
      closed,
    ),
    closeReasons,
  };
}
