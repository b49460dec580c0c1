import { CACHE_TTL_MS, LATEST_WRITE_MS, type CacheKind } from './cache-kinds.ts';
import type { CacheLook, CacheSlot, CacheStore, CacheSubject } from './cache-store.ts';
import type { CacheOutcome } from '../observability/metrics.ts';

export interface CacheRequest<T> extends CacheSlot {
  /** What was kept may come from another version of the server: throws when it is not what is expected. */
  parse: (kept: unknown) => T;
  /** What it gives must survive JSON. Shared with everybody who asked meanwhile: not to be changed. */
  load: () => Promise<T>;
  /** Whether what was loaded may be kept; all of it unless this says no. */
  isKept?: (value: T) => boolean;
  /** When this entry has to go sooner than its kind. */
  ttlMs?: number;
}

export interface CacheOptions {
  store: CacheStore;
  /** Told once for each look-up. */
  onRequest?: (kind: CacheKind, outcome: CacheOutcome) => void;
  /** Milliseconds of a clock that only goes forwards. */
  now?: () => number;
}

/** Look-ups since the start, of all kinds; those that the store did not answer are in neither. */
export interface CacheRequests {
  readonly hits: number;
  readonly misses: number;
}

/** A query takes 1 to 30 ms: a store that needs longer than this is of no use. The most that a caller can lose. */
const LOOK_DEADLINE_MS = 150;
/** A store that did not answer is left alone for so long, or every request would wait for the deadline. */
const PAUSE_MS = 1000;
/** Who changes something waits longer, because what it says concerns everybody else. */
const INVALIDATE_DEADLINE_MS = 500;
/** Entries share the memory of the sessions: what is larger is rare, and loads as fast as it would be read. */
const MAX_ENTRY_BYTES = 64 * 1024;
const MAX_OWED = 1000;

/**
 * What is read again and again, kept for a while.
 *
 * - At most one load of a key runs in this process at a time; all who ask meanwhile wait for it, and get its error too. A
 *   load that fails, and nothing (`null`, `undefined`), is not kept.
 * - What was loaded before `invalidate` resolved, or by a load that began before, is served to nobody who asks after
 *   it, in any process that reaches the store.
 * - A look-up costs one round trip, whether or not it finds something, and never an error: when the store is away, it
 *   loads. Where that happens, or where an invalidation could not be told, other processes may serve for at most the
 *   life of the kind what they have, and a load that is running to who asks during it.
 */
export class Cache {
  readonly #store: CacheStore;
  readonly #onRequest: NonNullable<CacheOptions['onRequest']>;
  readonly #now: () => number;
  readonly #flights = new Map<string, Promise<unknown>>();
  /** Invalidations that the store does not know of, the oldest first: made good before the subject is read again. */
  readonly #owed = new Map<string, number>();
  #invalidations = 0;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #hits = 0;
  #misses = 0;

  constructor({ store, onRequest = () => undefined, now = () => performance.now() }: CacheOptions) {
    this.#store = store;
    this.#onRequest = onRequest;
    this.#now = now;
  }

  /** What is kept, else what `load` gives. Rejects with what `load` rejects with, and for no other reason. */
  async getOrSet<T>(request: CacheRequest<T>): Promise<T> {
    const look = await this.#look(request);
    const kept = look === null ? null : parsed(look.text, request.parse);
    this.#count(request.kind, look === null ? 'error' : kept === null ? 'miss' : 'hit');
    return kept === null ? this.#join(request, look?.version ?? null) : kept.value;
  }

  /** To be awaited after the change and before it is answered. Never rejects. */
  async invalidate(kind: CacheKind, subject: string): Promise<void> {
    this.#invalidations += 1;
    const turn = this.#invalidations;
    const name = nameOf({ kind, subject });
    try {
      await within(INVALIDATE_DEADLINE_MS, this.#store.invalidate({ kind, subject }));
    } catch {
      // The change has happened: to fail it now would help nobody.
      this.#owed.delete(name);
      this.#owed.set(name, turn);
      const [oldest] = this.#owed.keys();
      if (this.#owed.size > MAX_OWED && oldest !== undefined) this.#owed.delete(oldest);
    }
  }

  requests(): CacheRequests {
    return { hits: this.#hits, misses: this.#misses };
  }

  /** Null when the store does not say. */
  async #look(slot: CacheSlot): Promise<CacheLook | null> {
    if (this.#now() < this.#pausedUntil) return null;
    try {
      return await within(LOOK_DEADLINE_MS, this.#read(slot));
    } catch {
      // A cache is a courtesy: what it cannot tell is loaded, and the outcome is counted.
      this.#pausedUntil = this.#now() + PAUSE_MS;
      return null;
    }
  }

  async #read(slot: CacheSlot): Promise<CacheLook> {
    const name = nameOf(slot);
    const turn = this.#owed.get(name);
    if (turn !== undefined) {
      await this.#store.invalidate(slot);
      // Unless the next one failed meanwhile.
      if (this.#owed.get(name) === turn) this.#owed.delete(name);
    }
    return this.#store.read(slot);
  }

  /** A flight is joined by those who read the same version: who asks after an invalidation never gets an older load. */
  #join<T>(request: CacheRequest<T>, version: string | null): Promise<T> {
    const { kind, subject, key } = request;
    const name = JSON.stringify([kind, subject, key, version ?? this.#invalidations]);
    const underway = this.#flights.get(name);
    // What is kept under one key of one kind has one type.
    if (underway !== undefined) return underway as Promise<T>;
    const flight = this.#load(request, version).finally(() => this.#flights.delete(name));
    this.#flights.set(name, flight);
    return flight;
  }

  async #load<T>(request: CacheRequest<T>, version: string | null): Promise<T> {
    const startedAt = this.#now();
    const value = await request.load();
    const isInTime = this.#now() - startedAt < LATEST_WRITE_MS;
    if (version !== null && isInTime && request.isKept?.(value) !== false) this.#keep(request, version, value);
    return value;
  }

  #keep({ kind, subject, key, ttlMs }: CacheSlot & { ttlMs?: number }, version: string, value: unknown): void {
    const text = keptText(value);
    if (text === null) return;
    const lifeMs = Math.min(CACHE_TTL_MS[kind], ttlMs ?? Number.POSITIVE_INFINITY);
    // Nobody waits for it: what is not kept is loaded again.
    this.#store.write({ kind, subject, key }, { version, text }, lifeMs).catch(() => undefined);
  }

  #count(kind: CacheKind, outcome: CacheOutcome): void {
    if (outcome === 'hit') this.#hits += 1;
    if (outcome === 'miss') this.#misses += 1;
    this.#onRequest(kind, outcome);
  }
}

function nameOf({ kind, subject }: CacheSubject): string {
  return `${kind} ${subject}`;
}

function parsed<T>(text: string | null, parse: (kept: unknown) => T): { readonly value: T } | null {
  if (text === null) return null;
  try {
    return { value: parse(JSON.parse(text)) };
  } catch {
    // Written by another version, or by somebody else: as good as nothing.
    return null;
  }
}

/** Null for what is not to be kept. */
function keptText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  const text = JSON.stringify(value);
  return Buffer.byteLength(text) > MAX_ENTRY_BYTES ? null : text;
}

async function within<T>(deadlineMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`expected an answer within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
