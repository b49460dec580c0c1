import { z } from 'zod';

/** What one run of the generator shall do; it crosses from the runner to the generator's process as JSON. */
export const planSchema = z.strictObject({
  /** `host:port` of the server. */
  address: z.string(),
  /** Of the server that B of each pair connects to, when it is another one. */
  receiverAddress: z.string().optional(),
  /** Of all servers, when there are more than two: A of each pair is on the next one in turn, B on the one behind it. */
  addresses: z.array(z.string()).optional(),
  /** Process whose CPU and memory are read, when it runs on this machine. */
  serverPid: z.int().positive(),
  /** More processes to look at, in groups; those that a process has started belong to it. */
  watched: z.record(z.string(), z.array(z.int().positive())).optional(),
  loop: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('closed'),
      /** What a pair waits for before it sends the next; the ack unless given. */
      awaits: z.enum(['ack', 'delivery']).optional(),
    }),
    z.strictObject({ kind: z.literal('open'), ratePerSecond: z.number().positive() }),
  ]),
  pairs: z.int().positive(),
  /** Length of the measured window, after the warm-up. */
  durationMs: z.number().positive(),
  warmupMs: z.number().nonnegative(),
  bodyBytes: z.int().nonnegative(),
  /** Longest wait, after the last send, for what is acknowledged and has not arrived. */
  settleDeadlineMs: z.number().positive(),
});

export type Plan = z.infer<typeof planSchema>;

const summarySchema = z
  .object({ count: z.number(), p50: z.number(), p95: z.number(), p99: z.number(), max: z.number() })
  .nullable();

const count = z.int().nonnegative();

/** What one run found. Latencies are in milliseconds; what is not to be had on this machine is null. */
export const resultSchema = z.object({
  windowMs: z.number(),
  perSecond: z.object({ offered: z.number(), acknowledged: z.number(), received: z.number() }),
  latencyMs: z.object({ ack: summarySchema, delivery: summarySchema, sendDelay: summarySchema }),
  /** Of the whole run, warm-up included. */
  counts: z.object({
    sent: count,
    acknowledged: count,
    refused: count,
    unanswered: count,
    received: count,
    lost: count,
    doubled: count,
    reordered: count,
    phantom: count,
  }),
  errors: z.record(z.string(), count),
  server: z.object({
    /** User and system time of all threads, within the window. */
    cpuSeconds: z.number().nullable(),
    /** `cpuSeconds` over the messages acknowledged within the window. */
    cpuMicrosPerMessage: z.number().nullable(),
    /** Largest resident memory since the process began. */
    peakBytes: z.number().nullable(),
  }),
  /** Of each group of `watched`, within the window. */
  watched: z.record(z.string(), z.object({ cpuSeconds: z.number().nullable(), peakBytes: z.number().nullable() })),
  /** Cores that the generator itself kept busy: near 1 it, and not the server, is what was measured. */
  generatorCores: z.number(),
});

export type LoadResult = z.infer<typeof resultSchema>;
