/** One thing that is looked at. It rejects, or takes too long, when it is not well; `signal` tells when nobody waits any more. */
export type HealthCheck = (signal: AbortSignal) => Promise<void>;

export interface HealthOptions {
  version: string;
  instanceId: string;
  /** Milliseconds since 1970, as `now` gives them. */
  startedAt: number;
  database: HealthCheck;
  databaseType: 'embedded' | 'postgres' | 'supabase';
  /** Whether so much waits for the database that sends are refused. */
  isBacklogFull?: () => boolean;
  /** Whether the shared state can be relied on; null where there is none. */
  redis: HealthCheck | null;
  /** A canary on the way of a message; rejects when it does not come back. */
  delivery: HealthCheck;
  isDraining: () => boolean;
  now: () => number;
  intervalMs?: number;
  timeoutMs?: number;
  /** Told when a check fails after it was well, and when it is well again. */
  onTurn?: (turn: HealthTurn) => void;
}

export type HealthTurn = { check: 'database' | 'redis' | 'delivery' } & (
  { isWell: true } | { isWell: false; error: unknown }
);

export interface LiveReport {
  status: 'alive';
  uptimeSeconds: number;
  version: string;
  instanceId: string;
}

export interface CheckReport {
  status: 'ok' | 'degraded' | 'failed' | 'disabled';
  latencyMs?: number;
}

export interface ReadyReport {
  status: 'ready' | 'not_ready';
  checks: { redis: CheckReport; database: CheckReport; delivery: CheckReport; drain: CheckReport };
}

export interface HealthSummary {
  status: 'healthy' | 'degraded' | 'unhealthy';
  timestamp: string;
  uptimeSeconds: number;
  services: {
    database: { status: 'ok' | 'degraded'; latencyMs: number | null; type: HealthOptions['databaseType'] };
    redis: { status: 'ok' | 'failed' | 'disabled'; latencyMs: number | null; connected: boolean };
  };
}

export interface Health {
  start(): void;
  /** Resolves when the first look at everything has ended, well or not: before, nothing is ready. */
  looked(): Promise<void>;
  /** May be called twice. The reports stay readable. */
  stop(): void;
  live(): LiveReport;
  ready(): ReadyReport;
  summary(): HealthSummary;
}

/**
 * Looks at database, Redis and delivery in the background and reports from memory: a thousand probes a second cost nothing,
 * and a hung database cannot hang a probe. With a look each second and 1.5 s for each, a report turns within 5 s of the
 * fact.
 */
export function createHealth(options: HealthOptions): Health {
  const { intervalMs = 1000, timeoutMs = 1500, onTurn = () => undefined } = options;
  const database = new Poll(options.database, intervalMs, timeoutMs, (turn) => onTurn({ check: 'database', ...turn }));
  const delivery = new Poll(options.delivery, intervalMs, timeoutMs, (turn) => onTurn({ check: 'delivery', ...turn }));
  const redis =
    options.redis === null
      ? null
      : new Poll(options.redis, intervalMs, timeoutMs, (turn) => onTurn({ check: 'redis', ...turn }));
  const polls = [database, delivery, ...(redis === null ? [] : [redis])];
  const redisStatus = () => (redis === null ? 'disabled' : redis.isWell ? 'ok' : 'failed');
  const isBacklogFull = () => options.isBacklogFull?.() ?? false;
  const uptimeSeconds = () => Math.max(0, Math.floor((options.now() - options.startedAt) / 1000));

  return {
    start: () => {
      for (const poll of polls) poll.start();
    },
    looked: async () => {
      await Promise.all(polls.map((poll) => poll.looked));
    },
    stop: () => {
      for (const poll of polls) poll.stop();
    },
    live: () => ({
      status: 'alive',
      uptimeSeconds: uptimeSeconds(),
      version: options.version,
      instanceId: options.instanceId,
    }),
    ready: () => {
      const isDraining = options.isDraining();
      // Without a database new messages are refused but what is open stays: taking the instance out would lose more.
      const isReady =
        database.hasRun && delivery.isWell && redisStatus() !== 'failed' && !isBacklogFull() && !isDraining;
      return {
        status: isReady ? 'ready' : 'not_ready',
        checks: {
          redis: withLatency(redisStatus(), redis?.latencyMs ?? null),
          database: withLatency(isBacklogFull() ? 'failed' : database.isWell ? 'ok' : 'degraded', database.latencyMs),
          delivery: withLatency(delivery.isWell ? 'ok' : 'failed', delivery.latencyMs),
          drain: { status: isDraining ? 'failed' : 'ok' },
        },
      };
    },
    summary: () => ({
      status: !delivery.isWell || redisStatus() === 'failed' ? 'unhealthy' : database.isWell ? 'healthy' : 'degraded',
      timestamp: new Date(options.now()).toISOString(),
      uptimeSeconds: uptimeSeconds(),
      services: {
        database: {
          status: database.isWell ? 'ok' : 'degraded',
          latencyMs: database.latencyMs,
          type: options.databaseType,
        },
        redis: { status: redisStatus(), latencyMs: redis?.latencyMs ?? null, connected: redis?.isWell ?? false },
      },
    }),
  };
}

type Turn = { isWell: true } | { isWell: false; error: unknown };

/**
 * Calls of one check that may be without an answer at once. A check that ignores its signal would otherwise pile up
 * while its database hangs; with a single one, an answer that is lost for good would leave the report red for ever.
 */
const MAX_UNANSWERED = 3;

/** Repeats one check. A look begins when the one before has ended, and `intervalMs` have passed since then. */
class Poll {
  /** False until a look has succeeded. */
  isWell = false;
  hasRun = false;
  /** The first look since the start. */
  looked: Promise<void> = Promise.resolve();
  /** Of the last look that succeeded; null after one that did not. */
  latencyMs: number | null = null;
  readonly #check: HealthCheck;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  readonly #onTurn: (turn: Turn) => void;
  #timer: NodeJS.Timeout | null = null;
  #abort: AbortController | null = null;
  #isRunning = false;
  #unanswered = 0;

  constructor(check: HealthCheck, intervalMs: number, timeoutMs: number, onTurn: (turn: Turn) => void) {
    this.#check = check;
    this.#intervalMs = intervalMs;
    this.#timeoutMs = timeoutMs;
    this.#onTurn = onTurn;
  }

  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.looked = this.#look();
  }

  stop(): void {
    this.#isRunning = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#abort?.abort();
    this.#abort = null;
  }

  async #look(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    const startedAt = performance.now();
    let turn: Turn;
    try {
      await withDeadline(this.#call, abort, this.#timeoutMs);
      turn = { isWell: true };
    } catch (error) {
      turn = { isWell: false, error };
    }
    // Stopped, or stopped and started again, meanwhile: what this look found belongs to nobody.
    if (this.#abort !== abort) return;
    this.latencyMs = turn.isWell ? Math.round((performance.now() - startedAt) * 100) / 100 : null;
    // A first look that succeeds is no news.
    const isNews = this.hasRun ? turn.isWell !== this.isWell : !turn.isWell;
    this.isWell = turn.isWell;
    this.hasRun = true;
    this.#timer = setTimeout(() => void this.#look(), this.#intervalMs);
    this.#timer.unref();
    if (isNews) this.#onTurn(turn);
  }

  readonly #call = async (signal: AbortSignal): Promise<void> => {
    if (this.#unanswered >= MAX_UNANSWERED) throw new Error(`${MAX_UNANSWERED} earlier looks have no answer yet`);
    this.#unanswered += 1;
    try {
      await this.#check(signal);
    } finally {
      this.#unanswered -= 1;
    }
  };
}

/**
 * Ends with the check, or at the deadline whatever the check does. It is told then through its signal, so that one that
 * listens leaves nothing behind.
 */
function withDeadline(check: HealthCheck, abort: AbortController, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => abort.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    timer.unref();
    abort.signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(abort.signal.reason as Error);
    });
    check(abort.signal)
      .finally(() => clearTimeout(timer))
      .then(resolve, reject);
  });
}

function withLatency(status: CheckReport['status'], latencyMs: number | null): CheckReport {
  return latencyMs === null ? { status } : { status, latencyMs };
}
