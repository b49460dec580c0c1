/** What becomes of seats when the instance that holds their connections dies, or comes back. Pure. */
import { withoutKnocksOf } from './knocks.ts';
import { findSeat, GENERATIONS_OF_EPOCH, type Rule, type Seat, type SeatHolder } from './session.ts';

export type ReleaseOutcome = { kind: 'released'; seatIds: readonly string[] } | { kind: 'stale' };

/** The instance is dead, and with it every connection that it held: seats are away, and nobody waits to be let in. */
export function releaseSeats(instance: string): Rule<ReleaseOutcome> {
  return (session, { now }) => {
    const isLost = (seat: Seat) => seat.presence === 'online' && seat.instance === instance;
    const seatIds = session.seats.filter(isLost).map(({ id }) => id);
    const rest = withoutKnocksOf(session, instance);
    if (session.closed !== null || (seatIds.length === 0 && rest === session)) {
      return { kind: 'keep', outcome: { kind: 'stale' } };
    }
    const seats = session.seats.map((seat): Seat =>
      isLost(seat) ? { ...seat, presence: 'away', awaySince: now, instance: null } : seat,
    );
    return passing({ ...rest, seats }, { kind: 'released', seatIds });
  };
}

export type ReassertOutcome =
  | { kind: 'back' }
  | { kind: 'held' }
  | { kind: 'gone' }
  /** The session was put back under another epoch, and nobody has come back for the seat yet. */
  | { kind: 'epoch_ended' }
  /** A later connection holds the seat. */
  | { kind: 'replaced'; generation: number };

/** An instance that was taken for dead still has the connection: it holds the seat again, unless a later one does. */
export function reassertSeat(holder: SeatHolder, instance: string): Rule<ReassertOutcome> {
  return (session) => {
    const seat = findSeat(session, holder.seatId);
    const keep = (outcome: ReassertOutcome) => ({ kind: 'keep', outcome }) as const;
    if (seat === undefined) return keep({ kind: 'gone' });
    if (seat.presence === 'away' && isOfAnotherEpoch(seat, holder)) return keep({ kind: 'epoch_ended' });
    if (seat.generation > holder.generation) return keep({ kind: 'replaced', generation: seat.generation });
    if (session.closed !== null || seat.presence === 'online') return keep({ kind: 'held' });
    const back: Seat = { ...seat, presence: 'online', awaySince: null, instance };
    const seats = session.seats.map((other) => (other.id === seat.id ? back : other));
    return passing({ ...session, seats }, { kind: 'back' });
  };
}

/** Whether the seat was put back since that connection took it. */
export function isOfAnotherEpoch(seat: Pick<Seat, 'generation'>, holder: SeatHolder): boolean {
  const [now, then] = [seat, holder].map(({ generation }) => Math.floor(generation / GENERATIONS_OF_EPOCH));
  return now !== then;
}

function passing<O>(document: Parameters<Rule<O>>[0], outcome: O): ReturnType<Rule<O>> {
  return { kind: 'change', document, outcome, lasting: false, ended: [] };
}
