import { describe, expect, it } from '@jest/globals';
import { consoleReport } from '../../test/support/console-report.ts';
import type { InstanceReport } from '../../protocol/console.ts';
import { instancesOf } from './instance-states.ts';
import { storeLines } from './stores.ts';

const { stores } = consoleReport();

function lines(...reports: Partial<InstanceReport>[]) {
  const made = reports.map((own, index) => consoleReport({ instanceId: `instance-${index}`, ...own }));
  const all = storeLines(instancesOf('2026-01-31T12:00:11.000Z', made));
  return Object.fromEntries(
    all.map(({ key, condition, text, disagreement }) => [key, { condition, text, disagreement }]),
  );
}

describe('the stores', () => {
  it('are told in words', () => {
    expect(lines({})).toEqual({
      redis: { condition: 'ok', text: 'In order, answers in 1\u00a0ms', disagreement: null },
      database: { condition: 'ok', text: 'In order, answers in 1\u00a0ms', disagreement: null },
      archive: { condition: 'ok', text: 'Every message is in Postgres.', disagreement: null },
      mail: { condition: 'disabled', text: 'Not configured', disagreement: null },
      durability: {
        condition: 'ok',
        text: 'redis_always: An acknowledged message survives a power cut of Redis.',
        disagreement: null,
      },
    });
  });

  it('are as bad as the instance that has it worst, and a disagreement is said', () => {
    const failed = { ...stores, redis: { status: 'failed' as const, latencyMs: null } };
    const { redis, durability } = lines({}, { stores: failed, durability: 'redis_memory' });
    expect(redis).toEqual({
      condition: 'failed',
      text: 'Out of reach, answers in 1\u00a0ms',
      disagreement: 'The instances disagree: in order for ance-0; out of reach for ance-1.',
    });
    expect(durability).toMatchObject({
      condition: 'degraded',
      disagreement: 'The instances disagree: redis_always for ance-0; redis_memory for ance-1.',
    });
  });

  it('say what waits for Postgres, and what was set aside', () => {
    const archive = { lagMs: 90_000, backlogMessages: 1_200, sessionsSetAside: 1 };
    // Each waits for its own sessions; what was set aside is counted for all of them.
    const other = { lagMs: 10, backlogMessages: 30, sessionsSetAside: 1 };
    expect(lines({ stores: { ...stores, archive } }, { stores: { ...stores, archive: other } })['archive']).toEqual({
      condition: 'degraded',
      text: '1,230 messages on the way to Postgres, the oldest for 1\u00a0min 30\u00a0s, 1 session set aside because Postgres holds something else.',
      disagreement: null,
    });
  });

  it('are told by nobody who is silent', () => {
    const failed = { ...stores, redis: { status: 'failed' as const, latencyMs: null } };
    expect(lines({ state: 'silent', stores: failed }, {})['redis']?.condition).toBe('ok');
    expect(lines({ state: 'silent' })).toEqual({});
  });
});
