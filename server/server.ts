import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { TandemError } from '../protocol/errors.ts';
import type { Backbone, HotState } from './backbone/backbone.ts';
import { openBackbone } from './backbone/open-backbone.ts';
import { Cache } from './cache/cache.ts';
import { openConsole } from './composition/console.ts';
import { createDomain } from './composition/domain.ts';
import { createEdge } from './composition/edge.ts';
import { openIdentity } from './composition/identity.ts';
import { createMail, type MailRoom } from './composition/mail.ts';
import type { Config } from './config.ts';
import { secretValues } from './config/secret-values.ts';
import { DataDirectoryInUseError } from './durable/data-directory-lock.ts';
import type { EmbeddedPostgres, EmbeddedPostgresOptions } from './durable/embedded.ts';
import { openDurable, type OpenDurable } from './durable/open-durable.ts';
import { createHeadAnnouncer } from './jobs/head-announcer.ts';
import { createLoop } from './jobs/loop.ts';
import { createRetention } from './jobs/retention.ts';
import { createSweeper } from './jobs/sweeper.ts';
import { createTimelineWriter } from './jobs/timeline-writer.ts';
import { createClientIp } from './limits/client-ip.ts';
import { createOverloadWatch } from './limits/overload.ts';
import { createDetailedHealth, type DetailedHealth } from './observability/health-detailed.ts';
import { createTurnLog, measureHealth } from './observability/health-outlets.ts';
import { createHealth, type Health } from './observability/health.ts';
import { createLogger, type Logger } from './observability/logger.ts';
import { createMetrics, type Metrics } from './observability/metrics.ts';
import type { Tracing } from './observability/span.ts';
import { openTracing } from './observability/tracing.ts';
import { Gateway } from './realtime/gateway.ts';
import { stopAll } from './stop.ts';
import { newInstanceId } from './state/redis/instance-id.ts';
import { VERSION } from './version.ts';

export interface ServerOverrides {
  /** Unix milliseconds; the system's clock unless a test has another. */
  now?: () => number;
  /** Directory of the built pages. */
  webDir?: string;
  /** Where log lines go instead of to the process's own output. */
  stdout?: Writable;
  /** Starts the embedded database, or hands over one whose start was kicked off before this code was loaded. */
  startDatabase?: (onEvent: EmbeddedPostgresOptions['onEvent']) => Promise<EmbeddedPostgres>;
  /** Whether the process has more to do than it can, where the lag of its event loop is not the server's own. */
  isOverloaded?: () => boolean;
  /** The server can't go on, and must not try: another process has taken the data directory. */
  onFatal?: (error: Error) => void;
  /** An operator asked for the stop; `stop` is what happens unless given. */
  onStopAsked?: () => void;
}

export interface Server {
  /** Resolves when the server listens. Rejects when it can't; what was started is stopped then. */
  start(): Promise<{ port: number }>;
  /** Drains and stops, after a start that is under way has ended; may be called twice. */
  stop(): Promise<void>;
  address(): AddressInfo | null;
}

/** The built pages: beside the built server, or where the build puts them when the source itself runs. */
const WEB_DIRECTORY = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../dist/web/' : '../web/', import.meta.url),
);
/** A process holds no more sockets than this: a new one is refused before it costs anything. */
const MAX_CONNECTIONS = 20_000;

/** What may still be asked for is kept so long on top: clocks differ. */
const RETENTION_SPARE_MS = 60_000;
/** As often as autovacuum looks. */
const UPKEEP_MS = 60_000;

/** The composition root: every part is built here, and nowhere else. */
export function createServer(config: Config, overrides: ServerOverrides = {}): Server {
  const instanceId = newInstanceId();
  const { level, dir, retentionDays, format } = config.log;
  const stdout = overrides.stdout === undefined ? {} : { stdout: overrides.stdout };
  const secrets = secretValues(config);
  const logger = createLogger({ level, dir, retentionDays, format, instanceId, secrets, ...stdout });
  const metrics = createMetrics({ version: VERSION });
  const onFault = (error: unknown) => {
    // A store that is away has a line of its own; what fails meanwhile is tried again, and is no fault of ours.
    const isAway = error instanceof TandemError && error.code === 'UNAVAILABLE';
    logger[isAway ? 'debug' : 'error']('internal_error', { error });
  };

  let tracing: Tracing | null = null;
  let running: Running | null = null;
  let starting: Promise<{ port: number }> | null = null;
  let stopping: Promise<void> | null = null;
  const goOnUnlessStopping = () => {
    if (stopping !== null) throw new Error('The server was told to stop before it had started.');
  };
  const closeLogs = async () => {
    await tracing?.stop();
    metrics.stop();
    await logger.close();
  };
  const build = async () => {
    goOnUnlessStopping();
    tracing = await openTracing(config.tracing, { version: VERSION, instanceId, logger });
    const durable = await openStore(config, overrides, { logger, metrics });
    let backbone: Backbone | null = null;
    try {
      goOnUnlessStopping();
      const testClock = overrides.now ?? null;
      const parts = { config, durable, logger, metrics, tracing, instanceId, onFault, testClock };
      backbone = await openBackbone(parts);
      goOnUnlessStopping();
      const onStopAsked = overrides.onStopAsked ?? (() => void stopOnce().catch(onFault));
      running = await serve({ ...parts, overrides, backbone, onStopAsked });
      return { port: running.address().port };
    } catch (error) {
      await backbone?.close();
      await durable.close();
      throw error;
    }
  };
  const start = async () => {
    try {
      return await build();
    } catch (error) {
      await closeLogs();
      throw error;
    }
  };
  const stop = async () => {
    // What a start has opened by now is known only when it has ended; one that failed has closed it.
    await starting?.catch(() => undefined);
    await (running?.stop() ?? closeLogs());
  };
  const stopOnce = () => (stopping ??= stop());
  return {
    start: () => (starting ??= start()),
    stop: stopOnce,
    address: () => running?.address() ?? null,
  };
}

/** The durable store, migrated. */
function openStore(
  config: Config,
  { startDatabase, onFatal }: ServerOverrides,
  { logger, metrics }: { logger: Logger; metrics: Metrics },
): Promise<OpenDurable> {
  return openDurable(config, {
    onEvent: (event, error) => {
      if (event === 'lost') logger.error('db_error', { error, reason: 'lost' });
      else logger.warn('db_recovered');
      if (error instanceof DataDirectoryInUseError) onFatal?.(error);
    },
    onQuery: queryObserver(metrics, logger),
    onIdleError: (error) => logger.warn('db_error', { error, reason: 'idle_connection' }),
    ...(startDatabase === undefined ? {} : { startEmbedded: startDatabase }),
  });
}

/** Measures every statement; of those that fail it logs one a second, so an outage is no flood of lines. */
function queryObserver(metrics: Metrics, logger: Logger): (name: string, seconds: number, ok: boolean) => void {
  const series = new Map<string, (seconds: number) => void>();
  let loggedAt = Number.NEGATIVE_INFINITY;
  return (name, seconds, ok) => {
    let observe = series.get(name);
    if (observe === undefined) series.set(name, (observe = metrics.databaseQuery(name)));
    observe(seconds);
    if (ok || performance.now() - loggedAt < 1000) return;
    loggedAt = performance.now();
    logger.warn('db_error', { query: name, durationMs: seconds * 1000 });
  };
}

interface Parts {
  config: Config;
  overrides: ServerOverrides;
  durable: OpenDurable;
  backbone: Backbone;
  logger: Logger;
  metrics: Metrics;
  tracing: Tracing | null;
  instanceId: string;
  onFault: (error: unknown) => void;
  onStopAsked: () => void;
}

interface Running {
  address(): AddressInfo;
  stop(): Promise<void>;
}

/** Builds the rest in the order of its dependencies, restores the sessions, and listens. */
async function serve(parts: Parts): Promise<Running> {
  const { config, durable, backbone, logger, metrics, tracing, instanceId, onFault } = parts;
  const { now, limits, adapter } = backbone;
  const clientIp = createClientIp(config.trustProxy);
  const overload = createOverloadWatch((isOverloaded) => {
    logger.warn('security_event', { reason: isOverloaded ? 'overloaded' : 'overload_over' });
  });
  const gateway = new Gateway({
    transports: config.socketTransports,
    corsOrigins: config.corsOrigins,
    publicUrl: config.publicUrl,
    maxConnections: MAX_CONNECTIONS,
    isOverloaded: parts.overrides.isOverloaded ?? (() => overload.isOverloaded()),
    clientIp,
    rules: config.limits,
    limits,
    adapter,
    tracing,
    now,
    logger,
    metrics,
  });
  const hot = await backbone.openState({
    onAppended: ({ sessionId, from, seq }) => {
      metrics.messageAppended();
      logger.debug('message_sent', { sessionId, participantId: from, seq });
    },
    onMessage: (message, sender) => {
      const { traceparent } = sender;
      const span = traceparent === undefined ? null : tracing?.begin('consumer', 'message:new', traceparent);
      const isDelivered = gateway.rooms.deliver(message, sender);
      span?.end({ sessionId: message.sessionId });
      if (!isDelivered) return;
      // Clocks of instances differ by a little: nothing arrives before it is sent.
      metrics.messageDelivered(Math.max(0, now() - message.sentAt) / 1000);
    },
    sessions: () => sessions,
  });
  const { state } = hot;
  const cache = new Cache({
    store: backbone.cacheStore,
    onRequest: (kind, outcome) => metrics.cacheRequest(kind, outcome),
  });
  const domain = createDomain(parts, hot, gateway.rooms, cache);
  const { sessions } = domain;
  const feed = backbone.revocations;
  const mail = createMail({ ...parts, directory: domain.directory });
  const identity = await openIdentity({ config, accounts: durable.accounts, feed, cache, now, logger, metrics });
  identity.revocations.onRevoked(() => gateway.endRevoked());
  gateway.serve({
    ...domain,
    maxBodyBytes: config.messages.maxBytes,
    identities: {
      ...identity.forConnections,
      isRequired: config.auth.required,
      loginTtlMs: config.auth.refreshTokenTtlMs,
    },
  });
  observeState(metrics, hot, gateway);
  const jobs = [
    createSweeper({ state, sessions, onError: onFault }),
    createHeadAnnouncer(sessions, onFault),
    createRetention({
      durable: durable.store,
      retentionMs: config.messages.retentionMs,
      neededMs: Math.max(config.messages.retryHorizonMs, config.sessions.codeTtlMs) + RETENTION_SPARE_MS,
      keepNewest: config.messages.hotMessages,
      now,
      onError: onFault,
    }),
    ...(durable.keepUp === undefined ? [] : [createLoop(UPKEEP_MS, durable.keepUp, onFault)]),
    createTimelineWriter({
      timeline: domain.timeline,
      durable: durable.store,
      onLost: (count) => logger.warn('session_events_lost', { count }),
      onError: onFault,
    }),
    ...hot.jobs,
    ...(mail.job === null ? [] : [mail.job]),
  ];
  let isDraining = false;
  const health = createHealth({
    version: VERSION,
    instanceId,
    startedAt: now(),
    database: () => durable.ping(),
    databaseType: durable.kind,
    redis: backbone.check,
    isBacklogFull: () => hot.isBacklogFull?.() ?? false,
    delivery: () => state.probe(),
    isDraining: () => isDraining,
    now,
    onTurn: createTurnLog(logger, { isDeliveredByDatabase: backbone.kind === 'memory' }),
  });
  metrics.observe({ logLinesDropped: () => logger.dropped() });
  measureHealth(metrics, health);
  jobs.push(openConsole({ ...parts, hot, gateway, domain, identity, health, mail, isDraining: () => isDraining }));
  const http = createEdge({
    ...parts,
    ...{ hot, gateway, domain, identity, cache, health, clientIp },
    invitations: mail.invitations,
    detailedHealth: detailedHealthOf(parts, { hot, gateway, health, cache, mail }),
    webDir: parts.overrides.webDir ?? WEB_DIRECTORY,
  });
  health.start();
  try {
    await listen(http, config);
  } catch (error) {
    health.stop();
    await gateway.stop();
    await identity.stop();
    await state.stop();
    throw error;
  }
  metrics.start();
  if (parts.overrides.isOverloaded === undefined) overload.start();
  for (const job of jobs) job.start();
  // Whoever reads that the server has started finds it ready.
  await health.looked();
  const address = () => http.address() as AddressInfo;
  logStarted(parts, address());
  return {
    address,
    stop: async () => {
      isDraining = true;
      logger.info('drain_started', { count: gateway.connectionCount });
      await stopAll({ parts, gateway, hot, identity, jobs, health, overload, http });
    },
  };
}

function observeState(metrics: Metrics, { state, archiveLagMs }: HotState, gateway: Gateway): void {
  metrics.observe({
    connections: () => gateway.connectionCount,
    sessions: () => ({ ...state.counts().sessions, closed: 0 }),
    participants: () => state.counts().participants,
    sendBufferBytes: () => gateway.sendBufferBytes(),
    archiveBacklogMessages: () => state.counts().backlog,
    archiveLagSeconds: () => (archiveLagMs?.() ?? state.counts().oldestWriteAgeMs) / 1000,
  });
}

function detailedHealthOf(
  { config, durable, backbone, logger, metrics }: Parts,
  {
    hot,
    gateway,
    health,
    cache,
    mail,
  }: { hot: HotState; gateway: Gateway; health: Health; cache: Cache; mail: MailRoom },
): DetailedHealth {
  return createDetailedHealth({
    health,
    version: VERSION,
    durability: backbone.durability,
    eventLoopLagSeconds: () => metrics.json().eventLoop.lagSeconds,
    cacheType: backbone.kind,
    cache: hot.inspect,
    cacheRequests: () => cache.requests(),
    mail: () => mail.job?.status() ?? 'disabled',
    countUsers: () => durable.accounts.countUsers(),
    countSetAside: hot.countSetAside ?? (() => Promise.resolve(0)),
    storageDir: durable.kind === 'embedded' ? config.dataDir : config.log.dir,
    logger,
    stats: () => {
      const { sessions, participants } = hot.state.counts();
      return {
        sessions: sessions.waiting + sessions.paired,
        participants: participants.online + participants.away,
        connections: gateway.connectionCount,
        messages: metrics.json().messages,
      };
    },
  });
}

function listen(http: HttpServer, { port, host }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', reject);
    http.listen(port, host, () => {
      http.off('error', reject);
      resolve();
    });
  });
}

function logStarted({ config, durable, backbone, logger }: Parts, { port, address }: AddressInfo): void {
  const limits = Object.fromEntries(
    Object.values(config.limits).map(({ name, points, durationMs }) => [name, `${points} per ${durationMs / 1000} s`]),
  );
  logger.info('server_started', {
    port,
    host: address,
    version: VERSION,
    state: backbone.kind,
    database: durable.kind,
    limits: { store: backbone.kind, ...limits },
    durability: backbone.durability(),
  });
}
