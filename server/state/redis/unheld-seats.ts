import type { SeatHolder, SessionDocument } from '../../sessions/session.ts';
import { isUnavailable } from './client-errors.ts';

/** A write that Redis got before the connection broke is done by then, also by a server that stood still. */
const WATCHED_MS = 30_000;
/** Beyond it the oldest are let go: their sessions end by their own deadlines. */
const MOST = 10_000;

interface Unheld {
  readonly sessionId: string;
  readonly holder: SeatHolder;
  /** Null until Redis was asked for the first time since. */
  until: number | null;
}

/**
 * Seats that were given here by a change whose answer was lost. Nobody was told of them, so no connection can hold them,
 * and if they were stored they would stay online for ever: whoever asked repeats under another generation, or is gone.
 */
export class UnheldSeats {
  readonly #instanceId: string;
  readonly #clock: () => number;
  #seats: Unheld[] = [];

  constructor(instanceId: string, clock: () => number = () => performance.now()) {
    this.#instanceId = instanceId;
    this.#clock = clock;
  }

  /** It is not known whether this document was stored. */
  note(before: SessionDocument | null, document: SessionDocument): void {
    const known = new Map((before?.seats ?? []).map(({ id, generation }) => [id, generation]));
    const given = document.seats.filter(
      ({ id, generation, presence, instance }) =>
        presence === 'online' && instance === this.#instanceId && known.get(id) !== generation,
    );
    const noted = given.map(({ id: seatId, generation }) => {
      return { sessionId: document.id, holder: { seatId, generation }, until: null };
    });
    this.#seats = [...this.#seats, ...noted].slice(-MOST);
  }

  /** Has each released, as long as it may still turn out to be stored. While Redis is away they wait. */
  async release(drop: (sessionId: string, holder: SeatHolder) => Promise<unknown>): Promise<void> {
    for (const seat of [...this.#seats]) {
      try {
        await drop(seat.sessionId, seat.holder);
        seat.until ??= this.#clock() + WATCHED_MS;
      } catch (error) {
        // Whatever else is wrong with that session would be wrong again, and keep the others waiting.
        if (!isUnavailable(error)) this.#seats = this.#seats.filter((other) => other !== seat);
        throw error;
      }
    }
    const now = this.#clock();
    this.#seats = this.#seats.filter(({ until }) => until === null || until > now);
  }
}
