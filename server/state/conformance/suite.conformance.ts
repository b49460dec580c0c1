import { it } from '@jest/globals';
import type { Message } from '../../../protocol/session.ts';
import type { Timings } from '../../sessions/deadlines.ts';
import type { Recovery, SessionState } from '../../sessions/ports.ts';
import type { SeatHolder } from '../../sessions/session.ts';

export interface HarnessOptions {
  readonly timings: Timings;
  readonly retryHorizonMs: number;
  readonly hotMessages: number;
}

/** What the message listener was called with. */
export interface Delivery {
  readonly message: Message;
  readonly sender: SeatHolder;
}

/** `refused`: the store says no and keeps nothing. `unknown_*`: the answer is lost, the write was stored or lost. */
export type CommitFailure = 'refused' | 'unknown_stored' | 'unknown_lost';

/** What a harness can do to the way into the lasting level of the session. */
export type CommitHook = 'hold' | CommitFailure;

export interface Harness {
  /** Another object after `restart`. */
  readonly state: SessionState;
  /** All deliveries so far, across restarts, in the order in which the listener was called. */
  readonly deliveries: readonly Delivery[];
  /** What the recovery listener was called with. */
  readonly recoveries: readonly Recovery[];
  now(): number;
  /** Moves the clock of the state; it stands still otherwise. */
  advance(ms: number): void;
  /** From now on no write is stored until `releaseCommits`. */
  holdCommits(): void;
  /** Resolves when a write waits to be stored. */
  commitHeld(): Promise<void>;
  releaseCommits(): void;
  /** The next write that is not yet on its way fails in this way (a held one: when it is released). */
  failNextCommit(failure: CommitFailure): void;
  /** Resolves when all of the session is in the durable store, and the hot log has dropped what it need not keep. */
  archive(sessionId: string): Promise<void>;
  /** Ends the state as `kill -9` would, and starts a new one over what was stored. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export type Open = (options: HarnessOptions) => Promise<Harness>;

export interface Suite {
  readonly test: (name: string, run: (harness: Harness) => Promise<void>, options?: Partial<HarnessOptions>) => void;
  readonly testWith: (hooks: readonly CommitHook[], name: string, run: (harness: Harness) => Promise<void>) => void;
}

export const MINUTE = 60_000;
export const DEFAULTS: HarnessOptions = {
  timings: { graceMs: 10 * MINUTE, idleWarningMs: 5 * MINUTE, idleTimeoutMs: 30 * MINUTE, ttlMs: 1440 * MINUTE },
  retryHorizonMs: 60 * MINUTE,
  hotMessages: 500,
};
export const CODE_TTL_MS = 15 * MINUTE;

export function suiteOver(open: Open, capabilities: readonly CommitHook[]): Suite {
  const over =
    (run: (harness: Harness) => Promise<void>, options: Partial<HarnessOptions> = {}) =>
    async (): Promise<void> => {
      const harness = await open({ ...DEFAULTS, ...options });
      try {
        await run(harness);
      } finally {
        harness.releaseCommits();
        await harness.close();
      }
    };
  return {
    test: (name, run, options) => it(name, over(run, options)),
    testWith(hooks, name, run) {
      const missing = hooks.filter((hook) => !capabilities.includes(hook));
      if (missing.length === 0) it(name, over(run));
      else it.skip(`${name} (not applicable: the harness has no ${missing.join(', ')})`, over(run));
    },
  };
}
