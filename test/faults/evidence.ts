import type { Message } from '../../protocol/session.ts';
import type { ClientRecord } from './record.ts';

/** What a store, or the server, says of a session beside its messages. */
export interface Standing {
  readonly epoch: number;
  readonly lastSeq: number;
  /** Null where it is not kept: Postgres is what it speaks of. */
  readonly durableSeq: number | null;
  /** Participants that have a seat, in the order of their ids. */
  readonly seats: readonly string[];
}

/** What there is of one session once everything is healed and quiet. */
export interface SessionEvidence {
  readonly sessionId: string;
  readonly epoch: number;
  readonly lastSeq: number;
  readonly durableSeq: number;
  /** The whole session, as a participant who was there from its beginning reads it. */
  readonly log: readonly Message[];
  readonly records: readonly ClientRecord[];
  /** What each client reads of its history, by its name. */
  readonly histories: ReadonlyMap<string, readonly Message[]>;
  /** The hot log, which may begin later than the session. Null: not looked at. */
  readonly redis: readonly { readonly seq: number; readonly id: string | null }[] | null;
  /** The rows, ascending. Null: not looked at. */
  readonly postgres: readonly Message[] | null;
  /** What each that was asked says of the session, by its name: the server, each client, Redis, Postgres. */
  readonly standings: ReadonlyMap<string, Partial<Standing> | null>;
}

/** What became of one process of the server. */
export interface ProcessEvidence {
  readonly name: string;
  readonly exits: readonly { readonly at: number; readonly code: number | null; readonly isPlanned: boolean }[];
  /** Resident memory, sampled through the run. */
  readonly rssBytes: readonly number[];
  /** Longest stall of the event loop in each sample. */
  readonly loopLagMs: readonly number[];
}

export interface Expectations {
  /** Whether the fault may make the store forget what it acknowledged: then losses must be told, else there are none. */
  readonly mayLose: boolean;
  /** Within this time every send on a living connection is answered. */
  readonly answerWithinMs: number;
  /** So long may somebody go on whose seat was taken away. */
  readonly revocationMs: number;
  /** The limit that each sender was under; null when it was switched off. */
  readonly limit: { readonly points: number; readonly durationMs: number; readonly burst: number } | null;
  readonly maxRssGrowthBytes: number;
  readonly maxLoopLagMs: number;
}

export const EXPECTED: Expectations = {
  mayLose: false,
  // 5 s, and what a machine that is busy with the fault itself may add.
  answerWithinMs: 5_500,
  revocationMs: 1_000,
  limit: null,
  maxRssGrowthBytes: 200 * 2 ** 20,
  maxLoopLagMs: 1_000,
};

export interface Evidence {
  /** `performance.now()` when the run began: times in the report are counted from here. */
  readonly startedAt: number;
  readonly sessions: readonly SessionEvidence[];
  readonly processes: readonly ProcessEvidence[];
  readonly expected: Expectations;
}
