import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Durability, Session } from '../../protocol/session.ts';
import type { Connection, Recovery, SessionEvents, SessionSnapshot } from './ports.ts';
import { waitingKnocks, type KnockState } from './knocks.ts';
import type {
  JoinOutcome,
  KickOutcome,
  Knock,
  LeaveOutcome,
  RemoveOutcome,
  Seat,
  SeatHolder,
  SessionDocument,
} from './session.ts';
import { iso } from './iso.ts';
import { viewParticipant, viewSession } from './view.ts';

/** What the domain counts. */
export type SessionMetrics = Pick<Metrics, 'pairing' | 'timeToPair' | 'resume' | 'signalSent'>;

export interface AnnouncerOptions {
  events: SessionEvents;
  /** What an ack is worth now. */
  durability: () => Durability;
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

  /** A new connection holds a seat that was there before; that of a host has not heard who waits. */
  taken(connection: Connection, seat: Seat, wasAway: boolean, { document }: SessionSnapshot): void {
    const readingSince = document.closed === null ? null : this.#options.now();
    this.#options.events.attach(connection, document.id, holderOf(seat), readingSince);
    if (wasAway) this.presence(document.id, seat.id, 'online');
    if (seat.role === 'host') this.#tellWhoWaits(document);
  }

  /** A knock that was repeated on another connection is the one that the host knows. */
  knocked(knock: Knock, replaced: Knock | null, { document }: SessionSnapshot): void {
    if (replaced === null) this.#tellHost(document, knock);
    else this.#options.events.answerKnock(knock.newcomer.id);
  }

  /** The host let someone in, whose connection may be on another instance: that one hears of it where it waits. */
  admitted({ seat, paired, isFirst }: JoinOutcome & { kind: 'joined' }, snapshot: SessionSnapshot): void {
    this.#arrived(seat, snapshot);
    if (!paired) return;
    this.#options.events.toOthers(snapshot.document.id, seat.id, 'session:paired', { session: this.view(snapshot) });
    this.#countPaired(isFirst, snapshot);
  }

  /** What the one who was let in has missed of its own arrival. */
  letIn(connection: Connection, admitted: KnockState & { kind: 'admitted' }, snapshot: SessionSnapshot): void {
    const { seat, paired, wasAway } = admitted;
    const { id } = snapshot.document;
    this.taken(connection, seat, wasAway, snapshot);
    if (paired) this.#options.events.toSeat(id, seat.id, 'session:paired', { session: this.view(snapshot) });
  }

  presence(sessionId: string, participantId: string, presence: 'online' | 'away'): void {
    this.#options.events.toOthers(sessionId, participantId, 'session:presence', { participantId, presence });
  }

  left(outcome: LeaveOutcome & { kind: 'left' }, reason: 'left' | 'timeout', snapshot: SessionSnapshot): void {
    const { events } = this.#options;
    const { id } = snapshot.document;
    const session = this.view(snapshot);
    events.toAll(id, 'session:left', { participantId: outcome.seat.id, reason, session });
    if (outcome.newHost !== null) {
      events.toAll(id, 'session:updated', { session });
      this.#tellWhoWaits(snapshot.document);
    }
    if (outcome.closed !== null) this.closed(snapshot);
  }

  kicked({ seat, others }: KickOutcome & { kind: 'kicked' }, snapshot: SessionSnapshot): void {
    const { events } = this.#options;
    const { id } = snapshot.document;
    for (const { id: participantId } of [seat, ...others]) {
      events.closeSeat(id, participantId, 'kicked');
      events.toAll(id, 'session:left', { participantId, reason: 'kicked', session: this.view(snapshot) });
    }
    for (const { newcomer, answer } of snapshot.document.knocks ?? []) {
      if (answer?.kind === 'kicked') events.answerKnock(newcomer.id);
    }
  }

  /** Kicked from above: it may have been the host, and the last. */
  removed(outcome: RemoveOutcome & { kind: 'kicked' }, snapshot: SessionSnapshot): void {
    const { newHost, closed } = outcome;
    this.kicked(outcome, snapshot);
    if (newHost !== null) {
      this.updated(snapshot);
      this.#tellWhoWaits(snapshot.document);
    }
    if (closed !== null) this.closed(snapshot);
  }

  updated(snapshot: SessionSnapshot): void {
    this.#options.events.toAll(snapshot.document.id, 'session:updated', { session: this.view(snapshot) });
  }

  closed({ document }: SessionSnapshot): void {
    if (document.closed === null) return;
    const { reason } = document.closed;
    for (const { newcomer } of document.knocks ?? []) this.#options.events.answerKnock(newcomer.id);
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
    if (hostOf(before.document)?.id !== hostOf(after.document)?.id) this.#tellWhoWaits(after.document);
    if (before.document.closed === null) this.closed(after);
  }

  /** To those here, who may not have heard of changes: how the session is now. */
  caughtUp(snapshot: SessionSnapshot): void {
    const { events } = this.#options;
    const { id, closed } = snapshot.document;
    if (closed === null) events.toHere(id, 'session:updated', { session: this.view(snapshot) });
    else events.toHere(id, 'session:closed', { sessionId: id, reason: closed.reason });
  }

  idle(sessionId: string, closesAt: number): void {
    // Whoever looks after the deadlines came late: the close is due, and is told instead.
    if (closesAt <= this.#options.now()) return;
    this.#options.events.toAll(sessionId, 'session:idle', { closesAt: iso(closesAt) });
  }

  view(snapshot: SessionSnapshot): Session {
    return viewSession(snapshot, this.#options.durability(), this.#options.now());
  }

  #arrived(seat: Seat, snapshot: SessionSnapshot): void {
    const payload = { participant: viewParticipant(seat, snapshot), session: this.view(snapshot) };
    this.#options.events.toOthers(snapshot.document.id, seat.id, 'session:joined', payload);
  }

  #tellWhoWaits(document: SessionDocument): void {
    for (const knock of waitingKnocks(document, this.#options.now())) this.#tellHost(document, knock);
  }

  #tellHost(document: SessionDocument, { newcomer, ip }: Knock): void {
    const host = hostOf(document);
    if (host === undefined) return;
    const payload = { knockId: newcomer.id, name: newcomer.name, ip };
    this.#options.events.toSeat(document.id, host.id, 'session:knock', payload);
  }

  #paired(isFirst: boolean, snapshot: SessionSnapshot): void {
    const { id } = snapshot.document;
    this.#options.events.toAll(id, 'session:paired', { session: this.view(snapshot) });
    this.#countPaired(isFirst, snapshot);
  }

  #countPaired(isFirst: boolean, { document: { id, createdAt } }: SessionSnapshot): void {
    const { metrics, logger, now } = this.#options;
    metrics.pairing('paired');
    // A re-pairing says nothing of how long people take to find each other.
    if (isFirst) metrics.timeToPair((now() - createdAt) / 1000);
    logger.info('session_paired', { sessionId: id });
  }
}

/** Whether clients see another lock, code or host. */
function isUpdated({ document: before }: SessionSnapshot, { document: after }: SessionSnapshot): boolean {
  if (before.locked !== after.locked || before.code?.value !== after.code?.value) return true;
  const [was, is] = [before, after].map((document) => hostOf(document)?.id);
  return was !== is && is !== undefined;
}

function hostOf({ seats }: SessionDocument): Seat | undefined {
  return seats.find(({ role }) => role === 'host');
}

export function holderOf(seat: Seat): SeatHolder {
  return { seatId: seat.id, generation: seat.generation };
}
