import type { SessionSnapshot } from './ports.ts';
import { findSeat, heldSeat, type Seat, type SeatHolder } from './session.ts';

/** The seat of a connection that may read: of the connection that holds it, or of any in a closed session. */
export function readerSeat({ document }: SessionSnapshot, holder: SeatHolder): Seat | undefined {
  return document.closed === null ? heldSeat(document, holder) : findSeat(document, holder.seatId);
}
