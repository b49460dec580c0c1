import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Durability, Session } from '../../protocol/session.ts';
import type { Connection, SessionEvents, SessionSnapshot } from './ports.ts';
import type { LeaveOutcome, Seat, SeatHolder } from './session.ts';
import { iso, viewParticipant, viewSession } from './view.ts';

/** What the domain counts. */
export type SessionMetrics = Pick<Metrics, 'pairing' | 'timeToPair' | 'resume' | 'signalSent'>;

export interface AnnouncerOptions {
  events: SessionEvents;
  durability: Durability;
  now: () => number;
  logger: Logger;
  metrics: SessionMetrics;
}

/** Who hears of a change, and in which order. Called while the change becomes visible, so nothing slips between. */
export class Announcer {
  readonly #options: AnnouncerOptions;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  joined(connection: Connection, seat: Seat, paired: boolean, snapshot: SessionSnapshot): void {
    const { events, metrics, logger, now } = this.#options;
    const { id, createdAt } = snapshot.document;
    events.attach(connection, id, holderOf(seat));
    const session = this.view(snapshot);
    events.toOthers(id, seat.id, 'session:joined', { participant: viewParticipant(seat, snapshot), session });
    if (!paired) return;
    metrics.pairing('paired');
    events.toAll(id, 'session:paired', { session });
    metrics.timeToPair((now() - createdAt) / 1000);
    logger.info('session_paired', { sessionId: id });
  }

  /** A new connection holds a seat that was there before. */
  taken(connection: Connection, seat: Seat, wasAway: boolean, { document }: SessionSnapshot): void {
    this.#options.events.attach(connection, document.id, holderOf(seat));
    if (wasAway) this.presence(document.id, seat.id, 'online');
  }

  presence(sessionId: string, participantId: string, presence: 'online' | 'away'): void {
    this.#options.events.toOthers(sessionId, participantId, 'session:presence', { participantId, presence });
  }

  left(outcome: LeaveOutcome & { kind: 'left' }, reason: 'left' | 'timeout', snapshot: SessionSnapshot): void {
    const { events } = this.#options;
    const { id } = snapshot.document;
    const session = this.view(snapshot);
    events.toAll(id, 'session:left', { participantId: outcome.seat.id, reason, session });
    if (outcome.newHost !== null) events.toAll(id, 'session:updated', { session });
    if (outcome.closed !== null) this.closed(snapshot);
  }

  kicked(participantId: string, snapshot: SessionSnapshot): void {
    const { events } = this.#options;
    const { id } = snapshot.document;
    events.closeSeat(id, participantId, 'kicked');
    events.toAll(id, 'session:left', { participantId, reason: 'kicked', session: this.view(snapshot) });
  }

  updated(snapshot: SessionSnapshot): void {
    this.#options.events.toAll(snapshot.document.id, 'session:updated', { session: this.view(snapshot) });
  }

  closed({ document }: SessionSnapshot): void {
    if (document.closed === null) return;
    const { reason } = document.closed;
    if (reason === 'expired' && !document.everPaired) this.#options.metrics.pairing('expired');
    this.#options.events.toAll(document.id, 'session:closed', { sessionId: document.id, reason });
    this.#options.logger.info('session_closed', { sessionId: document.id, reason });
  }

  idle(sessionId: string, closesAt: number): void {
    this.#options.events.toAll(sessionId, 'session:idle', { closesAt: iso(closesAt) });
  }

  view(snapshot: SessionSnapshot): Session {
    return viewSession(snapshot, this.#options.durability, this.#options.now());
  }
}

export function holderOf(seat: Seat): SeatHolder {
  return { seatId: seat.id, generation: seat.generation };
}
