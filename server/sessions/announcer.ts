import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Durability, Session } from '../../protocol/session.ts';
import type { Connection, Recovery, SessionEvents, SessionSnapshot } from './ports.ts';
import type { JoinOutcome, LeaveOutcome, Seat, SeatHolder } from './session.ts';
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

  joined(connection: Connection, outcome: JoinOutcome & { kind: 'joined' }, snapshot: SessionSnapshot): void {
    const { seat, paired, isFirst } = outcome;
    this.#options.events.attach(connection, snapshot.document.id, holderOf(seat));
    this.#arrived(seat, snapshot);
    if (paired) this.#paired(isFirst, snapshot);
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

  /**
   * What nobody was told when it happened, because the answer of its commit was lost. Every seat but the new ones has
   * the connection that it had before.
   */
  recovered({ before, after, ended }: Recovery): void {
    const { events } = this.#options;
    const { id, seats } = after.document;
    for (const { seat, reason } of ended) {
      if (reason === 'kicked') events.closeSeat(id, seat.id, 'kicked');
      else events.detach(id, seat.id);
      events.toAll(id, 'session:left', { participantId: seat.id, reason, session: this.view(after) });
    }
    const known = new Set(before.document.seats.map((seat) => seat.id));
    const arrived = seats.filter((seat) => !known.has(seat.id));
    for (const seat of arrived) this.#arrived(seat, after);
    const stayed = known.size - ended.length;
    if (arrived.length > 0 && stayed < 2 && seats.length >= 2) this.#paired(!before.document.everPaired, after);
    if (isUpdated(before, after)) this.updated(after);
    if (before.document.closed === null) this.closed(after);
  }

  idle(sessionId: string, closesAt: number): void {
    this.#options.events.toAll(sessionId, 'session:idle', { closesAt: iso(closesAt) });
  }

  view(snapshot: SessionSnapshot): Session {
    return viewSession(snapshot, this.#options.durability, this.#options.now());
  }

  #arrived(seat: Seat, snapshot: SessionSnapshot): void {
    const payload = { participant: viewParticipant(seat, snapshot), session: this.view(snapshot) };
    this.#options.events.toOthers(snapshot.document.id, seat.id, 'session:joined', payload);
  }

  #paired(isFirst: boolean, snapshot: SessionSnapshot): void {
    const { events, metrics, logger, now } = this.#options;
    const { id, createdAt } = snapshot.document;
    metrics.pairing('paired');
    events.toAll(id, 'session:paired', { session: this.view(snapshot) });
    // A re-pairing says nothing of how long people take to find each other.
    if (isFirst) metrics.timeToPair((now() - createdAt) / 1000);
    logger.info('session_paired', { sessionId: id });
  }
}

/** Whether clients see another lock, code or host. */
function isUpdated({ document: before }: SessionSnapshot, { document: after }: SessionSnapshot): boolean {
  if (before.locked !== after.locked || before.code?.value !== after.code?.value) return true;
  const [was, is] = [before, after].map(({ seats }) => seats.find(({ role }) => role === 'host')?.id);
  return was !== is && is !== undefined;
}

export function holderOf(seat: Seat): SeatHolder {
  return { seatId: seat.id, generation: seat.generation };
}
