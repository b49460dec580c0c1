import { performance } from 'node:perf_hooks';
import { statfs } from 'node:fs/promises';
import type { Durability } from '../../protocol/session.ts';
import type { CheckReport, Health, HealthSummary } from './health.ts';
import { Lookup } from './health-lookup.ts';
import type { Logger } from './logger.ts';

/** What the hot state tells of itself; null what it does not tell. */
export interface CacheFigures {
  readonly hits: number | null;
  readonly misses: number | null;
  readonly totalKeys: number | null;
  readonly memoryUsedBytes: number | null;
}

/** What this instance has to do with now; `messages` are those it accepted since its start. */
export interface HealthStats {
  readonly sessions: number;
  readonly participants: number;
  readonly connections: number;
  /** Accounts; null when the database does not say. */
  readonly users: number | null;
  readonly messages: number;
}

export interface DetailedHealthOptions {
  health: Pick<Health, 'summary'>;
  version: string;
  durability: () => Durability;
  /** As the metric `event_loop_lag_seconds`. */
  eventLoopLagSeconds: () => number;
  cacheType: 'redis' | 'memory';
  cache: () => Promise<CacheFigures>;
  /** What this instance looked up in its caches since its start; else what the hot state counts of itself is reported. */
  cacheRequests?: () => { readonly hits: number; readonly misses: number };
  /** Directory whose disk must not get full; null when this process keeps nothing on a disk. */
  storageDir: string | null;
  /** Tells of the lines of the log that were lost. */
  logger: Pick<Logger, 'dropped' | 'droppedAt'>;
  stats: () => Omit<HealthStats, 'users'>;
  countUsers: () => Promise<number>;
  mail: () => Status;
  /** Sessions that the archive refuses, in whole or in part. */
  countSetAside: () => Promise<number>;
}

type Status = CheckReport['status'];

export interface DetailedReport extends HealthSummary {
  version: string;
  memory: { rss: number; heapTotal: number; heapUsed: number; external: number; arrayBuffers: number };
  eventLoop: { lagSeconds: number; utilization: number };
  durability: Durability;
  durabilityMeaning: string;
  checks: {
    database: { status: Status; type: string; latencyMs: number | null };
    cache: {
      status: Status;
      type: 'redis' | 'memory';
      latencyMs: number | null;
      hits: number | null;
      misses: number | null;
      hitRate: number | null;
      totalKeys: number | null;
      memoryUsed: number | null;
    };
    storage: { status: Status; freeBytes: number | null; totalBytes: number | null };
    logs: { status: Status; droppedLines: number };
    mail: { status: Status };
    archive: { status: Status; sessionsSetAside: number | null };
  };
  stats: HealthStats;
}

export interface DetailedHealth {
  /** Resolves within little more than a second, whatever does not answer; never rejects. */
  report(): Promise<DetailedReport>;
}

/** What an acknowledged message survives, in words. */
export const DURABILITY_MEANINGS: Readonly<Record<Durability, string>> = {
  archived:
    'An acknowledged message was committed in Postgres before the answer. The embedded Postgres runs without fsync: ' +
    'a crash of the process costs nothing, a power cut possibly the last commits.',
  redis_always:
    'An acknowledged message was written to the disk of Redis before the answer; a crash of Redis costs nothing.',
  redis_everysec:
    'An acknowledged message is on the disk of Redis within two seconds; a crash of Redis may cost what came since.',
  redis_memory:
    'An acknowledged message is in the memory of Redis alone; a crash of Redis costs what is not archived yet.',
};

/** Less room than this is said before it is gone. */
const LEAST_FREE_BYTES = 512 * 1024 * 1024;
const LEAST_FREE_SHARE = 0.05;
/** Lost lines are a matter of now for so long. */
const LOST_LINES_MS = 300_000;

/** The long report for operators. What costs something is looked up when they ask, with a deadline. */
export function createDetailedHealth(options: DetailedHealthOptions): DetailedHealth {
  const { health, storageDir } = options;
  const cache = new Lookup(options.cache);
  const storage = storageDir === null ? null : new Lookup(() => spaceOf(storageDir));
  const users = new Lookup(options.countUsers);
  const setAside = new Lookup(options.countSetAside);
  let before = performance.eventLoopUtilization();

  return {
    report: async () => {
      const [cacheLook, space, accounts, aside] = await Promise.all([
        cache.look(),
        storage?.look() ?? null,
        users.look(),
        setAside.look(),
      ]);
      const summary = health.summary();
      const { database, redis } = summary.services;
      const { totalKeys = null, memoryUsedBytes = null } = cacheLook?.value ?? {};
      // Counted here, so known also while the hot state is away.
      const { hits = null, misses = null } = options.cacheRequests?.() ?? cacheLook?.value ?? {};
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, before);
      before = now;
      const durability = options.durability();
      return {
        ...summary,
        version: options.version,
        memory: { ...process.memoryUsage() },
        eventLoop: {
          lagSeconds: options.eventLoopLagSeconds(),
          utilization: Math.round(utilization * 1000) / 1000,
        },
        durability,
        durabilityMeaning: DURABILITY_MEANINGS[durability],
        checks: {
          database: { status: database.status, type: database.type, latencyMs: database.latencyMs },
          cache: {
            status: cacheLook === null || redis.status === 'failed' ? 'failed' : 'ok',
            type: options.cacheType,
            latencyMs: cacheLook?.latencyMs ?? null,
            hits,
            misses,
            hitRate: hitRate(hits, misses),
            totalKeys,
            memoryUsed: memoryUsedBytes,
          },
          storage: {
            status: storage === null ? 'disabled' : statusOf(space?.value ?? null),
            freeBytes: space?.value.freeBytes ?? null,
            totalBytes: space?.value.totalBytes ?? null,
          },
          logs: logsOf(options.logger),
          mail: { status: options.mail() },
          archive: {
            status: aside === null ? 'failed' : aside.value > 0 ? 'degraded' : 'ok',
            sessionsSetAside: aside?.value ?? null,
          },
        },
        stats: { ...options.stats(), users: accounts?.value ?? null },
      };
    },
  };
}

function hitRate(hits: number | null, misses: number | null): number | null {
  if (hits === null || misses === null) return null;
  return hits === 0 ? 0 : Math.round((hits / (hits + misses)) * 10_000) / 10_000;
}

interface Space {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

async function spaceOf(dir: string): Promise<Space> {
  const { bavail, blocks, bsize } = await statfs(dir);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

function statusOf(space: Space | null): Status {
  if (space === null) return 'failed';
  const least = Math.min(LEAST_FREE_BYTES, space.totalBytes * LEAST_FREE_SHARE);
  return space.freeBytes < least ? 'degraded' : 'ok';
}

function logsOf(logger: DetailedHealthOptions['logger']): DetailedReport['checks']['logs'] {
  const droppedAt = logger.droppedAt();
  const isNews = droppedAt !== null && performance.now() - droppedAt < LOST_LINES_MS;
  return { status: isNews ? 'degraded' : 'ok', droppedLines: logger.dropped() };
}
