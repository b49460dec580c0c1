/**
 * What the sessions of this process live in: memory alone, or Redis that instances share. A part of the composition
 * root, and imported by it alone.
 */
import type { RevocationFeed } from '../auth/ports.ts';
import type { CacheStore } from '../cache/cache-store.ts';
import type { Config } from '../config.ts';
import type { OpenDurable } from '../durable/open-durable.ts';
import type { Job } from '../jobs/loop.ts';
import type { CacheFigures } from '../observability/health-detailed.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Durability } from '../../protocol/session.ts';
import type { Delivery } from '../sessions/message-text.ts';
import type { InstanceReports, Limits, MessageListener, SessionState } from '../sessions/ports.ts';
import type { SessionService } from '../sessions/session-service.ts';
import type { GatewayOptions } from '../realtime/gateway.ts';

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
  /** Once for a message, in the process that appended it and before `onMessage`. */
  readonly onAppended: (message: Delivery) => void;
  readonly onMessage: MessageListener;
  readonly sessions: () => SessionService;
}

export interface HotState {
  readonly state: SessionState;
  /** Loops that keep the state; started when the server listens. */
  readonly jobs: readonly Job[];
  /** Stores the session in the durable store before an answer that promises it. */
  readonly writeThrough?: (sessionId: string) => Promise<void>;
  /**
   * Stores in the durable store who takes part in which session until now, for lists, which are read there; unless that
   * store is behind.
   */
  readonly archiveChanges?: () => Promise<void>;
  /** How long the oldest of what is to be archived has been waiting. */
  readonly archiveLagMs?: () => number;
  /** What the store of the sessions tells of itself. */
  readonly inspect: () => Promise<CacheFigures>;
  /** Sessions of the deployment that the archive refuses, in whole or in part. */
  readonly countSetAside?: () => Promise<number>;
  /** Whether so much waits for the archive that sends are refused. */
  readonly isBacklogFull?: () => boolean;
}

export interface Backbone {
  readonly kind: 'memory' | 'redis';
  readonly limits: Limits;
  /** How instances tell each other what is revoked. */
  readonly revocations: RevocationFeed;
  /** What the instances tell of themselves. */
  readonly reports: InstanceReports;
  /** Where what is read again and again is kept. */
  readonly cacheStore: CacheStore;
  /** How instances hear each other's events; null for a process that is alone. */
  readonly adapter: GatewayOptions['adapter'];
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
