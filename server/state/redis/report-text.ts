import { z } from 'zod';
import type { InstanceReport } from '../../../protocol/console.ts';
import { DURABILITIES } from '../../../protocol/session.ts';

const count = z.number().nonnegative();
/** A word that a later version has is none of these: it is shown as what promises least, and the rest as it is. */
const condition = z.enum(['ok', 'degraded', 'failed', 'disabled']).catch('degraded');
const store = z.object({ status: condition, latencyMs: count.nullable() });
const time = z.iso.datetime();

/** Another version of the server may have written it: what is new in it is left out. */
const REPORT = z.object({
  instanceId: z.string().min(1).max(100),
  version: z.string().max(100),
  state: z.enum(['ready', 'not_ready', 'draining', 'silent']).catch('not_ready'),
  startedAt: time,
  reportedAt: time,
  connections: count,
  sessions: z.object({ waiting: count, paired: count }),
  participants: z.object({ online: count, away: count }),
  messagesTotal: count,
  limitedTotal: z.record(z.string().max(64), count),
  deliveryMs: z.object({ p50: count, p99: count }).nullable(),
  eventLoopLagMs: count,
  memoryBytes: count,
  cpuCores: count,
  stores: z.object({
    redis: store,
    database: store,
    archive: z.object({ lagMs: count, backlogMessages: count, sessionsSetAside: count.nullable() }),
    mail: z.object({ status: condition }),
  }),
  durability: z.enum(DURABILITIES).catch('redis_memory'),
  durabilityMeaning: z.string().max(1000),
}) satisfies z.ZodType<InstanceReport>;

/** Null for what is no report that this version can read. */
export function reportIn(text: string): InstanceReport | null {
  try {
    return REPORT.safeParse(JSON.parse(text)).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
