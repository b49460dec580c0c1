import { setTimeout as delay } from 'node:timers/promises';
import { Keys, PARTITIONS } from '../../../server/state/redis/keys.ts';
import { eventually } from '../../support/eventually.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import type { Arena } from '../arena.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { archived } from './archived.ts';
import { DatabaseLocks } from './database-locks.ts';
import { compared, demandDelivery, during, shown } from './delivery.ts';
import { expectPutOut, putOut } from './put-out.ts';
import { refusals } from './refusals.ts';

const CALM_MS = 6_000;
const DOWN_MS = 12_000;
const LONG_DOWN_MS = 60_000;
const SLOW_MS = 8_000;
const SLOWED_BY_MS = 2_000;
const LOCKED_MS = 5_000;
const HEALED_WITHIN_MS = 8_000;
/** What the server takes before it refuses: more than the clients of a run can say. */
const MAX_BACKLOG = 200_000;

export const f10: Scenario = {
  name: 'F10',
  what: 'Postgres is down until no more can wait for it, then slow by 2 s, then others hold its rows',
  hotStates: ['redis'],
  arena: threeInstances,
  async run(arena, random, { isLong }) {
    const { postgres, redis, databaseUrl, databaseLinks } = arena.deployment;
    if (postgres === null || redis === null || databaseUrl === null) throw new Error('this fault needs both stores');
    // What a server does for the first time takes longer.
    await arena.acknowledgements(300);
    const calm = await during(arena, () => delay(CALM_MS));

    await arena.acknowledgements(1 + random.below(60));
    const downAt = performance.now();
    await postgres.stopImmediate();
    const down = await during(arena, () => delay(isLong ? LONG_DOWN_MS : DOWN_MS));
    const waiting = await backlogOf(arena);
    arena.demand(waiting > 0, () => 'nothing waited for a Postgres that was down');
    await demandDatabase(arena, 'degraded', 200);
    demandNoRefusal(arena, downAt, 'while Postgres was down and there was room');
    // What needs no database goes on, and what should be written through is answered all the same.
    await putOut(arena);

    const giveRoom = await fill(redis);
    await demandDatabase(arena, 'failed', 503);
    const fullAt = performance.now();
    await eventually(() =>
      refusals(arena, fullAt) > 0 ? Promise.resolve() : Promise.reject(new Error('none refused')),
    );
    const headsFull = await Promise.all(arena.clients.pairs.map(async ({ teller }) => (await teller.head()).lastSeq));
    await delay(1_000);
    for (const [index, { sessionId, teller }] of arena.clients.pairs.entries()) {
      const { lastSeq } = await teller.head();
      const before = headsFull[index] ?? 0;
      arena.demand(lastSeq === before, () => `${sessionId} grew from ${before} to ${lastSeq} with a full backlog`);
    }
    await postgres.restart();
    await giveRoom();
    const healedMs = await arena.served();
    arena.demand(
      healedMs <= HEALED_WITHIN_MS,
      () => `sends succeeded ${Math.round(healedMs)} ms after Postgres was back`,
    );
    await demandDatabase(arena, 'ok', 200);

    const slowAt = performance.now();
    for (const link of databaseLinks) link.set({ kind: 'delay', delayMs: SLOWED_BY_MS }, 'down');
    const slow = await during(arena, () => delay(SLOW_MS));
    for (const link of databaseLinks) link.heal();
    demandNoRefusal(arena, slowAt, 'while Postgres was slow');

    const lockedAt = performance.now();
    const { sessionId } = random.pick(arena.clients.pairs);
    const locks = await DatabaseLocks.open(databaseUrl, sessionId);
    const isOurs = random.next() < 0.5;
    let gaveWay: Awaited<ReturnType<DatabaseLocks['deadlock']>> = null;
    const locked = await during(arena, async () => {
      await locks.hold();
      await delay(LOCKED_MS);
      await locks.release();
      gaveWay = await locks.deadlock(isOurs);
    });
    await locks.close();
    demandNoRefusal(arena, lockedAt, 'while others held rows of Postgres');

    arena.talk();
    const out = await putOut(arena);
    const calmAgain = await during(arena, () => delay(CALM_MS));
    arena.hush();
    const drainingAt = performance.now();
    await archived(arena);
    const drainedMs = Math.round(performance.now() - drainingAt);
    await expectPutOut(arena, out);
    arena.figures.push(
      `delivery p99 before ${shown(calm)}, and after ${compared(calmAgain, calm)}`,
      `delivery p99 with Postgres down ${compared(down, calm)}, slow by 2 s ${compared(slow, calm)}, locked ${compared(locked, calm)}`,
      `${waiting} messages waited; the first send after Postgres was back took ${Math.round(healedMs)} ms; archived ${drainedMs} ms after the last`,
      `who gave way in a deadlock: ${String(gaveWay)}`,
    );
    for (const [name, delivery] of Object.entries({ down, slow, locked })) {
      demandDelivery(arena, `Postgres ${name}`, delivery, [calm, calmAgain]);
    }
  },
};

/** As the instances count what waits, together. */
async function backlogOf({ deployment: { redis } }: Arena): Promise<number> {
  if (redis === null) return 0;
  let sum = 0;
  for (const key of countsKeys()) sum += Number((await redis.command('HGET', key, 'backlog')) ?? 0);
  return sum;
}

/**
 * As if so much of other sessions waited that no more is taken. Evenly: each instance judges the whole by what its own
 * partitions have. Gives what takes it away again.
 */
async function fill(redis: RedisServer): Promise<() => Promise<void>> {
  const each = Math.ceil(MAX_BACKLOG / PARTITIONS);
  await addToBacklog(redis, each);
  return () => addToBacklog(redis, -each);
}

async function addToBacklog(redis: RedisServer, each: number): Promise<void> {
  for (const key of countsKeys()) await redis.command('HINCRBY', key, 'backlog', String(each));
}

function countsKeys(): string[] {
  const keys = new Keys('tandem');
  return Array.from({ length: PARTITIONS }, (_, partition) => keys.partition(partition).counts);
}

async function demandDatabase(arena: Arena, status: string, code: number): Promise<void> {
  for (const instance of arena.deployment.instances) {
    const read = async (): Promise<void> => {
      const ready = await instance.get('/health/ready');
      const text = JSON.stringify(ready);
      if (ready?.status !== code || !text.includes(`"database":{"status":"${status}"`)) throw new Error(text);
    };
    await eventually(read, 15_000).catch((error: unknown) => {
      arena.complaints.push(`${instance.name} does not say that the database is ${status}: ${String(error)}`);
    });
  }
}

function demandNoRefusal(arena: Arena, since: number, when: string): void {
  const count = refusals(arena, since);
  arena.demand(count === 0, () => `${count} sends were refused ${when}`);
}
