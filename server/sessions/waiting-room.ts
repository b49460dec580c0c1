import { TandemError } from '../../protocol/errors.ts';
import type { Announcer } from './announcer.ts';
import { answerKnock, KNOCK_WAIT_MS, lookAtKnock, withdrawKnock, type Joiner, type KnockState } from './knocks.ts';
import type { Connection, SessionEvents, SessionSnapshot, SessionState } from './ports.ts';
import { refused } from './refusals.ts';
import type { Knock, Seat, SeatHolder } from './session.ts';

/** Why a joiner stops waiting: it has gone or wants something else; or it is on its way to another instance. */
export type KnockEnd = 'withdrawn' | 'moving';

export interface WaitingRoomOptions {
  state: Pick<SessionState, 'change' | 'touch'>;
  events: Pick<SessionEvents, 'answerKnock' | 'onKnockAnswered'>;
  announcer: Pick<Announcer, 'admitted' | 'letIn'>;
  /** How often a joiner looks by itself: what a lost notification costs at most. */
  lookMs?: number;
  waitMs?: number;
}

export interface Wait {
  readonly connection: Connection;
  readonly sessionId: string;
  readonly knock: Knock;
  /** Aborts with a `KnockEnd`. */
  readonly signal: AbortSignal;
}

const LOOK_MS = 2000;
/** While the state does not answer nobody knows whether the host let the joiner in: asked again for so long. */
const PATIENCE_MS = 60_000;

/** Joiners that wait here for a host's answer, and the answers of hosts, whose joiners may wait anywhere. */
export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  /** By knock: has its joiner look. A join repeated on another connection waits beside the first until that one has looked. */
  readonly #wakers = new Map<string, Set<() => void>>();

  constructor(options: WaitingRoomOptions) {
    this.#options = options;
    options.events.onKnockAnswered((knockId) => this.#wake(knockId));
  }

  /** Host alone: throws `FORBIDDEN`, `JOIN_DENIED`, `SESSION_FULL`, `SESSION_LOCKED`, `SESSION_CLOSED`, `NOT_IN_SESSION`. */
  async answer(host: SeatHolder & { sessionId: string }, knockId: string, admit: boolean): Promise<void> {
    const { state, events, announcer } = this.#options;
    const { sessionId } = host;
    const result = await state.change(sessionId, answerKnock(host, knockId, admit), (outcome, snapshot) => {
      if (outcome.kind === 'admitted') announcer.admitted(outcome.joined, snapshot);
      if (outcome.kind === 'admitted' || outcome.kind === 'denied' || outcome.kind === 'session_full') {
        events.answerKnock(knockId);
      }
    });
    if (result.kind !== 'decided') throw refused('not_seated');
    const { kind } = result.outcome;
    if (kind !== 'admitted' && kind !== 'denied' && kind !== 'repeated') throw refused(kind);
    await state.touch(sessionId, host);
  }

  /** Resolves when the joiner holds its seat. Throws `JOIN_DENIED`, `SESSION_FULL`, `SESSION_CLOSED`, `UNAVAILABLE`. */
  async wait({ connection, sessionId, knock, signal }: Wait): Promise<{ seat: Seat; snapshot: SessionSnapshot }> {
    const { state, announcer, lookMs = LOOK_MS, waitMs = KNOCK_WAIT_MS } = this.#options;
    const { id: knockId, tokenHash, instance } = knock.newcomer;
    const joiner: Joiner = { knockId, tokenHash, instance };
    const bell = new Bell(signal);
    const wakers = this.#wakers.get(knockId) ?? new Set();
    this.#wakers.set(knockId, wakers.add(bell.ring));
    const startedAt = performance.now();
    const remainingMs = () => waitMs - (performance.now() - startedAt);
    try {
      while (remainingMs() > -PATIENCE_MS) {
        if (signal.reason === ('moving' satisfies KnockEnd)) break;
        const isOver = signal.aborted || remainingMs() <= 0;
        const rule = isOver ? withdrawKnock(joiner) : lookAtKnock(joiner);
        const looked = await look(() =>
          state.change<KnockState | { kind: 'withdrawn' }>(sessionId, rule, (outcome, snapshot) => {
            if (outcome.kind === 'admitted') announcer.letIn(connection, outcome, snapshot);
          }),
        );
        if (looked !== null) {
          if (looked.kind !== 'decided' || looked.outcome.kind === 'gone') break;
          const { outcome, snapshot } = looked;
          if (outcome.kind === 'admitted') return { seat: outcome.seat, snapshot };
          if (outcome.kind !== 'waiting') throw refused(outcome.kind);
        }
        await bell.rung(isOver ? lookMs : Math.min(lookMs, remainingMs()));
      }
    } finally {
      wakers.delete(bell.ring);
      if (wakers.size === 0 && this.#wakers.get(knockId) === wakers) this.#wakers.delete(knockId);
    }
    throw new TandemError('UNAVAILABLE', 'The server lost sight of this join: repeat it with the same key.');
  }

  #wake(knockId: string): boolean {
    const wakers = this.#wakers.get(knockId);
    for (const ring of wakers ?? []) ring();
    return wakers !== undefined;
  }
}

/** Null when the state does not answer now. */
async function look<T>(change: () => Promise<T>): Promise<T | null> {
  try {
    return await change();
  } catch (error) {
    if (error instanceof TandemError && error.code === 'UNAVAILABLE') return null;
    throw error;
  }
}

/** Wakes its one sleeper; rung while nobody slept, it wakes the next at once. */
class Bell {
  readonly #signal: AbortSignal;
  #isRung = false;
  #wake: () => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  readonly ring = (): void => {
    this.#isRung = true;
    this.#wake();
  };

  /** Resolves when it is rung, when the signal aborts, or after this time. */
  async rung(atMostMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, atMostMs));
      // Who waits has a connection; once that is gone, nothing here is worth keeping a process for.
      timer.unref();
      const wasAborted = this.#signal.aborted;
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#isRung) this.#wake();
      else if (!wasAborted) this.#signal.addEventListener('abort', this.#wake, { once: true });
    });
    this.#signal.removeEventListener('abort', this.#wake);
    this.#isRung = false;
  }
}
