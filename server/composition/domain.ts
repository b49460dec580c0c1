/** Builds the domain on the state and the durable store. A part of the composition root. */
import { v7 as uuidv7 } from 'uuid';
import type { Backbone, HotState } from '../backbone/backbone.ts';
import type { Cache } from '../cache/cache.ts';
import type { Config } from '../config.ts';
import type { OpenDurable } from '../durable/open-durable.ts';
import { limitRequests } from '../limits/limit-rules.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { Announcer } from '../sessions/announcer.ts';
import { BackendService } from '../sessions/backend-service.ts';
import { CachedMessages } from '../sessions/cached-messages.ts';
import { CodeSource } from '../sessions/code-source.ts';
import { History } from '../sessions/history.ts';
import { JoinGuard } from '../sessions/join-guard.ts';
import { MessageService } from '../sessions/message-service.ts';
import type { SessionEvents } from '../sessions/ports.ts';
import { Seating } from '../sessions/seating.ts';
import { SessionDirectory } from '../sessions/session-directory.ts';
import { SessionService } from '../sessions/session-service.ts';
import { TimelineQueue } from '../sessions/timeline-queue.ts';

export interface DomainParts {
  config: Config;
  durable: OpenDurable;
  backbone: Backbone;
  logger: Logger;
  metrics: Metrics;
  instanceId: string;
}

export interface Domain {
  readonly seating: Seating;
  readonly sessions: SessionService;
  readonly messages: MessageService;
  readonly directory: SessionDirectory;
  readonly backend: BackendService;
  /** What the store is not told of by what it stores. */
  readonly timeline: TimelineQueue;
}

export function createDomain(parts: DomainParts, hot: HotState, events: SessionEvents, cache: Cache): Domain {
  const { config, durable, backbone, logger, metrics, instanceId } = parts;
  const { state, writeThrough, archiveChanges } = hot;
  const { now, limits, durability } = backbone;
  const { retryHorizonMs } = config.messages;
  const history = new History(state, new CachedMessages(durable.store, cache));
  const announcer = new Announcer({ events, durability, now, logger, metrics });
  const codes = new CodeSource({
    state,
    minLength: config.sessions.codeLength,
    ttlMs: config.sessions.codeTtlMs,
    now,
  });
  const guard = new JoinGuard({
    limits,
    failuresOfIp: (ip) => limitRequests(config.limits, [['join_failures_ip', ip]])[0] ?? null,
    failuresInTotal: limitRequests(config.limits, [['join_failures_total', 'all']])[0] ?? null,
  });
  const newId = uuidv7;
  const timeline = new TimelineQueue({ now, newId });
  const through = writeThrough === undefined ? {} : { writeThrough };
  return {
    seating: new Seating({
      ...{ state, history, events, announcer, codes, guard, timeline, retryHorizonMs, instanceId, now, newId },
      ...{ logger, metrics },
    }),
    sessions: new SessionService({
      ...{ state, events, announcer, codes, timeline, instanceId, ...through },
      timings: config.sessions,
    }),
    messages: new MessageService({ state, history, events }),
    directory: new SessionDirectory({
      ...{ state, durable: durable.store, history, announcer, guard, now },
      ...(archiveChanges === undefined ? {} : { archiveChanges }),
    }),
    backend: new BackendService({
      ...{ state, announcer, codes, newId, logger, now, ...through },
      durable: durable.store,
    }),
    timeline,
  };
}
