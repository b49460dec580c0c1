import { TandemError } from '../../protocol/errors.ts';
import { RefusedCommitError } from '../../server/sessions/ports.ts';
import type { CommitBatch, DurableStore } from '../../server/sessions/ports.ts';
import type { Recorder } from '../../server/state/memory/recorder.conformance.ts';
import type { Random } from '../support/random.ts';

/** What the in-process state and the archive's readers ask of the durable store. */
export type SimulatedDurable = Pick<
  DurableStore,
  'commit' | 'raiseEpoch' | 'loadSession' | 'loadSessions' | 'readMessages' | 'findSend' | 'recentSends'
>;

type Outcome = { readonly value: unknown } | { readonly error: unknown };

interface Operation {
  readonly what: string;
  readonly run: () => Promise<unknown>;
  /** Null until the database has done it. */
  outcome: Outcome | null;
  /** Whether its caller may give it up while it is under way. */
  readonly mayBeLate: () => boolean;
  /** No answer came in time: it is done all the same, some time. */
  isGivenUp: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The database as one process sees it: what is asked waits until it is told to be done, and what was done until it is told
 * to be answered. It is done in the order in which it was asked, on one connection, as the embedded database does it; but
 * what reads may pass a commit that was given up, as in a database of many connections.
 */
export class SteppedStore {
  readonly recorder: Recorder;
  #operations: Operation[] = [];

  constructor(recorder: Recorder) {
    this.recorder = recorder;
  }

  get waiting(): number {
    return this.#operations.length;
  }

  /** For the process that is to live on this store. */
  durable(): SimulatedDurable {
    const { recorder } = this;
    const begin = <T>(what: string, run: () => Promise<T>, mayBeLate = () => false): Promise<T> =>
      new Promise<T>((resolve, reject) => {
        // What `run` gives is what comes back: the list of operations knows no types.
        const answered = { resolve: (value: unknown) => resolve(value as T), reject };
        this.#operations.push({ what, run, mayBeLate, isGivenUp: false, outcome: null, ...answered });
      });
    return {
      commit: (batch) =>
        begin(
          'commit',
          () => recorder.commit(batch),
          () => this.#isOfKnown(batch),
        ),
      raiseEpoch: (sessionId, known) => begin('take row', () => recorder.raiseEpoch(sessionId, known)),
      loadSession: (sessionId, now) => begin('load', () => recorder.loadSession(sessionId, now)),
      loadSessions: (now) => begin('load all', () => recorder.loadSessions(now)),
      readMessages: (sessionId, range) => begin('read', () => recorder.readMessages(sessionId, range)),
      findSend: (sessionId, seatId, id) => begin('find', () => recorder.findSend(sessionId, seatId, id)),
      recentSends: (sessionId, since, limit) => begin('sends', () => recorder.recentSends(sessionId, since, limit)),
    };
  }

  /** One step of the database, now and then a bad one; gives what it was, null when there is nothing to do. */
  async step(random: Random, faultRate: number): Promise<string | null> {
    if (this.#operations.length === 0) return null;
    const next = this.#next(random);
    const done = this.#operations.filter(({ outcome }) => outcome !== null);
    if (next !== undefined && (done.length === 0 || random.next() < 0.5)) {
      if (next.isGivenUp) {
        this.#forget(next);
        await execute(next);
        return `${next.what} done late`;
      }
      if (random.next() < faultRate) return this.#fail(next, random);
      await execute(next);
      return `${next.what} done`;
    }
    const operation = random.pick(done);
    this.#forget(operation);
    if (random.next() < faultRate) {
      operation.reject(lost(operation));
      return `${operation.what} done and its answer lost`;
    }
    answer(operation);
    return `${operation.what} answered`;
  }

  /** Everything that waits is done and answered. */
  async drain(): Promise<void> {
    for (let operation = this.#operations.shift(); operation !== undefined; operation = this.#operations.shift()) {
      if (operation.outcome === null) await execute(operation);
      answer(operation);
    }
  }

  /** The process is gone: of what it asked for the database has done the first so many, and nobody hears of it. */
  async crash(random: Random): Promise<string> {
    const open = this.#operations.filter(({ outcome }) => outcome === null);
    const done = random.below(open.length + 1);
    for (const operation of open.slice(0, done)) await execute(operation);
    this.#operations = [];
    return `${done} of ${open.length} operations done`;
  }

  /** What is read passes a commit that was given up; what takes a row waits for it. */
  #next(random: Random): Operation | undefined {
    const open = this.#operations.filter(({ outcome }) => outcome === null);
    const late = open.find(({ isGivenUp }) => isGivenUp);
    const other = open.find(({ isGivenUp }) => !isGivenUp);
    if (late === undefined || other === undefined) return late ?? other;
    const isHeld = other.what === 'commit' || other.what === 'take row';
    return isHeld || random.next() < 0.1 ? late : other;
  }

  #fail(operation: Operation, random: Random): string {
    const isCommit = operation.what === 'commit';
    const how = random.pick(['refused', 'lost', 'late', 'late', 'late']);
    if (how === 'late' && operation.mayBeLate()) {
      operation.isGivenUp = true;
      operation.reject(lost(operation));
      return `${operation.what} given up`;
    }
    this.#forget(operation);
    const isRefused = isCommit && how === 'refused';
    operation.reject(isRefused ? new RefusedCommitError('the disk is full') : lost(operation));
    return `${operation.what} ${isRefused ? 'refused' : 'lost before it was done'}`;
  }

  /** A session that is new has no row that could be waited for. */
  #isOfKnown({ sessions }: CommitBatch): boolean {
    const stored = new Set(this.recorder.batches.flatMap((batch) => batch.sessions.map(({ document }) => document.id)));
    return sessions.every(({ document }) => stored.has(document.id));
  }

  #forget(operation: Operation): void {
    this.#operations = this.#operations.filter((other) => other !== operation);
  }
}

async function execute(operation: Operation): Promise<void> {
  try {
    operation.outcome = { value: await operation.run() };
  } catch (error) {
    operation.outcome = { error };
  }
}

function answer({ outcome, resolve, reject }: Operation): void {
  if (outcome !== null && 'value' in outcome) resolve(outcome.value);
  else reject(outcome?.error);
}

function lost({ what }: Operation): Error {
  // As the stores answer: a read is known to have changed nothing.
  if (what !== 'commit') return new TandemError('UNAVAILABLE', 'the database is away');
  return new Error('the connection to the database was lost');
}
