import type { Server as HttpServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Backbone, HotState } from './backbone/backbone.ts';
import type { Config } from './config.ts';
import type { OpenDurable } from './durable/open-durable.ts';
import type { Job } from './jobs/loop.ts';
import type { OverloadWatch } from './limits/overload.ts';
import type { Health } from './observability/health.ts';
import type { Logger } from './observability/logger.ts';
import type { Metrics } from './observability/metrics.ts';
import type { Tracing } from './observability/span.ts';
import type { Gateway } from './realtime/gateway.ts';
import { runPhases } from './shutdown.ts';

/** How long clients may go on talking after they were told of a drain. */
const DRAIN_NOTICE_MS = 1000;
/**
 * Others take the clients in, and have half of the time for it: 5,000 closed within a quarter came faster than one busy
 * instance could resume them, and a third of them waited for longer than 5 s. A server that is alone is the only one that
 * they can come back to: the sooner it has ended, the sooner it is there again.
 */
const ALONE_SPREAD_MS = 1000;
/** What requests get that are being answered when nobody is listened to any more. */
const REQUESTS_MS = 1500;
const IDLE_LOOK_MS = 50;
/** What each phase of a stop gets although those before it used up `DRAIN_TIMEOUT`. */
const PHASE_LEAST_MS = 500;

/** What runs, and is to be stopped. */
export interface RunningParts {
  parts: {
    config: Config;
    logger: Logger;
    metrics: Metrics;
    tracing: Tracing | null;
    durable: OpenDurable;
    backbone: Backbone;
  };
  gateway: Gateway;
  hot: HotState;
  identity: { stop(): Promise<void> };
  jobs: readonly Job[];
  health: Health;
  overload: OverloadWatch;
  http: HttpServer;
}

/** Stops in phases: clients first, then what serves them, then what stores for them, the log last. */
export async function stopAll(running: RunningParts): Promise<void> {
  const { parts, gateway, hot, identity, jobs, health, overload, http } = running;
  const { config, logger, metrics, tracing, durable, backbone } = parts;
  const { delayMs, timeoutMs } = config.drain;
  const noticeMs = Math.min(DRAIN_NOTICE_MS, timeoutMs / 4);
  const isAlone = backbone.adapter === null;
  const spreadMs = isAlone ? Math.min(ALONE_SPREAD_MS, timeoutMs / 4) : timeoutMs / 2;
  const atLeastMs = PHASE_LEAST_MS;
  await runPhases(
    [
      { name: 'balancer', atMostMs: delayMs + atLeastMs, atLeastMs: delayMs + 1, run: () => delay(delayMs) },
      {
        name: 'notice',
        atMostMs: noticeMs + atLeastMs,
        atLeastMs: noticeMs + atLeastMs,
        run: async () => {
          gateway.startDraining(noticeMs);
          if (gateway.connectionCount > 0) await delay(noticeMs);
        },
      },
      { name: 'connections', atMostMs: 0.7 * timeoutMs, atLeastMs, run: () => gateway.drain(spreadMs) },
      {
        name: 'jobs',
        atMostMs: 5000,
        atLeastMs,
        run: async () => {
          await Promise.all(jobs.map((job) => job.stop()));
        },
      },
      { name: 'sockets', atMostMs: 2000, atLeastMs, run: () => gateway.stop() },
      { name: 'http', atMostMs: 2000, atLeastMs, run: () => closeHttp(http) },
      // Its reports stay readable; what it looks at is about to go. It waits for nothing.
      {
        name: 'health',
        atMostMs: 500,
        atLeastMs: 0,
        run: () => {
          health.stop();
          overload.stop();
        },
      },
      { name: 'state', atMostMs: 5000, atLeastMs, run: () => Promise.all([hot.state.stop(), identity.stop()]) },
      { name: 'database', atMostMs: 6000, atLeastMs, run: () => Promise.all([backbone.close(), durable.close()]) },
      // Nothing begins a span any more; what is lost of them is a line of the log.
      { name: 'traces', atMostMs: 2500, atLeastMs: 0, run: () => tracing?.stop() },
      {
        name: 'logs',
        atMostMs: 7000,
        atLeastMs,
        run: async () => {
          metrics.stop();
          logger.info('server_stopped');
          await logger.close();
        },
      },
    ],
    { budgetMs: delayMs + timeoutMs, logger },
  );
}

/** A request that is being answered is not cut off: nobody could tell its sender what came of it. */
async function closeHttp(http: HttpServer): Promise<void> {
  const closed = new Promise<void>((resolve) => void http.close(() => resolve()));
  // Connections that are kept alive become idle one by one.
  const idle = setInterval(() => http.closeIdleConnections(), IDLE_LOOK_MS);
  try {
    http.closeIdleConnections();
    await Promise.race([closed, delay(REQUESTS_MS, undefined, { ref: false })]);
  } finally {
    clearInterval(idle);
    http.closeAllConnections();
  }
  await closed;
}
