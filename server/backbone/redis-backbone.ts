import { setTimeout as delay } from 'node:timers/promises';
import { archiveTurns } from './archive-turns.ts';
import type { Backbone, BackboneParts, HotState, StateListeners } from './backbone.ts';
import { meetsDurability, type RedisConfig } from '../config.ts';
import { createArchiver, type Archiver } from '../jobs/archiver.ts';
import { createLoop } from '../jobs/loop.ts';
import { createMembership } from '../jobs/membership.ts';
import { createRedis, type Redis } from '../state/redis/client.ts';
import { archivedHeads } from '../state/redis/archived-heads.ts';
import { claimDatabase } from '../state/redis/database-claim.ts';
import { measureDurability, measureEviction } from '../state/redis/durability.ts';
import { inspectRedis } from '../state/redis/inspection.ts';
import { Instances } from '../state/redis/instances.ts';
import { Keys, PARTITIONS } from '../state/redis/keys.ts';
import { RedisCache } from '../state/redis/redis-cache.ts';
import { RedisClock } from '../state/redis/redis-clock.ts';
import { RedisLimits } from '../state/redis/redis-limits.ts';
import { PrimaryComparison } from '../state/redis/primary-comparison.ts';
import { PrimaryGate } from '../state/redis/primary-gate.ts';
import { RunClaim } from '../state/redis/run-claim.ts';
import { RedisReports } from '../state/redis/redis-reports.ts';
import { RedisRevocations } from '../state/redis/redis-revocations.ts';
import { RedisState } from '../state/redis/redis-state.ts';
import { createSocketAdapter } from '../state/redis/socket-adapter.ts';
import { Unarchived } from '../state/redis/unarchived.ts';

/** How long a start waits for Redis. */
const START_MS = 20_000;
/** Contract: measured at the start and every minute. */
const MEASURE_MS = 60_000;
const CLOCK_MS = 2000;
/** An answer that promises the archive waits for it no longer than this. */
const WRITE_THROUGH_MS = 1500;
/** A closed session stays readable for the retry horizon, and so long on top for clocks that differ. */
const CLOSED_SPARE_MS = 60_000;

/** Redis that instances share, and the loops that keep it. */
export async function openRedisBackbone(parts: BackboneParts, redisConfig: RedisConfig): Promise<Backbone> {
  const { config, durable, logger, metrics, testClock, onFault } = parts;
  const redis = createRedis(redisConfig, {
    onEvent: (event, { error, downMs }) => {
      if (event === 'redis_lost') logger.error(event, { error });
      else logger.warn(event, { durationMs: downMs });
    },
    onCommand: (seconds) => metrics.redisCommand(seconds),
    onReconnect: () => metrics.redisReconnected(),
  });
  try {
    await redis.start(START_MS);
    const keys = new Keys(redisConfig.keyPrefix);
    await claimDatabase(redis, keys, await durable.identity());
    let durability = await measureDurability(redis);
    if (!meetsDurability(durability, config.durability)) throw new UnmetDurabilityError(config.durability, durability);
    const serverClock = new RedisClock(redis);
    await serverClock.look();
    const now = testClock ?? serverClock.now;
    const clock = testClock === null ? () => '' : () => String(testClock());
    let instanceCount = 1;
    const subscriber = redis.createSubscriber();
    const limits = new RedisLimits({
      redis,
      keys,
      failPolicy: config.rateLimitFailPolicy,
      instanceCount: () => instanceCount,
      now,
      clock,
    });
    // Another process of Redis, or another primary, may have less than was acknowledged.
    const gate = new PrimaryGate();
    const isCompared = () => redis.primaries().every((primary) => gate.isOpen(primary));
    let isWhole = () => false;
    let onEmptied: () => void = () => undefined;
    let onEventLost: () => void = () => undefined;
    const measuring = createLoop(
      MEASURE_MS,
      async () => {
        if ((await claimDatabase(redis, keys, await durable.identity())).isNew) onEmptied();
        const measured = await measureDurability(redis);
        if (measured !== durability)
          logger.warn('security_event', { reason: 'durability_changed', durability: measured });
        durability = measured;
      },
      onFault,
    );
    const ticking = createLoop(
      CLOCK_MS,
      () => serverClock.look(),
      () => undefined,
    );
    const revocations = new RedisRevocations({ redis, subscriber, keys, clock });
    await revocations.start();
    return {
      kind: 'redis',
      limits,
      revocations,
      reports: new RedisReports({ redis, keys, now }),
      cacheStore: new RedisCache({ redis, keys }),
      adapter: createSocketAdapter(redis, subscriber, `${redisConfig.keyPrefix}:io`, () => onEventLost()),
      now,
      durability: () => durability,
      check: () => checkRedis(redis, isCompared),
      openState: async (listeners) => {
        const hot = await openState(
          { parts, redis, subscriber, keys, limits, gate, clock, now, isWhole: () => isWhole() },
          listeners,
          (count) => {
            instanceCount = count;
          },
        );
        const comparison = new PrimaryComparison({
          ...{ redis, gate, onFault },
          claim: new RunClaim(redis, keys),
          compare: () => hot.state.compare(archivedHeads(durable.store)),
          onOpened: () => hot.state.suspect(),
        });
        isWhole = () => comparison.isDone;
        onEmptied = () => comparison.doubt();
        onEventLost = () => hot.state.eventsLost();
        // Whoever reads that the server has started finds it ready. When this takes longer, commands are refused meanwhile.
        comparison.start();
        await comparison.opened(START_MS);
        return { ...hot, jobs: [...hot.jobs, measuring, ticking, comparison] };
      },
      close: async () => {
        revocations.stop();
        await subscriber.close();
        await redis.close();
      },
    };
  } catch (error) {
    await redis.close();
    throw error;
  }
}

/** `DURABILITY` asks for more than Redis is set up to give. */
export class UnmetDurabilityError extends Error {
  override readonly name = 'UnmetDurabilityError';

  constructor(wanted: string, measured: string) {
    super(
      `DURABILITY: received ${wanted}; expected a level that the store meets, which gives ${measured}; ` +
        'lower it, take auto, or set up the store for more.',
    );
  }
}

interface StateParts {
  parts: BackboneParts;
  redis: Redis;
  subscriber: ReturnType<Redis['createSubscriber']>;
  keys: Keys;
  limits: RedisLimits;
  gate: PrimaryGate;
  isWhole: () => boolean;
  clock: () => string;
  now: () => number;
}

async function openState(
  { parts, redis, subscriber, keys, limits, gate, isWhole, clock, now }: StateParts,
  listeners: StateListeners,
  onInstances: (count: number) => void,
): Promise<HotState & { readonly state: RedisState }> {
  const { config, durable, logger, metrics, testClock, instanceId, onFault } = parts;
  const { retryHorizonMs, hotMessages } = config.messages;
  const state: RedisState = new RedisState({
    redis,
    guard: gate,
    isWhole,
    subscriber,
    keys,
    instanceId,
    onAppended: listeners.onAppended,
    onMessage: listeners.onMessage,
    onChangedElsewhere: (snapshot, mayHaveMissed) => {
      listeners.sessions().changedElsewhere(snapshot, mayHaveMissed).catch(onFault);
    },
    onNewEpoch: (sessionId) => listeners.sessions().epochEnded(sessionId),
    isConnected: (sessionId) => listeners.sessions().isConnected(sessionId),
    archive: { durable: durable.store, store: (sessionId) => archiver.archiveRest(sessionId), now },
    clusterLimits: redis.kind === 'cluster' ? limits : null,
    timings: config.sessions,
    retryHorizonMs,
    onFault,
    ...(testClock === null ? {} : { now: testClock }),
  });
  await state.start();
  const deployment = new Instances(redis, keys);
  // Before it holds a seat: nobody would look for the seats of an instance that died before its first heartbeat.
  await deployment.beat(instanceId);
  const source = new Unarchived({
    redis,
    keys,
    hotMessages,
    closedLifeMs: Math.max(retryHorizonMs, config.sessions.codeTtlMs) + CLOSED_SPARE_MS,
    owned: () => state.ownedPartitions,
    clock,
  });
  const archiver: Archiver = createArchiver({
    source,
    ...archiveTurns(durable.store, logger),
    onPoison: (sessionId, error, _epoch, seq) => {
      metrics.sessionSetAside();
      logger.error('archive_failed', { sessionId, error, reason: 'refused', ...(seq === null ? {} : { seq }) });
    },
    onMended: (sessionId) => logger.warn('db_recovered', { sessionId, reason: 'archive' }),
    onDivergence: (sessionId, epoch) => state.replace(sessionId, epoch).catch(onFault),
  });
  const membership = createMembership({
    deployment,
    instanceId,
    partitions: PARTITIONS,
    onShare: async (partitions, living) => {
      onInstances(living);
      await state.refreshCounts(partitions);
    },
    onDeath: () => state.suspect(),
    onLost: (sessionId, lost) => listeners.sessions().instanceLost(sessionId, lost),
    onError: (error) => logger.debug('internal_error', { error, reason: 'heartbeat' }),
  });
  return {
    state,
    jobs: [membership, archiver],
    writeThrough: (sessionId) => inTime(archiver.archive(sessionId)),
    archiveChanges: () => inTime(archiver.archiveChanges()),
    inspect: () => inspectRedis(redis),
    archiveLagMs: () => archiver.lagMs(),
    countSetAside: () => archiver.countAside(),
    isBacklogFull: () => state.isBacklogFull,
  };
}

/** What takes longer goes on, and nobody waits for it. */
async function inTime(work: Promise<unknown>): Promise<void> {
  await Promise.race([work, delay(WRITE_THROUGH_MS, undefined, { ref: false })]);
}

/** Whether the shared state may be relied on: reachable, known to have all that it should, and never dropping a key by itself. */
async function checkRedis(redis: Redis, isCompared: () => boolean): Promise<void> {
  if (!isCompared()) throw new Error('Redis came back, and is not yet compared with the archive.');
  const eviction = await measureEviction(redis);
  if (!eviction.isSafe) {
    const policy = eviction.policy ?? 'not to be asked for';
    throw new Error(`maxmemory-policy of Redis is ${policy}; expected noeviction, because any other drops messages.`);
  }
}
