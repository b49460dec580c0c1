import { afterEach, describe, expect, it } from '@jest/globals';
import { parseExposition, total } from '../../test/support/exposition.ts';
import { createTurnLog, measureHealth } from './health-outlets.ts';
import { createHealth, type Health, type HealthOptions, type HealthTurn } from './health.ts';
import type { LogFields } from './logger.ts';
import { createMetrics } from './metrics.ts';

let health: Health | null = null;
afterEach(() => {
  health?.stop();
});

const well = () => Promise.resolve();
const broken = () => Promise.reject(new Error('gone'));

/** The metrics of an instance after its first look. */
async function measured(options: Partial<HealthOptions>): Promise<Record<string, number>> {
  health = createHealth({
    version: '1.2.3',
    instanceId: 'i-1',
    startedAt: 0,
    database: well,
    databaseType: 'postgres',
    redis: well,
    delivery: well,
    isDraining: () => false,
    now: () => 1,
    ...options,
  });
  const metrics = createMetrics({ version: '1.2.3' });
  measureHealth(metrics, health);
  health.start();
  await health.looked();
  const samples = parseExposition((await metrics.text()).body);
  return Object.fromEntries(
    ['ready', 'database_up', 'redis_up'].map((name) => [name, total(samples, `tandem_${name}`)]),
  );
}

describe('the metrics of health', () => {
  it.each([
    ['nothing fails', {}, { ready: 1, database_up: 1, redis_up: 1 }],
    ['the database fails', { database: broken }, { ready: 1, database_up: 0, redis_up: 1 }],
    [
      'so much waits for the database that sends are refused, and it answers',
      { isBacklogFull: () => true },
      { ready: 0, database_up: 1, redis_up: 1 },
    ],
    ['Redis fails', { redis: broken }, { ready: 0, database_up: 1, redis_up: 0 }],
    ['there is no Redis', { redis: null }, { ready: 1, database_up: 1, redis_up: 0 }],
  ])('are right while %s', async (_what, options: Partial<HealthOptions>, expected) => {
    expect(await measured(options)).toEqual(expected);
  });
});

describe('the lines of health', () => {
  const error = new Error('gone');
  const failed = (check: HealthTurn['check']): HealthTurn => ({ check, isWell: false, error });
  const back = (check: HealthTurn['check']): HealthTurn => ({ check, isWell: true });

  it.each([
    ['the database', failed('database'), false, ['error', 'db_error', { reason: 'database', error }]],
    ['the database', back('database'), false, ['warn', 'db_recovered', { reason: 'database' }]],
    ['delivery', failed('delivery'), false, ['error', 'delivery_failed', { error }]],
    ['delivery', back('delivery'), false, ['warn', 'delivery_recovered', {}]],
    ['delivery by a commit', failed('delivery'), true, ['error', 'db_error', { reason: 'delivery', error }]],
    ['delivery by a commit', back('delivery'), true, ['warn', 'db_recovered', { reason: 'delivery' }]],
    ['Redis', failed('redis'), false, ['warn', 'security_event', { reason: 'redis_unfit' }]],
    ['Redis', back('redis'), false, ['warn', 'security_event', { reason: 'redis_well' }]],
  ] as const)('name %s', (_what, turn, isDeliveredByDatabase, expected) => {
    const lines: unknown[] = [];
    const at =
      (level: string) =>
      (event: string, fields: LogFields = {}) =>
        void lines.push([level, event, fields]);
    createTurnLog({ error: at('error'), warn: at('warn') }, { isDeliveredByDatabase })(turn);
    expect(lines).toEqual([expected]);
  });
});
