import type { TandemSession } from '../../client/index.ts';

/** What is needed of `localStorage`. */
type SeatsStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

const KEY = 'tandem.seats';
/** The oldest go first. */
const MOST = 20;

/**
 * Seats that a signed-in user took on this device, so that one whose tab was closed is found again. Alone they open
 * nothing: such a seat resumes only with a token of its user. The key of an encrypted session stays with its tab.
 */
export class DeviceSeats {
  readonly #storage: SeatsStorage | null;

  constructor(storage: SeatsStorage | null) {
    this.#storage = storage;
  }

  handoverOf(sessionId: string): string | null {
    return this.#load().find(([id]) => id === sessionId)?.[1] ?? null;
  }

  /** Keeps the seat while it can come back, if it is the user's. */
  update(session: TandemSession, userId: string | null): void {
    const { id, info, participantId, isEncrypted, isClosed, ended } = session;
    const isOver = isClosed || ended?.canResume === false;
    const isTheirs =
      userId !== null && info.participants.some((one) => one.id === participantId && one.userId === userId);
    if (isOver) this.forget(id);
    else if (isTheirs && !isEncrypted && this.handoverOf(id) === null) {
      this.#save([[id, session.handOver()], ...this.#load()].slice(0, MOST));
    }
  }

  forget(sessionId: string): void {
    const seats = this.#load();
    const others = seats.filter(([id]) => id !== sessionId);
    if (others.length < seats.length) this.#save(others);
  }

  clear(): void {
    this.#save([]);
  }

  #load(): string[][] {
    try {
      const seats: unknown = JSON.parse(this.#storage?.getItem(KEY) ?? '[]');
      return Array.isArray(seats) ? seats.filter(isSeat) : [];
    } catch {
      // Forbidden, or not ours.
      return [];
    }
  }

  #save(seats: string[][]): void {
    try {
      if (seats.length === 0) this.#storage?.removeItem(KEY);
      else this.#storage?.setItem(KEY, JSON.stringify(seats));
    } catch {
      // Full or forbidden: the seat ends with its tab, as without an account.
    }
  }
}

function isSeat(value: unknown): value is string[] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === 'string');
}
