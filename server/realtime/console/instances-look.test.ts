import { describe, expect, it } from '@jest/globals';
import { SILENT_AFTER_MS, type InstanceReport } from '../../../protocol/console.ts';
import { REPORT_LIFE_MS } from '../../sessions/ports.ts';
import { reportOf } from '../../state/conformance/reports.conformance.ts';
import { InstancesLook } from './instances-look.ts';

const NOW = Date.parse('2026-01-31T13:00:00.000Z');

function reported(instanceId: string, ageMs: number): InstanceReport {
  return reportOf(instanceId, { reportedAt: new Date(NOW - ageMs).toISOString() });
}

function look(all: () => Promise<InstanceReport[]>): InstancesLook {
  return new InstancesLook({ own: () => reported('own', 0), reports: { all }, now: () => NOW });
}

async function states(instances: InstancesLook): Promise<[string, string][]> {
  return (await instances.look()).instances.map(({ instanceId, state }) => [instanceId, state]);
}

describe('a look at all instances', () => {
  it('shows as silent who has not reported for too long, and forgets who never does again', async () => {
    const all = [reported('late', SILENT_AFTER_MS), reported('silent', SILENT_AFTER_MS + 1)];
    all.push(reported('old', REPORT_LIFE_MS - 1), reported('gone', REPORT_LIFE_MS));
    expect(await states(look(() => Promise.resolve(all)))).toEqual([
      ['late', 'ready'],
      ['old', 'silent'],
      ['own', 'ready'],
      ['silent', 'silent'],
    ]);
  });

  it('takes what this instance says of itself now for what it reported', async () => {
    expect(await states(look(() => Promise.resolve([reported('own', 60_000)])))).toEqual([['own', 'ready']]);
  });

  it('is there although the store never answers, and asks it no second time meanwhile', async () => {
    let asked = 0;
    const instances = look(() => {
      asked += 1;
      return new Promise(() => undefined);
    });
    expect(await states(instances)).toEqual([['own', 'ready']]);
    expect(await states(instances)).toEqual([['own', 'ready']]);
    expect(asked).toBe(1);
  });

  it('keeps what was known when the store is away', async () => {
    let isAway = false;
    const instances = look(() => (isAway ? Promise.reject(new Error('away')) : Promise.resolve([reported('b', 0)])));
    await instances.look();
    isAway = true;
    expect(await states(instances)).toEqual([
      ['b', 'ready'],
      ['own', 'ready'],
    ]);
  });
});
