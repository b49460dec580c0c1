import type { InstanceReport } from '../../protocol/console.ts';

/** What an instance reports that has nothing to do. */
export function consoleReport(own: Partial<InstanceReport> = {}): InstanceReport {
  return {
    instanceId: 'i-1',
    version: '1.0.0',
    state: 'ready',
    startedAt: '2026-01-31T12:00:00.000Z',
    reportedAt: '2026-01-31T12:00:10.000Z',
    connections: 0,
    sessions: { waiting: 0, paired: 0 },
    participants: { online: 0, away: 0 },
    messagesTotal: 0,
    limitedTotal: {},
    deliveryMs: null,
    eventLoopLagMs: 1,
    memoryBytes: 100_000_000,
    cpuCores: 0.1,
    stores: {
      redis: { status: 'ok', latencyMs: 1 },
      database: { status: 'ok', latencyMs: 1 },
      archive: { lagMs: 0, backlogMessages: 0, sessionsSetAside: 0 },
      mail: { status: 'disabled' },
    },
    durability: 'redis_always',
    durabilityMeaning: 'An acknowledged message survives a power cut of Redis.',
    ...own,
  };
}
