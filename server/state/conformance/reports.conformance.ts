/** What every `InstanceReports` promises. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { InstanceReport } from '../../../protocol/console.ts';
import { REPORT_LIFE_MS, type InstanceReports } from '../../sessions/ports.ts';

export interface ReportsHarness {
  readonly reports: InstanceReports;
  readonly now: () => number;
  advance(ms: number): void;
  close(): Promise<void>;
}

export function reportOf(instanceId: string, own: Partial<InstanceReport> = {}): InstanceReport {
  return {
    instanceId,
    version: '1.2.3',
    state: 'ready',
    startedAt: '2026-01-31T12:00:00.000Z',
    reportedAt: '2026-01-31T12:00:02.000Z',
    connections: 2,
    sessions: { waiting: 1, paired: 2 },
    participants: { online: 3, away: 1 },
    messagesTotal: 17,
    limitedTotal: { messages_user: 1 },
    deliveryMs: { p50: 1.5, p99: 20 },
    eventLoopLagMs: 0.2,
    memoryBytes: 100_000_000,
    cpuCores: 0.25,
    stores: {
      redis: { status: 'ok', latencyMs: 0.5 },
      database: { status: 'degraded', latencyMs: null },
      archive: { lagMs: 12, backlogMessages: 3, sessionsSetAside: null },
      mail: { status: 'disabled' },
    },
    durability: 'redis_always',
    durabilityMeaning: 'It is on a disk.',
    ...own,
  };
}

export function describeInstanceReports(name: string, open: () => Promise<ReportsHarness>): void {
  describe(`${name}, reports of instances`, () => {
    let harness: ReportsHarness;

    beforeEach(async () => {
      harness = await open();
    });

    afterEach(() => harness.close());

    async function ids(): Promise<string[]> {
      return (await harness.reports.all()).map(({ instanceId }) => instanceId).sort();
    }

    it('are the last of each instance, as they were put', async () => {
      const { reports } = harness;
      expect(await reports.all()).toEqual([]);
      await reports.put(reportOf('one'));
      const last = reportOf('one', { connections: 5, deliveryMs: null, state: 'draining' });
      await reports.put(last);
      expect(await reports.all()).toEqual([last]);
    });

    it('are kept for ten minutes', async () => {
      const { reports } = harness;
      await reports.put(reportOf('early'));
      harness.advance(REPORT_LIFE_MS - 1);
      await reports.put(reportOf('late'));
      expect(await ids()).toEqual(['early', 'late']);
      harness.advance(1);
      expect(await ids()).toEqual(['late']);
    });

    it('go with an instance that ended in order', async () => {
      const { reports } = harness;
      await reports.put(reportOf('one'));
      await reports.put(reportOf('other'));
      await reports.remove('one');
      await reports.remove('one');
      expect(await ids()).toEqual(['other']);
    });
  });
}
