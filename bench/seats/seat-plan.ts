import { z } from 'zod';

/** What a process that takes seats shall do; it crosses from the runner as JSON. */
export const seatPlanSchema = z.strictObject({
  /** `host:port` where the hosts connect. */
  address: z.string(),
  /** Where the guests connect. */
  guestAddress: z.string(),
  pairs: z.int().positive(),
  /** Pairs that are made at a time. */
  atOnce: z.int().positive(),
  /** False: both connections of a pair end as soon as it is made, and its session goes on without them. */
  isStaying: z.boolean(),
});

export type SeatPlan = z.infer<typeof seatPlanSchema>;

export const seatedSchema = z.strictObject({
  /** For connecting and for create or join, of all pairs. */
  elapsedMs: z.number(),
  /** Cores that this process kept busy meanwhile. */
  cores: z.number(),
});

export type Seated = z.infer<typeof seatedSchema>;
