import { availableParallelism, loadavg } from 'node:os';
import { Registry, type Counter, type Gauge } from 'prom-client';
import { COMMAND_NAMES, type CommandName } from '../../protocol/commands.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import type { LimitName } from '../../protocol/limits.ts';
import type { Presence, SessionStatus } from '../../protocol/session.ts';
import type { DurationCounts, DurationSeries } from './duration-histogram.ts';
import { createEventLoopLag } from './event-loop-lag.ts';
import {
  createCatalogue,
  methodLabel,
  PRESENCES,
  SESSION_STATUSES,
  UNKNOWN_COMMAND,
  type AuthOutcome,
  type CacheName,
  type CacheOutcome,
  type ConnectionEnd,
  type EmailOutcome,
  type PairingOutcome,
  type ResumeOutcome,
} from './metric-catalogue.ts';
import { CONTENT_TYPES, negotiateMetrics, toOpenMetrics } from './metrics-exposition.ts';
import { processMetrics } from './process-metrics.ts';

export type { CacheName, CacheOutcome, ConnectionEnd, PairingOutcome, ResumeOutcome } from './metric-catalogue.ts';

/** State that is read at each scrape. A part of the server gives what it knows; until then the value is 0. */
export interface MetricSources {
  connections?: () => number;
  sessions?: () => Record<SessionStatus, number>;
  participants?: () => Record<Presence, number>;
  sendBufferBytes?: () => number;
  archiveBacklogMessages?: () => number;
  archiveLagSeconds?: () => number;
  revocationsActive?: () => number;
  isReady?: () => boolean;
  databaseUp?: () => boolean;
  redisUp?: () => boolean;
  /** Since the start. */
  logLinesDropped?: () => number;
}

/** For people and scripts without Prometheus. Sizes are bytes, times seconds. */
export interface MetricsSummary {
  timestamp: string;
  version: string;
  uptime: number;
  memory: { rss: number; heapTotal: number; heapUsed: number; external: number; arrayBuffers: number };
  cpu: { userSeconds: number; systemSeconds: number; cores: number; loadAverage: number[] };
  eventLoop: { lagSeconds: number };
  connections: number;
  sessions: Record<SessionStatus, number>;
  participants: Record<Presence, number>;
  /** Accepted since the start. */
  messages: number;
}

export interface Metrics {
  /** Starts and stops the measuring of the event loop; both may be called twice. */
  start(): void;
  stop(): void;
  /** Adds sources; one that is given again replaces the earlier one. */
  observe(sources: MetricSources): void;
  commandOk(command: CommandName, seconds: number): void;
  /** `command` as the client named it: anything but a known command counts as `unknown`. */
  commandFailed(command: string, code: ErrorCode, seconds: number): void;
  messageAppended(): void;
  messageDelivered(seconds: number): void;
  signalSent(): void;
  pairing(outcome: PairingOutcome): void;
  timeToPair(seconds: number): void;
  resume(outcome: ResumeOutcome): void;
  rateLimited(limit: LimitName): void;
  connectionClosed(reason: ConnectionEnd): void;
  auth(outcome: AuthOutcome): void;
  revocation(): void;
  /** The archive refused a session, and goes on without it. */
  sessionSetAside(): void;
  redisCommand(seconds: number): void;
  redisReconnected(): void;
  /** Names a statement, at zero from now on, and returns what its durations are told to. Call it once per statement. */
  databaseQuery(query: string): (seconds: number) => void;
  /** `route` is the matched pattern or `unmatched`, never a URL. */
  httpRequest(method: string, route: string, status: number, seconds: number): void;
  cacheRequest(cache: CacheName, outcome: CacheOutcome): void;
  email(outcome: EmailOutcome): void;
  /** Prometheus text, or OpenMetrics where `accept` prefers it. */
  text(accept?: string): Promise<{ contentType: string; body: string }>;
  json(): MetricsSummary;
  /** What was counted since the start, for whoever compares it with what was counted before. */
  counted(): { messages: number; limited: Record<string, number>; delivery: DurationCounts };
}

interface CommandSeries {
  /** Answered well since the last scrape. */
  ok: number;
  readonly seconds: DurationSeries;
}

export function createMetrics({ version }: { version: string }): Metrics {
  const registry = new Registry();
  const catalogue = createCatalogue(registry);
  const all = Registry.merge([registry, processMetrics()]);
  const lag = createEventLoopLag();
  const sources: MetricSources = {};
  let messages = 0;
  const limited = new Map<LimitName, number>();
  catalogue.build.set({ version }, 1);
  mirror(catalogue.connections, () => sources.connections?.());
  mirror(catalogue.sendBuffer, () => sources.sendBufferBytes?.());
  mirror(catalogue.archiveBacklog, () => sources.archiveBacklogMessages?.());
  mirror(catalogue.archiveLag, () => sources.archiveLagSeconds?.());
  mirror(catalogue.revocationsActive, () => sources.revocationsActive?.());
  mirror(catalogue.ready, () => Number(sources.isReady?.() ?? false));
  mirror(catalogue.databaseUp, () => Number(sources.databaseUp?.() ?? false));
  mirror(catalogue.redisUp, () => Number(sources.redisUp?.() ?? false));
  mirror(catalogue.eventLoopLag, lag.seconds);
  mirrorTotal(catalogue.logLinesDropped, () => sources.logLinesDropped?.());
  mirrorEach(catalogue.sessions, 'status', SESSION_STATUSES, () => sources.sessions?.());
  mirrorEach(catalogue.participants, 'presence', PRESENCES, () => sources.participants?.());

  // What a message passes is looked up once, and counted in plain numbers: prom-client hashes labels at every call.
  const commands = new Map<string, CommandSeries>(
    [...COMMAND_NAMES, UNKNOWN_COMMAND].map((command) => [
      command,
      { ok: 0, seconds: catalogue.commandSeconds.series({ command }) },
    ]),
  );
  withCollect(catalogue.commands, () => {
    for (const [command, series] of commands) {
      if (series.ok > 0) catalogue.commands.inc({ command, outcome: 'ok' }, series.ok);
      series.ok = 0;
    }
  });
  mirrorTotal(catalogue.messages, () => messages);
  const [delivery, timeToPair, redis] = [
    catalogue.deliverySeconds.series({}),
    catalogue.pairSeconds.series({}),
    catalogue.redisSeconds.series({}),
  ];

  return {
    start: lag.start,
    stop: lag.stop,
    observe: (more) => {
      Object.assign(sources, more);
    },
    commandOk: (command, seconds) => {
      const series = commands.get(command);
      if (series === undefined) return;
      series.ok += 1;
      series.seconds.observe(seconds);
    },
    commandFailed: (name, code, seconds) => {
      const command = commands.has(name) ? name : UNKNOWN_COMMAND;
      catalogue.commands.inc({ command, outcome: code.toLowerCase() });
      commands.get(command)?.seconds.observe(seconds);
    },
    messageAppended: () => {
      messages += 1;
    },
    messageDelivered: (seconds) => delivery.observe(seconds),
    signalSent: () => catalogue.signals.inc(),
    pairing: (outcome) => catalogue.pairings.inc({ outcome }),
    timeToPair: (seconds) => timeToPair.observe(seconds),
    resume: (outcome) => catalogue.resumes.inc({ outcome }),
    rateLimited: (limit) => {
      catalogue.rateLimited.inc({ limit });
      limited.set(limit, (limited.get(limit) ?? 0) + 1);
    },
    connectionClosed: (reason) => catalogue.closed.inc({ reason }),
    auth: (outcome) => catalogue.auth.inc({ outcome }),
    revocation: () => catalogue.revocations.inc(),
    sessionSetAside: () => catalogue.setAside.inc(),
    redisCommand: (seconds) => redis.observe(seconds),
    redisReconnected: () => catalogue.redisReconnects.inc(),
    databaseQuery: (query) => {
      const series = catalogue.querySeconds.series({ query });
      return (seconds) => series.observe(seconds);
    },
    httpRequest: (method, route, status, seconds) =>
      catalogue.httpSeconds.series({ method: methodLabel(method), route, status: String(status) }).observe(seconds),
    cacheRequest: (cache, outcome) => catalogue.cache.inc({ cache, outcome }),
    email: (outcome) => catalogue.emails.inc({ outcome }),
    text: async (accept) => {
      const format = negotiateMetrics(accept) === 'openmetrics' ? 'openmetrics' : 'text';
      // prom-client spells it "Nan", which only lenient parsers read.
      const text = (await all.metrics()).replace(/ Nan$/gm, ' NaN');
      return { contentType: CONTENT_TYPES[format], body: format === 'openmetrics' ? toOpenMetrics(text) : text };
    },
    json: () => {
      const cpu = process.cpuUsage();
      return {
        timestamp: new Date().toISOString(),
        version,
        uptime: process.uptime(),
        memory: { ...process.memoryUsage() },
        cpu: {
          userSeconds: cpu.user / 1e6,
          systemSeconds: cpu.system / 1e6,
          cores: availableParallelism(),
          loadAverage: loadavg(),
        },
        eventLoop: { lagSeconds: lag.seconds() },
        connections: read(sources.connections) ?? 0,
        sessions: { waiting: 0, paired: 0, closed: 0, ...read(sources.sessions) },
        participants: { online: 0, away: 0, ...read(sources.participants) },
        messages,
      };
    },
    counted: () => ({ messages, limited: Object.fromEntries(limited), delivery: delivery.counts() }),
  };
}

/** Sets a gauge at each scrape. */
function mirror(gauge: Gauge, source: () => number | undefined): void {
  withCollect(gauge, () => {
    const value = read(source);
    if (value !== undefined && Number.isFinite(value)) gauge.set(value);
  });
}

/** Sets a counter at each scrape to what somebody else has counted. */
function mirrorTotal(counter: Counter, source: () => number | undefined): void {
  withCollect(counter, () => {
    const total = read(source);
    if (total === undefined || !Number.isFinite(total)) return;
    counter.reset();
    counter.inc(total);
  });
}

function mirrorEach<L extends string, V extends string>(
  gauge: Gauge<L>,
  label: L,
  values: readonly V[],
  source: () => Record<V, number> | undefined,
): void {
  withCollect(gauge, () => {
    const counts = read(source);
    if (counts === undefined) return;
    for (const value of values) gauge.set({ [label]: value } as Record<L, V>, counts[value]);
  });
}

/** prom-client calls `collect` of a metric before each scrape; its types know it as an option of the constructor alone. */
function withCollect<L extends string>(metric: Gauge<L> | Counter<L>, collect: () => void): void {
  (metric as (Gauge<L> | Counter<L>) & { collect: () => void }).collect = collect;
}

/** A source that throws keeps the last value: one broken part must not cost the sight of all others. */
function read<T>(source: (() => T) | undefined): T | undefined {
  try {
    return source?.();
  } catch {
    return undefined;
  }
}
