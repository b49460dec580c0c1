import type { ActivityState, JsonValue } from '../../protocol/session.ts';
import type { LimitRequest } from '../../protocol/limits.ts';
import type { Span } from '../observability/span.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { History, HistoryPage } from './history.ts';
import type { Accepted, AppendResult, FindSendResult, LogRange, SessionEvents, SessionState } from './ports.ts';
import { readerSeat } from './reader-seat.ts';
import { invalid, rateLimited, refused } from './refusals.ts';
import type { HeldSeat } from './seating.ts';

export interface MessageServiceOptions {
  state: SessionState;
  history: History;
  events: SessionEvents;
}

export interface SendInput {
  id: string;
  type: string;
  body: JsonValue;
  /** The body as JSON text, as it was measured at the edge. */
  bodyJson: string;
  /** Of the send, where it is traced. */
  span?: Span | null;
}

/** An accepted send; `duplicate` when it was accepted before. */
export interface Sent extends Accepted {
  duplicate: boolean;
}

/** What participants of a session say to each other. */
export class MessageService {
  readonly #options: MessageServiceOptions;

  constructor(options: MessageServiceOptions) {
    this.#options = options;
  }

  /**
   * Appends the message, or recognises it. `limits` count together or not at all, and not for a repetition.
   * Throws `RATE_LIMITED`, `ID_REUSED`, `SESSION_CLOSED`, `NOT_IN_SESSION`, `UNAVAILABLE`.
   */
  async send(seat: HeldSeat, input: SendInput, limits: readonly LimitRequest[]): Promise<Sent> {
    const fingerprint = fingerprintOf(input.type, input.bodyJson);
    const request = { sessionId: seat.sessionId, sender: seat, ...input, fingerprint, limits };
    return sentOf(await this.#options.state.append(request));
  }

  /** The send as it was accepted before, or null: for a caller that may send nothing new. Throws `ID_REUSED`. */
  async findSent(seat: HeldSeat, input: SendInput): Promise<Sent | null> {
    const fingerprint = fingerprintOf(input.type, input.bodyJson);
    const found = await this.#options.state.findSend(seat.sessionId, seat.seatId, input.id, fingerprint);
    return found.kind === 'unknown' ? null : sentOf(found);
  }

  /** Messages that this participant may see. */
  async history(seat: HeldSeat, range: LogRange): Promise<HistoryPage> {
    const { state, history } = this.#options;
    const snapshot = await state.read(seat.sessionId);
    const own = snapshot === null ? undefined : readerSeat(snapshot, seat);
    if (snapshot === null || own === undefined) throw refused('not_seated');
    const floorSeq = snapshot.document.shareHistory ? 0 : own.joinedSeq;
    const page = await history.read({ sessionId: seat.sessionId, floorSeq, range });
    if (page === null) throw refused('not_seated');
    return page;
  }

  async receipt(seat: HeldSeat, receipt: { delivered?: number; read?: number }): Promise<void> {
    const { state, events } = this.#options;
    const result = await state.recordReceipt(seat.sessionId, seat, receipt);
    if (result.kind === 'above_head') {
      const path = (receipt.read ?? 0) > result.lastSeq ? 'read' : 'delivered';
      throw invalid(path, `expected a seq up to ${result.lastSeq}, the last one of this session`);
    }
    if (result.kind !== 'recorded') throw refused(result.kind);
    if (!result.changed) return;
    const { delivered, read } = result.receipt;
    const payload = { participantId: seat.seatId, delivered, read };
    events.toOthers(seat.sessionId, seat.seatId, 'message:receipt', payload);
  }

  /** Hands a signal to whoever is online; returns how many those are. */
  async signal(
    seat: HeldSeat,
    signal: { type: string; body: JsonValue | Uint8Array; to: string | null },
  ): Promise<number> {
    const { state, events } = this.#options;
    const result = await state.touch(seat.sessionId, seat);
    if (result.kind !== 'touched') throw refused(result.kind);
    const snapshot = await state.read(seat.sessionId);
    const { type, body, to } = signal;
    const addressees = (snapshot?.document.seats ?? []).filter(
      ({ id, presence }) => id !== seat.seatId && presence === 'online' && (to === null || id === to),
    );
    if (addressees.length > 0) events.signal(seat.sessionId, seat.seatId, { from: seat.seatId, type, body }, to);
    return addressees.length;
  }

  async reportActivity(seat: HeldSeat, activity: ActivityState): Promise<void> {
    const { state, events } = this.#options;
    const result =
      activity === 'active'
        ? await state.touch(seat.sessionId, seat, activity)
        : await state.reportIdle(seat.sessionId, seat);
    if (result.kind !== 'touched') throw refused(result.kind);
    const payload = { participantId: seat.seatId, state: activity };
    events.toOthers(seat.sessionId, seat.seatId, 'session:activity', payload);
  }
}

export function sentOf(result: AppendResult | Exclude<FindSendResult, { kind: 'unknown' }>): Sent {
  switch (result.kind) {
    case 'appended':
    case 'duplicate': {
      const { seq, sentAt, epoch, durableSeq } = result;
      return { seq, sentAt, epoch, durableSeq, duplicate: result.kind === 'duplicate' };
    }
    case 'rate_limited':
      throw rateLimited(result.limit, result.retryAfterMs);
    case 'no_such_session':
      throw refused('not_seated');
    default:
      throw refused(result.kind);
  }
}
