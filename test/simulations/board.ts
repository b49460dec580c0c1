import type { Session } from '../../protocol/session.ts';

/** What people tell each other beside the server, and what each session is known to have been told to become. */
export class Board {
  /** Codes that were shown, by session. */
  readonly codes = new Map<string, string>();
  /** Everything that was ever seated, in the order of its sessions. */
  readonly seats = new Map<string, Set<string>>();
  /** A time that is another at each look: what was done before is told from what was done after. */
  readonly time: () => number;
  readonly #kickedAt = new Map<string, number>();
  readonly #left = new Set<string>();
  readonly #closed = new Set<string>();
  /** Locks that were asked for and have no outcome, and what the last one made it; unknown when two were under way. */
  readonly #locks = new Map<string, { open: number; isUnsure: boolean; locked: boolean }>();
  readonly #rejected: { readonly sessionId: string; readonly seatId: string }[] = [];

  constructor(time: () => number) {
    this.time = time;
  }

  seated(session: Session, seatId: string): void {
    if (session.code !== null) this.codes.set(session.id, session.code);
    const seats = this.seats.get(session.id) ?? new Set();
    this.seats.set(session.id, seats.add(seatId));
  }

  othersIn(sessionId: string, seatId: string): string[] {
    return [...(this.seats.get(sessionId) ?? [])].filter((other) => other !== seatId && !this.#left.has(other));
  }

  kicked(seatId: string): void {
    if (!this.#kickedAt.has(seatId)) this.#kickedAt.set(seatId, this.time());
  }

  left(seatId: string): void {
    this.#left.add(seatId);
  }

  closed(sessionId: string): void {
    this.#closed.add(sessionId);
  }

  locking(sessionId: string): void {
    const lock = this.#locks.get(sessionId) ?? { open: 0, isUnsure: false, locked: false };
    lock.open += 1;
    if (lock.open > 1) lock.isUnsure = true;
    this.#locks.set(sessionId, lock);
  }

  /** Answered ok. */
  locked(sessionId: string, locked: boolean): void {
    const lock = this.#locks.get(sessionId);
    if (lock === undefined) return;
    lock.open -= 1;
    lock.locked = locked;
  }

  /** Somebody resumed; when that was begun after the seat was taken away, nobody may. */
  resumed(seatId: string, askedAt: number, complaints: string[]): void {
    const kickedAt = this.#kickedAt.get(seatId);
    if (kickedAt !== undefined && kickedAt < askedAt) complaints.push(`${seatId} was kicked, and came back`);
  }

  rejected(sessionId: string, seatId: string): void {
    this.#rejected.push({ sessionId, seatId });
  }

  /** Sets what each session became against what its participants were told. */
  judge(find: (sessionId: string) => Judged | null): string[] {
    const found: string[] = [];
    for (const [sessionId] of this.seats) {
      const session = find(sessionId);
      if (session === null) {
        found.push(`${sessionId} is gone`);
        continue;
      }
      const lock = this.#locks.get(sessionId);
      if (lock?.open === 0 && !lock.isUnsure && session.locked !== lock.locked) {
        found.push(`${sessionId} was answered to be ${lock.locked ? 'locked' : 'open'}, and is not`);
      }
      if (this.#closed.has(sessionId) && !session.isClosed) found.push(`${sessionId} was closed, and is open`);
      for (const seatId of session.seats) {
        if (this.#kickedAt.has(seatId)) found.push(`${seatId} was kicked, and has a seat`);
        if (this.#left.has(seatId) && !session.isClosed) found.push(`${seatId} has left, and has a seat`);
      }
    }
    for (const { sessionId, seatId } of this.#rejected) {
      const session = find(sessionId);
      if (session?.seats.includes(seatId) === true && !session.isClosed) {
        found.push(`${seatId} was turned away, and has a seat`);
      }
    }
    return found;
  }
}

export interface Judged {
  readonly locked: boolean;
  readonly isClosed: boolean;
  readonly seats: readonly string[];
}
