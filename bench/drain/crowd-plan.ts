import { z } from 'zod';

/** What one process of a crowd shall do; it crosses from the runner as JSON. */
export const crowdPlanSchema = z.strictObject({
  /** `host:port` where all connect first. */
  address: z.string(),
  pairs: z.int().positive(),
  /** So many of the pairs talk, each with a message in every interval. */
  talkingPairs: z.int().nonnegative(),
  intervalMs: z.number().positive(),
});

export type CrowdPlan = z.infer<typeof crowdPlanSchema>;

/** What the runner tells a crowd: where to come back to, and to come to an end. */
export const crowdOrderSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('home'), address: z.string() }),
  z.strictObject({ kind: z.literal('finish') }),
]);

export type CrowdOrder = z.infer<typeof crowdOrderSchema>;

const count = z.int().nonnegative();

/** One way back. Moments are milliseconds since 1970, so that those of two processes can be compared. */
const returnSchema = z.strictObject({
  closedAt: z.number(),
  /** When the attempt began that succeeded: until then the client waited by its own rule, or was refused. */
  askedAt: z.number(),
  /** `session:resumed` has come. */
  backAt: z.number(),
});

export type Return = z.infer<typeof returnSchema>;

const crowdResultSchema = z.strictObject({
  returns: z.array(returnSchema),
  /** Connections that were lost and are not back. */
  away: count,
  /** Connections lost, by the word of the server. */
  losses: z.record(z.string(), count),
  /** Attempts to come back that failed, and what else was not as it should be. */
  faults: z.record(z.string(), count),
  failedAttempts: count,
  acknowledged: count,
  /** Acknowledged and never received. */
  lost: count,
  /** One message under two numbers, or two under one. */
  doubled: count,
  /** Numbers below the highest that never came. */
  holes: count,
  /** Longest delay of the event loop of this process: so much of a late return may be its own doing. */
  loopLagMs: z.number(),
});

export type CrowdResult = z.infer<typeof crowdResultSchema>;

/** What a crowd tells the runner. */
export const crowdReportSchema = z.discriminatedUnion('kind', [
  /** All pairs are made. */
  z.strictObject({ kind: z.literal('paired') }),
  /** All have been away and are back. */
  z.strictObject({ kind: z.literal('back') }),
  z.strictObject({ kind: z.literal('result'), result: crowdResultSchema }),
]);

export type CrowdReport = z.infer<typeof crowdReportSchema>;
