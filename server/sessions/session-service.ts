import { setTimeout as delay } from 'node:timers/promises';
import { TandemError } from '../../protocol/errors.ts';
import type { Self, Session } from '../../protocol/session.ts';
import type { Announcer } from './announcer.ts';
import type { CodeSource } from './code-source.ts';
import { closeWhenDue, type Timings } from './deadlines.ts';
import { reassertSeat, releaseSeats } from './instance-seats.ts';
import type { DueSession, Recovery, SessionEvents, SessionSnapshot, SessionState } from './ports.ts';
import { readerSeat } from './reader-seat.ts';
import { invalid, refused } from './refusals.ts';
import type { HeldSeat } from './seating.ts';
import {
  closeByHost,
  dropConnection,
  findSeat,
  kickParticipant,
  leaveSession,
  lockSession,
  reopenSession,
  timeOutSeat,
} from './session.ts';
import type { TimelineQueue } from './timeline-queue.ts';

export interface SessionServiceOptions {
  state: SessionState;
  events: SessionEvents;
  announcer: Announcer;
  codes: CodeSource;
  timeline: Pick<TimelineQueue, 'away' | 'resumed'>;
  timings: Timings;
  instanceId: string;
  /** Stores the session in the durable store before the answer, where that is another one than the hot state's. */
  writeThrough?: (sessionId: string) => Promise<void>;
}

/** What happens to a session and its seats once they are taken. */
export class SessionService {
  readonly #options: SessionServiceOptions;

  constructor(options: SessionServiceOptions) {
    this.#options = options;
  }

  /** Leaves an open session, or turns away from a closed one. Throws `NOT_IN_SESSION`. */
  async leave(seat: HeldSeat): Promise<void> {
    const { state, events, announcer } = this.#options;
    // Before: once it has left, this seat is nobody whose command could count.
    await this.#touch(seat);
    const result = await state.change(seat.sessionId, leaveSession(seat), (outcome, snapshot) => {
      if (outcome.kind === 'not_seated') return;
      events.detach(seat.sessionId, seat.seatId);
      if (outcome.kind === 'left') announcer.left(outcome, 'left', snapshot);
    });
    if (result.kind !== 'decided' || result.outcome.kind === 'not_seated') throw refused('not_seated');
    // What the user may read of it from now on is asked of the durable store.
    const isOfUser = result.outcome.kind === 'left' && result.outcome.seat.userId !== null;
    if (isOfUser) await this.#options.writeThrough?.(seat.sessionId);
  }

  /** Host alone, as the next four: throws `FORBIDDEN`, `SESSION_CLOSED`, `NOT_IN_SESSION`. */
  async close(seat: HeldSeat): Promise<void> {
    const { state, announcer } = this.#options;
    const result = await state.change(seat.sessionId, closeByHost(seat), (outcome, snapshot) => {
      if (outcome.kind === 'closed') announcer.closed(snapshot);
    });
    if (result.kind !== 'decided') throw refused('not_seated');
    if (result.outcome.kind !== 'closed') throw refused(result.outcome.kind);
    await this.#options.writeThrough?.(seat.sessionId);
  }

  async kick(seat: HeldSeat, participantId: string): Promise<void> {
    const { state, announcer } = this.#options;
    const result = await state.change(seat.sessionId, kickParticipant(seat, participantId), (outcome, snapshot) => {
      if (outcome.kind === 'kicked') announcer.kicked(outcome, snapshot);
    });
    if (result.kind !== 'decided') throw refused('not_seated');
    const { kind } = result.outcome;
    if (kind === 'own_seat') throw invalid('participantId', 'is your own: use session:leave');
    if (kind === 'no_such_participant') throw invalid('participantId', 'is no participant of this session');
    if (kind !== 'kicked') throw refused(kind);
    await this.#touch(seat);
    await this.#options.writeThrough?.(seat.sessionId);
  }

  async lock(seat: HeldSeat, locked: boolean): Promise<Session> {
    const { state, announcer } = this.#options;
    const result = await state.change(seat.sessionId, lockSession(seat, locked), (outcome, snapshot) => {
      if (outcome.kind === 'locked' && outcome.changed) announcer.updated(snapshot);
    });
    if (result.kind !== 'decided') throw refused('not_seated');
    if (result.outcome.kind !== 'locked') throw refused(result.outcome.kind);
    await this.#touch(seat);
    return announcer.view(result.snapshot);
  }

  /** Also throws `SESSION_FULL`, `SESSION_LOCKED`. */
  async reopen(seat: HeldSeat): Promise<Session> {
    const { state, announcer, codes } = this.#options;
    const snapshot = await codes.tryFresh(async (code) => {
      const result = await state.change(seat.sessionId, reopenSession(seat, code), (outcome, visible) => {
        if (outcome.kind === 'reopened') announcer.updated(visible);
      });
      if (result.kind === 'code_taken') return null;
      if (result.kind === 'no_such_session') throw refused('not_seated');
      if (result.outcome.kind !== 'reopened') throw refused(result.outcome.kind);
      return result.snapshot;
    });
    await this.#touch(seat);
    return announcer.view(snapshot);
  }

  /** For a command that says nothing to the session itself. */
  async noteActivity(seat: HeldSeat): Promise<void> {
    await this.#touch(seat);
  }

  async get(seat: HeldSeat): Promise<{ session: Session; self: Self }> {
    const { state, announcer } = this.#options;
    const snapshot = await state.read(seat.sessionId);
    const own = snapshot === null ? undefined : readerSeat(snapshot, seat);
    if (snapshot === null || own === undefined) throw refused('not_seated');
    return { session: announcer.view(snapshot), self: { participantId: own.id, role: own.role } };
  }

  /**
   * The connection of this seat is gone. Tried again until the store answers: otherwise the seat would stay online for
   * ever with nobody behind it.
   */
  async connectionLost(seat: HeldSeat, isStopping: () => boolean): Promise<void> {
    const { state } = this.#options;
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2000)) {
      try {
        await state.change(seat.sessionId, dropConnection(seat), (outcome, snapshot) => {
          if (outcome.kind === 'away') this.#wentAway(seat.seatId, snapshot);
        });
        return;
      } catch (error) {
        // Only an outage is worth the wait; a fault of ours would come again.
        if (!(error instanceof TandemError) || error.code !== 'UNAVAILABLE') throw error;
        // The seats of a process that ended are released by whoever runs on, or starts next.
        if (isStopping()) return;
        await delay(waitMs);
      }
    }
  }

  /** A deadline has come: decided again on the current session, because somebody may have spoken since. */
  async meetDeadline({ sessionId, deadline }: DueSession): Promise<void> {
    const { state, announcer, timings } = this.#options;
    switch (deadline.kind) {
      case 'warn':
        announcer.idle(sessionId, deadline.closesAt);
        return;
      case 'timeout':
        await state.change(sessionId, timeOutSeat(deadline.seatId, timings.graceMs), (outcome, snapshot) => {
          if (outcome.kind === 'left') announcer.left(outcome, 'timeout', snapshot);
        });
        return;
      case 'close':
        await state.change(sessionId, closeWhenDue(timings), (outcome, snapshot) => {
          if (outcome.kind === 'closed') announcer.closed(snapshot);
        });
    }
  }

  /** An instance died with its connections: whoever it held is away. */
  async instanceLost(sessionId: string, instanceId: string): Promise<void> {
    await this.#options.state.change(sessionId, releaseSeats(instanceId), (outcome, snapshot) => {
      if (outcome.kind !== 'released') return;
      for (const seatId of outcome.seatIds) this.#wentAway(seatId, snapshot);
    });
  }

  /**
   * The session was changed by another instance, and this one may not have heard what became of the seats that it holds:
   * an end that was missed happens now, and a seat that was taken for lost is held again.
   */
  async changedElsewhere(snapshot: SessionSnapshot, mayHaveMissed: boolean): Promise<void> {
    const { state, events, announcer, timeline, instanceId } = this.#options;
    const { document } = snapshot;
    if (mayHaveMissed) announcer.caughtUp(snapshot);
    if (document.closed !== null) return;
    for (const holder of events.seatsHere(document.id)) {
      const seen = findSeat(document, holder.seatId);
      if (seen?.presence === 'online' && seen.generation === holder.generation) continue;
      // What was seen may be older than the seat: it is decided on the current session.
      await state.change(document.id, reassertSeat(holder, instanceId), (outcome) => {
        const { seatId } = holder;
        // The client asks again, and hears what became of its seat.
        if (outcome.kind === 'gone' || outcome.kind === 'epoch_ended') {
          events.closeSeat(document.id, seatId, 'server_error');
        }
        if (outcome.kind === 'replaced') events.replaceSeat(document.id, seatId, outcome.generation);
        if (outcome.kind !== 'back') return;
        announcer.presence(document.id, seatId, 'online');
        timeline.resumed(document.id, seatId, false);
      });
    }
  }

  /** Whether a connection of this instance holds a seat of the session. */
  isConnected(sessionId: string): boolean {
    return this.#options.events.seatsHere(sessionId).length > 0;
  }

  /** The session was rebuilt: whoever is connected here comes back, and hears what was lost. */
  epochEnded(sessionId: string): void {
    const { events } = this.#options;
    for (const { seatId } of events.seatsHere(sessionId)) events.closeSeat(sessionId, seatId, 'server_error');
  }

  /** Writes that failed turn out to be stored: what they changed happens now, for whoever is connected. */
  recovered(recovery: Recovery): void {
    this.#options.announcer.recovered(recovery);
  }

  /** Tells every session whose head moved, as far as its participants are here; how often is the caller's. */
  async announceHeads(): Promise<void> {
    for (const { sessionId, ...head } of await this.#options.state.takeMovedHeads()) {
      this.#options.events.toHere(sessionId, 'session:head', head);
    }
  }

  #wentAway(seatId: string, { document }: SessionSnapshot): void {
    this.#options.announcer.presence(document.id, seatId, 'away');
    this.#options.timeline.away(document.id, seatId, findSeat(document, seatId)?.awaySince);
  }

  async #touch(seat: HeldSeat): Promise<void> {
    await this.#options.state.touch(seat.sessionId, seat);
  }
}
