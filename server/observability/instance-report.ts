import { performance } from 'node:perf_hooks';
import type { InstanceReport } from '../../protocol/console.ts';
import type { Durability } from '../../protocol/session.ts';
import { quantilesSince } from './duration-quantiles.ts';
import { DURABILITY_MEANINGS } from './health-detailed.ts';
import type { Health } from './health.ts';
import type { Metrics } from './metrics.ts';

/** How long a look at what the archive set aside counts: in a cluster it asks every partition. */
const ASIDE_MS = 60_000;

export interface InstanceReportOptions {
  instanceId: string;
  version: string;
  /** Unix milliseconds, as `now` gives them. */
  startedAt: number;
  health: Pick<Health, 'ready' | 'summary'>;
  metrics: Pick<Metrics, 'json' | 'counted'>;
  isDraining: () => boolean;
  durability: () => Durability;
  archive: () => Pick<InstanceReport['stores']['archive'], 'lagMs' | 'backlogMessages'>;
  countSetAside: () => Promise<number>;
  mail: () => InstanceReport['stores']['mail']['status'];
  now: () => number;
}

/** Gives, at each call, what the instance tells of itself: rates are of the time since the call before. */
export function createInstanceReport(options: InstanceReportOptions): () => InstanceReport {
  const { instanceId, version, startedAt, health, metrics, now } = options;
  let before = { at: performance.now(), cpu: process.cpuUsage(), delivery: metrics.counted().delivery };
  let setAside: number | null = null;
  let askedAt = Number.NEGATIVE_INFINITY;

  const askSetAside = (at: number) => {
    if (at - askedAt < ASIDE_MS) return;
    askedAt = at;
    options.countSetAside().then(
      (count) => (setAside = count),
      // Who is away is told by the state of the stores.
      () => (setAside = null),
    );
  };
  return () => {
    const at = performance.now();
    askSetAside(at);
    const { messages, limited, delivery } = metrics.counted();
    const cpu = process.cpuUsage();
    const used = cpu.user + cpu.system - before.cpu.user - before.cpu.system;
    const seconds = Math.max((at - before.at) / 1000, 0.001);
    const quantiles = quantilesSince(before.delivery, delivery);
    before = { at, cpu, delivery };
    const { connections, sessions, participants, eventLoop, memory } = metrics.json();
    const { database, redis } = health.summary().services;
    const durability = options.durability();
    return {
      instanceId,
      version,
      state: options.isDraining() ? 'draining' : health.ready().status,
      startedAt: new Date(startedAt).toISOString(),
      reportedAt: new Date(now()).toISOString(),
      connections,
      sessions: { waiting: sessions.waiting, paired: sessions.paired },
      participants: { online: participants.online, away: participants.away },
      messagesTotal: messages,
      limitedTotal: limited,
      deliveryMs: quantiles === null ? null : { p50: inMs(quantiles.p50), p99: inMs(quantiles.p99) },
      eventLoopLagMs: inMs(eventLoop.lagSeconds),
      memoryBytes: memory.rss,
      cpuCores: Math.round((used / 1e6 / seconds) * 1000) / 1000,
      stores: {
        redis: { status: redis.status, latencyMs: redis.latencyMs },
        database: { status: database.status, latencyMs: database.latencyMs },
        archive: { ...options.archive(), sessionsSetAside: setAside },
        mail: { status: options.mail() },
      },
      durability,
      durabilityMeaning: DURABILITY_MEANINGS[durability],
    };
  };
}

function inMs(seconds: number): number {
  return Math.round(seconds * 1e5) / 100;
}
