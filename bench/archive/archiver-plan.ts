import { z } from 'zod';

/** What the archiver's process is told; it crosses from the runner as JSON. */
export const archiverPlanSchema = z.strictObject({
  redisUrl: z.string(),
  databaseUrl: z.string(),
  /** Of the keys in Redis. */
  prefix: z.string(),
});

export type ArchiverPlan = z.infer<typeof archiverPlanSchema>;
