/** Sessions as the rules see them, and the rules as a test calls them. */
import { joinSession, openSession, resumeSeat } from '../../server/sessions/session.ts';
import type {
  Decision,
  NewSeat,
  Rule,
  RuleContext,
  Seat,
  SeatHolder,
  SessionDocument,
} from '../../server/sessions/session.ts';

export const NOW = Date.parse('2026-01-31T12:00:00.000Z');
export const HORIZON_MS = 3_600_000;
export const CODE = { value: 'BCD234', expiresAt: NOW + 900_000 };

export interface Kinded {
  readonly kind: string;
}

/** A rule whose outcome says its kind, whatever else it says. */
export type AnyRule = Rule<Kinded>;

export type Change<O> = Decision<O> & { readonly kind: 'change' };

export function newSessionInput(capacity: number): Parameters<typeof openSession>[0] {
  return { id: 'session', now: NOW, capacity, approval: false, shareHistory: false, metadata: {}, code: CODE };
}

export function newSession(capacity = 2): SessionDocument {
  return frozen(openSession(newSessionInput(capacity), newcomer('ann')));
}

/** A session of `ann`, joined by others. */
export function room(capacity: number, ...guests: string[]): SessionDocument {
  return guests.reduce((session, guest) => after(session, joining(guest)), newSession(capacity));
}

export function newcomer(id: string): NewSeat {
  return { id, name: id, userId: null, tokenHash: `token of ${id}`, keyHash: null, instance: 'here' };
}

export function joining(id: string, code = CODE.value) {
  return joinSession(code, newcomer(id), HORIZON_MS);
}

export function resuming(seatId: string, { tokenHash = `token of ${seatId}`, userId = null as string | null } = {}) {
  return resumeSeat({ seatId, tokenHash, userId, instance: 'there' }, HORIZON_MS);
}

export function withUser(session: SessionDocument, seatId: string, userId: string): SessionDocument {
  const seats = session.seats.map((seat): Seat => (seat.id === seatId ? { ...seat, userId } : seat));
  return { ...session, seats };
}

export function holder(seatId: string, generation = 1): SeatHolder {
  return { seatId, generation };
}

export function context({ now = NOW, lastSeq = 0, lastActivityAt = NOW }: Partial<RuleContext> = {}): RuleContext {
  return { now, lastSeq, lastActivityAt };
}

/** The decision of a rule that must change the session. */
export function changed<O>(session: SessionDocument, rule: Rule<O>, given?: Partial<RuleContext>): Change<O> {
  const decision = rule(session, context(given));
  if (decision.kind !== 'change') throw new Error(`expected a change, received ${JSON.stringify(decision)}`);
  return { ...decision, document: frozen(decision.document) };
}

export function after(session: SessionDocument, rule: AnyRule): SessionDocument {
  return changed(session, rule).document;
}

export function kindOf(rule: AnyRule, session: SessionDocument, now = NOW): string {
  return rule(session, context({ now })).outcome.kind;
}

/** A rule that changes what it was given would throw. */
export function frozen(session: SessionDocument): SessionDocument {
  session.seats.forEach((seat) => Object.freeze(seat));
  Object.freeze(session.seats);
  return Object.freeze(session);
}
