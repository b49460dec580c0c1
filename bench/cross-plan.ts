import { z } from 'zod';
import { planSchema, resultSchema } from './engine/plan.ts';

/** What the generator of the cross-instance load shall do: A of each pair is on the first server, B on the second. */
export const crossPlanSchema = planSchema.omit({ address: true, serverPid: true }).extend({
  addresses: z.tuple([z.string(), z.string()]),
  serverPids: z.array(z.int().positive()),
  redis: z.strictObject({ url: z.string(), pid: z.int().positive() }),
});

export type CrossPlan = z.infer<typeof crossPlanSchema>;

/** What the run found; the counts of Redis are those of the measured window. */
export const crossResultSchema = resultSchema.omit({ server: true }).extend({
  /** Acknowledged within the window: what everything is divided by. */
  messages: z.number(),
  /** User and system time of both servers within the window; null where there is no /proc. */
  serverCpuSeconds: z.number().nullable(),
  redisCpuSeconds: z.number().nullable(),
  /** Commands that clients sent to Redis, by name: a command inside of a script is none of them. */
  redisCommands: z.record(z.string(), z.number()),
  /** Messages that Redis published, from scripts too. */
  published: z.number(),
});

export type CrossResult = z.infer<typeof crossResultSchema>;
