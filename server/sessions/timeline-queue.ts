import type { RecordedEvent } from './ports.ts';

/** Refusals of one seat by one limit within so long are one event. */
export const COUNTED_MS = 10_000;
/** Events that wait for the store, about 300 bytes each: as many as an instance has connections to lose come twice. */
const MOST = 20_000;

export interface TimelineQueueOptions {
  now: () => number;
  newId: () => string;
  /** How many may wait; with one more the oldest is lost. */
  most?: number;
}

type CountedEvent = { -readonly [Key in keyof RecordedEvent]: RecordedEvent[Key] };

/**
 * What happened to participants, until the store has it. Whoever adds to it waits for nothing and hears of no failure: a
 * timeline is worth no command. An event that the store has may grow, and is stored again then, under the same id.
 */
export class TimelineQueue {
  readonly #now: () => number;
  readonly #newId: () => string;
  readonly #most: number;
  /** By id, in the order in which they came. */
  readonly #waiting = new Map<string, CountedEvent>();
  /** Those that still count, by whom and what they count, the oldest first. */
  readonly #counting = new Map<string, CountedEvent>();
  #lost = 0;

  constructor({ now, newId, most = MOST }: TimelineQueueOptions) {
    this.#now = now;
    this.#newId = newId;
    this.#most = most;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Events that nobody will store, since the last `takeLost`. */
  get lost(): number {
    return this.#lost;
  }

  /** `at`: since when, where the session says so. */
  away(sessionId: string, participantId: string, at: number | null = null): void {
    this.#add(sessionId, participantId, 'away', null, at ?? this.#now());
  }

  resumed(sessionId: string, participantId: string, isReset: boolean): void {
    this.#add(sessionId, participantId, 'resumed', isReset ? 'reset' : null, this.#now());
  }

  limited(sessionId: string, participantId: string, limit: string): void {
    const key = `${participantId} ${limit} ${sessionId}`;
    const now = this.#now();
    const counting = this.#counting.get(key);
    if (counting !== undefined && isOpen(counting, now)) {
      counting.count += 1;
      this.#put(counting);
      return;
    }
    // Deleted first, so that it is the latest again.
    this.#counting.delete(key);
    this.#counting.set(key, this.#add(sessionId, participantId, 'limited', limit, now));
    if (this.#counting.size > this.#most) dropFirst(this.#counting);
  }

  /** At most so many, the oldest first. They stay until they are settled. */
  take(limit: number): RecordedEvent[] {
    this.#closeCounts();
    const taken: RecordedEvent[] = [];
    for (const event of this.#waiting.values()) {
      if (taken.length >= limit) break;
      taken.push({ ...event });
    }
    return taken;
  }

  /** These are stored: what grew meanwhile waits again. */
  settle(taken: readonly RecordedEvent[]): void {
    for (const { id, count } of taken) if (this.#waiting.get(id)?.count === count) this.#waiting.delete(id);
  }

  /** The store will never have these. */
  giveUp(taken: readonly RecordedEvent[]): void {
    for (const { id } of taken) if (this.#waiting.delete(id)) this.#lost += 1;
  }

  takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  #add(
    sessionId: string,
    participantId: string,
    kind: RecordedEvent['kind'],
    reason: string | null,
    at: number,
  ): CountedEvent {
    const event = { id: this.#newId(), sessionId, at, kind, participantId, reason, count: 1 };
    this.#put(event);
    return event;
  }

  #put(event: CountedEvent): void {
    this.#waiting.set(event.id, event);
    if (this.#waiting.size <= this.#most) return;
    // One that is on its way may be stored all the same.
    dropFirst(this.#waiting);
    this.#lost += 1;
  }

  /** Nobody asks for most of them again. The first that came are the first to close. */
  #closeCounts(): void {
    const now = this.#now();
    for (const [key, event] of this.#counting) {
      if (isOpen(event, now)) return;
      this.#counting.delete(key);
    }
  }
}

/** A clock may be set back, and a count must not go on until it has caught up. */
function isOpen({ at }: RecordedEvent, now: number): boolean {
  return Math.abs(now - at) < COUNTED_MS;
}

function dropFirst(events: Map<string, CountedEvent>): void {
  const [first] = events.keys();
  if (first !== undefined) events.delete(first);
}
