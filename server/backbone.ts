/**
 * What the sessions of this process live in, put together: memory alone, or Redis that instances share. A part of the
 * composition root, and imported by it alone.
 */
import type { Config } from './config.ts';
import type { OpenDurable } from './durable/open-durable.ts';
import type { Job } from './jobs/loop.ts';
import type { Logger } from './observability/logger.ts';
import type { Metrics } from './observability/metrics.ts';
import type { Durability } from '../protocol/session.ts';
import type { Limits, MessageListener, SessionSnapshot, SessionState } from './sessions/ports.ts';
import type { SessionService } from './sessions/session-service.ts';
import type { AdapterClients } from './state/redis/adapter-clients.ts';
import { MemoryLimits } from './state/memory/memory-limits.ts';
import { MemoryState } from './state/memory/memory-state.ts';
import { openRedisBackbone } from './backbone-redis.ts';

export interface BackboneParts {
  readonly config: Config;
  readonly durable: OpenDurable;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** The clock of a test; null for the clock of the deployment. */
  readonly testClock: (() => number) | null;
  readonly instanceId: string;
  readonly onFault: (error: unknown) => void;
}

/** Whom the state calls. */
export interface StateListeners {
  readonly onMessage: MessageListener;
  readonly sessions: () => SessionService;
}

export interface HotState {
  readonly state: SessionState;
  /** Loops that keep the state; started when the server listens. */
  readonly jobs: readonly Job[];
  /** Stores the session in the durable store before an answer that promises it. */
  readonly writeThrough?: (sessionId: string) => Promise<void>;
  /** How long the oldest of what is to be archived has been waiting. */
  readonly archiveLagMs?: () => number;
  /** Whether so much waits for the archive that sends are refused. */
  readonly isBacklogFull?: () => boolean;
}

export interface Backbone {
  readonly kind: 'memory' | 'redis';
  readonly limits: Limits;
  readonly adapterClients: AdapterClients | null;
  /** Unix milliseconds of the deployment. */
  readonly now: () => number;
  /** What an acknowledgement is worth now. */
  readonly durability: () => Durability;
  openState(listeners: StateListeners): Promise<HotState>;
  /** Resolves when the shared state can be used; null where there is none. */
  readonly check: (() => Promise<void>) | null;
  /** Ends its connections; what waits for an answer is refused. */
  close(): Promise<void>;
}

export function openBackbone(parts: BackboneParts): Promise<Backbone> {
  return parts.config.redis === null
    ? Promise.resolve(memoryBackbone(parts))
    : openRedisBackbone(parts, parts.config.redis);
}

/** Committed in Postgres first: what is acknowledged is archived. */
function memoryBackbone({ config, durable, metrics, testClock, onFault }: BackboneParts): Backbone {
  const now = testClock ?? Date.now;
  const limits = new MemoryLimits(now);
  return {
    kind: 'memory',
    limits,
    adapterClients: null,
    now,
    durability: () => 'archived',
    check: null,
    openState: async ({ onMessage, sessions }) => {
      const state = new MemoryState({
        durable: durable.store,
        onMessage: (message, sender) => {
          metrics.messageAppended();
          onMessage(message, sender);
        },
        onRecovered: (recovery) => sessions().recovered(recovery),
        limits,
        timings: config.sessions,
        retryHorizonMs: config.messages.retryHorizonMs,
        hotMessages: config.messages.hotMessages,
        now,
        onFault,
      });
      await state.start();
      return { state, jobs: [] };
    },
    close: () => Promise.resolve(),
  };
}

/** Tells the domain of what another instance did; the domain decides what that means here. */
export function changedElsewhere(
  { sessions }: StateListeners,
  onFault: (error: unknown) => void,
): (snapshot: SessionSnapshot, mayHaveMissed: boolean) => void {
  return (snapshot, mayHaveMissed) => {
    sessions().changedElsewhere(snapshot, mayHaveMissed).catch(onFault);
  };
}
