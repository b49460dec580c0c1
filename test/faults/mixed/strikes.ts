import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../support/random.ts';
import type { RedisServer } from '../../support/redis-server.ts';
import { eventually } from '../../support/eventually.ts';
import type { TcpProxy, Traffic } from '../../support/tcp-proxy.ts';
import type { Arena } from '../arena.ts';
import type { Placed } from '../clients.ts';
import { stall } from '../event-loop.ts';
import type { Instance } from '../instance.ts';
import type { RedisCopy } from '../redis-copy.ts';
import { shuffled } from '../schedule.ts';
import { DatabaseLocks } from '../scenarios/database-locks.ts';
import { restartAll } from '../scenarios/f02-rolling-restart.ts';
import { fill, giveRoom } from '../scenarios/full-redis.ts';
import { loseAnswer } from '../scenarios/lost-answer.ts';
import { killMidSend } from '../scenarios/mid-send-kill.ts';
import { refusals } from '../scenarios/refusals.ts';
import { rollBack, ROLLBACK_KINDS } from '../scenarios/rollback.ts';
import type { Rollback } from '../scenarios/rollback.ts';
import { cutSubscribers } from '../scenarios/subscriber-cut.ts';
import type { FaultKind } from './plan.ts';

/** This instance is not killed and not restarted: what a process gathers in a long run has to be seen on one. */
export const ELDER = 0;

/** Long enough for everybody to notice now and then, and short enough for a thousand of them in an hour. */
const MOST_AWAY_MS = 2_000;
export const MOST_STALL_MS = 1_500;
const MOST_LATE_MS = 2_000;
const STARTS = 5;

/** What the faults of one generation leave for each other. */
export interface Wounds {
  readonly copies: RedisCopy[];
  readonly rollbacks: Rollback[];
  /** Those that could be done to their end. */
  readonly done: FaultKind[];
}

type Act = (arena: Arena, random: Random, wounds: Wounds) => Promise<unknown>;

/** Does one fault and heals it. What is drawn comes from its own seed, whatever else happens at the same time. */
export const STRIKES: Readonly<Record<FaultKind, Act>> = {
  async instance_killed(arena, random) {
    const instance = random.pick(mortal(arena));
    await killMidSend(arena, instance, random);
    await startAgain(instance);
  },
  instances_restarted: (arena, random) => restartAll(arena, random, mortal(arena)),
  loop_stalled: (arena, random) =>
    stall(random.pick(arena.deployment.instances), 200 + random.below(MOST_STALL_MS - 200)),

  async redis_killed(arena, random) {
    const redis = redisOf(arena);
    await redis.kill('SIGKILL');
    await delay(random.below(MOST_AWAY_MS));
    await redis.restart();
  },
  redis_unreachable: ({ deployment }, random) => blackHole(someOf(deployment.redisLinks, random), random),
  redis_reset({ deployment }, random) {
    for (const link of someOf(deployment.redisLinks, random)) link.reset();
    return Promise.resolve();
  },
  async redis_frozen(arena, random) {
    const redis = redisOf(arena);
    const ms = away(random);
    if (random.next() < 0.5) {
      redis.freeze();
      await delay(ms);
      redis.thaw();
    } else {
      await redis.command('CLIENT', 'PAUSE', String(ms), 'ALL');
      await redis.command('PING');
    }
  },
  async redis_full(arena, random) {
    const redis = redisOf(arena);
    const ms = random.below(MOST_AWAY_MS / 2);
    const since = performance.now();
    await fill(redis);
    try {
      await eventually(() =>
        refusals(arena, since) > 0 ? Promise.resolve() : Promise.reject(new Error('a full Redis takes everything')),
      );
      await delay(ms);
    } finally {
      await giveRoom(redis);
    }
  },
  async subscriber_cut(arena, random) {
    const { instances, redisLinks } = arena.deployment;
    const index = random.below(instances.length);
    await cutSubscribers(arena, index);
    await delay(away(random));
    redisLinks[index]?.heal();
  },
  async redis_rolled_back(arena, random, { copies, rollbacks }) {
    rollbacks.push(await rollBack(arena, redisOf(arena), random.pick(ROLLBACK_KINDS), random, copies));
    arena.talk();
  },

  async postgres_killed({ deployment: { postgres } }, random) {
    if (postgres === null) throw new Error('this fault needs a Postgres of its own');
    await (random.next() < 0.5 ? postgres.kill() : postgres.stopImmediate());
    await delay(random.below(MOST_AWAY_MS));
    await postgres.restart();
  },
  postgres_slow({ deployment }, random) {
    const traffic = { kind: 'delay', delayMs: 50 + random.below(MOST_LATE_MS) } as const;
    return during(someOf(deployment.databaseLinks, random), traffic, random);
  },
  postgres_unreachable: ({ deployment }, random) => blackHole(someOf(deployment.databaseLinks, random), random),
  async postgres_locked({ deployment: { databaseUrl }, clients }, random) {
    if (databaseUrl === null) throw new Error('this fault needs a Postgres of its own');
    const locks = await DatabaseLocks.open(databaseUrl, random.pick(clients.pairs).sessionId);
    const [ms, isDeadlock, isOurs] = [away(random), random.next() < 0.3, random.next() < 0.5];
    try {
      await locks.hold();
      await delay(ms);
      await locks.release();
      if (isDeadlock) await locks.deadlock(isOurs);
    } finally {
      await locks.close();
    }
  },

  async client_half_open({ clients }, random) {
    const some = someOf(clients.placed, random);
    const ms = away(random);
    await withNetworkCut(some, async () => {
      for (const { network } of some) network.set({ kind: 'swallow' });
      await delay(ms);
    });
  },
  clients_reset: ({ clients }, random) =>
    withNetworkCut(someOf(clients.placed, random), (some) => {
      for (const { network } of some) network.reset();
      return Promise.resolve();
    }),
  ack_lost: (arena, random) => loseAnswer(arena, random.pick(arena.clients.placed)),
};

/** As whoever watches over a process would: a start that meets stores which are away may fail, and is repeated. */
export async function startAgain(instance: Instance): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await instance.start();
      return;
    } catch (error) {
      if (attempt === STARTS) throw error;
    }
  }
}

function mortal({ deployment }: Arena): Instance[] {
  return deployment.instances.filter((_, index) => index !== ELDER);
}

function redisOf({ deployment: { redis } }: Arena): RedisServer {
  if (redis === null) throw new Error('this fault needs a Redis of its own');
  return redis;
}

/** All of them, or only some, at least one. */
function someOf<T>(items: readonly T[], random: Random): T[] {
  const order = shuffled(items, random);
  return random.next() < 0.5 ? order : order.slice(0, 1 + random.below(items.length));
}

function away(random: Random): number {
  return 200 + random.below(MOST_AWAY_MS - 200);
}

function blackHole(links: readonly TcpProxy[], random: Random): Promise<void> {
  return during(links, { kind: 'swallow' }, random);
}

async function during(links: readonly TcpProxy[], traffic: Traffic, random: Random): Promise<void> {
  const ms = away(random);
  for (const link of links) link.set(traffic, traffic.kind === 'delay' ? 'down' : undefined);
  await delay(ms);
  for (const link of links) link.heal();
}

/** What happens to a client's own network is no fault of the server's answers. */
async function withNetworkCut(some: readonly Placed[], act: (some: readonly Placed[]) => Promise<void>): Promise<void> {
  for (const { recorder } of some) recorder.noteNetwork(true);
  await act(some);
  for (const { recorder, network } of some) {
    network.heal();
    recorder.noteNetwork(false);
  }
}
