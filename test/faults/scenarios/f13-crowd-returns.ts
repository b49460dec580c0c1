import { CrowdChild } from '../../../bench/drain/crowd-child.ts';
import type { CrowdResult } from '../../../bench/drain/crowd-plan.ts';
import { setTimeout as delay } from 'node:timers/promises';
import { within } from '../../support/deadline.ts';
import type { Arena } from '../arena.ts';
import type { Instance } from '../instance.ts';
import { sumMetric } from '../metric.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';

const CLIENTS = 1_000;
const MANY_CLIENTS = 10_000;
/** One process alone would be late with what it measures. */
const CROWDS = 2;
/** Of each crowd: so many talk on through it, the others are quiet. */
const TALKING_PAIRS = 20;
const PAIRED_MS = 240_000;
const BACK_MS = 60_000;
const BACK_WITHIN_MS = 15_000;
const CALM_MS = 5_000;

export const f13: Scenario = {
  name: 'F13',
  what: 'an instance dies with 1,000 clients (10,000 in a long run), who all come back at once to the others',
  hotStates: ['redis'],
  arena: (hotState) => ({ ...threeInstances(hotState), perSecond: 40 }),
  // A connection takes some 50 KiB, and the one that dies has held all of them.
  expected: { maxRssGrowthBytes: 900 * 2 ** 20, maxLoopLagMs: 3_000 },
  async run(arena, random, { isLong }) {
    const { instances } = arena.deployment;
    const dying = random.pick(instances);
    const living = instances.filter((instance) => instance !== dying);
    const clients = isLong ? MANY_CLIENTS : CLIENTS;
    const giveUp = new AbortController();
    const plan = { address: addressOf(dying), pairs: clients / 2 / CROWDS, talkingPairs: TALKING_PAIRS };
    const crowds = Array.from({ length: CROWDS }, () => new CrowdChild({ ...plan, intervalMs: 1_000 }, giveUp.signal));
    try {
      await within(PAIRED_MS, () => `${clients} clients`, Promise.all(crowds.map(({ paired }) => paired)));
      crowds.forEach((crowd, index) => crowd.comeBackTo(addressOf(living[index % living.length] ?? dying)));
      const calm = await queriesDuring(living, () => delay(CALM_MS));
      const diedAt = performance.timeOrigin + performance.now();
      const storm = await queriesDuring(living, async () => {
        await dying.kill9();
        const back = Promise.all(crowds.map((crowd) => crowd.back));
        await within(BACK_MS, () => 'all to be back', back).catch((error: unknown) => {
          arena.complaints.push(String(error));
        });
      });
      demandQuiet(arena, clients, calm, storm);
      await arena.served();
      const results = await Promise.all(crowds.map((crowd) => crowd.finish()));
      demandBack(arena, clients, results, diedAt);
    } finally {
      for (const crowd of crowds) crowd.kill();
    }
    await dying.start();
    await arena.served();
  },
};

function addressOf({ server }: Instance): string {
  return `127.0.0.1:${server.port}`;
}

interface Queries {
  readonly ms: number;
  readonly byName: ReadonlyMap<string, number>;
}

/** What these instances ask Postgres meanwhile. */
async function queriesDuring(instances: readonly Instance[], run: () => Promise<unknown>): Promise<Queries> {
  const name = 'tandem_database_query_duration_seconds_count';
  const before = await sumMetric(instances, name);
  const startedAt = performance.now();
  await run();
  const ms = performance.now() - startedAt;
  const after = [...(await sumMetric(instances, name))];
  const grown = after.map(([labels, count]) => [labels, count - (before.get(labels) ?? 0)] as const);
  return { ms, byName: new Map(grown.filter(([, count]) => count > 0)) };
}

/**
 * The archive goes on, and whoever is away or back is written down by the batch; but nobody's return waits for Postgres: what
 * is asked does not grow with the number of those who come.
 */
function demandQuiet(arena: Arena, clients: number, calm: Queries, storm: Queries): void {
  const perClient = [...storm.byName].filter(
    ([labels, count]) => count - ((calm.byName.get(labels) ?? 0) * storm.ms) / calm.ms > clients / 20,
  );
  arena.demand(perClient.length === 0, () => `Postgres was asked ${textOf(new Map(perClient))}`);
  arena.figures.push(
    `Postgres was asked in ${Math.round(calm.ms)} ms before: ${textOf(calm.byName)}`,
    `and in the ${Math.round(storm.ms)} ms of their return: ${textOf(storm.byName)}`,
  );
}

function textOf(byName: ReadonlyMap<string, number>): string {
  return [...byName].map(([labels, count]) => `${labels.replace(/^query=|"/g, '')} ${count}`).join(', ');
}

function demandBack(arena: Arena, clients: number, results: readonly CrowdResult[], diedAt: number): void {
  const sum = (count: (result: CrowdResult) => number): number => results.reduce((total, one) => total + count(one), 0);
  const times = results.flatMap(({ returns }) => returns.map(({ backAt }) => backAt - diedAt)).sort((a, b) => a - b);
  const away = sum((result) => result.away);
  arena.demand(away === 0 && times.length === clients, () => `${times.length} of ${clients} are back, ${away} away`);
  const lastMs = Math.round(times.at(-1) ?? Infinity);
  arena.demand(lastMs <= BACK_WITHIN_MS, () => `the last one was back ${lastMs} ms after the death`);
  const [lost, doubled, holes] = [sum((one) => one.lost), sum((one) => one.doubled), sum((one) => one.holes)];
  arena.demand(
    lost + doubled + holes === 0,
    () => `of what the crowd said ${lost} lost, ${doubled} doubled, ${holes} holes`,
  );
  const faults = results.flatMap((result) =>
    Object.entries(result.faults).map(([fault, count]) => `${fault} ${count}`),
  );
  arena.demand(faults.length === 0, () => `the crowd met ${faults.join(', ')}`);
  const median = Math.round(times[Math.floor(times.length / 2)] ?? NaN);
  const stall = Math.round(Math.max(...results.map(({ loopLagMs }) => loopLagMs)));
  arena.figures.push(
    `${times.length} back, half of them ${median} ms after the death, the last ${lastMs} ms; ${sum((one) => one.failedAttempts)} attempts failed`,
    `the crowd had ${sum((one) => one.acknowledged)} messages acknowledged; its processes stood still for ${stall} ms at most`,
  );
}
