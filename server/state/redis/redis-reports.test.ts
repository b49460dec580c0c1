import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MOST_REPORTS, REPORT_LIFE_MS } from '../../sessions/ports.ts';
import { describeInstanceReports, reportOf } from '../conformance/reports.conformance.ts';
import { RedisReports } from './redis-reports.ts';
import { RedisStage } from './redis-stage.conformance.ts';

function reportsOn(stage: RedisStage): RedisReports {
  const { redis, keys } = stage;
  return new RedisReports({ redis, keys, now: () => stage.now });
}

describeInstanceReports('RedisReports', async () => {
  const stage = await RedisStage.open();
  return {
    reports: reportsOn(stage),
    now: () => stage.now,
    advance: (ms) => {
      stage.now += ms;
    },
    close: () => stage.close(),
  };
});

describe('reports in Redis', () => {
  let stage: RedisStage;

  beforeEach(async () => {
    stage = await RedisStage.open();
  });

  afterEach(() => stage.close());

  async function stored(): Promise<string[]> {
    return ((await stage.command('HKEYS', stage.keys.reports)) as string[]).sort();
  }

  it('of all instances are seen by each, in one key that ends by itself', async () => {
    const [one, other] = [reportsOn(stage), reportsOn(stage)];
    await one.put(reportOf('one'));
    await other.put(reportOf('other'));
    expect((await one.all()).map(({ instanceId }) => instanceId).sort()).toEqual(['one', 'other']);
    expect(await stage.names()).toEqual([stage.keys.reports]);
    const life = Number(await stage.command('PTTL', stage.keys.reports));
    expect(life).toBeGreaterThan(0);
    expect(life).toBeLessThanOrEqual(REPORT_LIFE_MS);
  });

  it('are removed when they are too old, by whoever reports next', async () => {
    await reportsOn(stage).put(reportOf('gone'));
    stage.now += REPORT_LIFE_MS;
    await reportsOn(stage).put(reportOf('here'));
    expect(await stored()).toEqual(['here']);
  });

  it('are those of two hundred instances, the last that reported', async () => {
    const reports = reportsOn(stage);
    for (let number = 0; number < MOST_REPORTS + 3; number += 1) {
      stage.now += 1;
      await reports.put(reportOf(`instance ${String(number).padStart(3, '0')}`));
    }
    const names = await stored();
    expect(names).toHaveLength(MOST_REPORTS);
    expect(names[0]).toBe('instance 003');
  });

  it('that cannot be read are left out', async () => {
    const reports = reportsOn(stage);
    await reports.put(reportOf('here'));
    const { reports: key } = stage.keys;
    await stage.command('HSET', key, 'text', `${stage.now} no JSON`);
    await stage.command('HSET', key, 'shape', `${stage.now} {"instanceId":"shape"}`);
    await stage.command('HSET', key, 'bare', 'report');
    const newer = { ...reportOf('newer'), colour: 'blue', state: 'resting', durability: 'tape' };
    await stage.command('HSET', key, 'newer', `${stage.now} ${JSON.stringify(newer)}`);
    expect((await reports.all()).sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1))).toEqual([
      reportOf('here'),
      // What it says in words of its own is taken for what promises least.
      reportOf('newer', { state: 'not_ready', durability: 'redis_memory' }),
    ]);
  });
});
