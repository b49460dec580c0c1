import type { CacheKind } from './cache-kinds.ts';

/** What a version belongs to: one user, one session; all entries of a subject are invalidated together. */
export interface CacheSubject {
  readonly kind: CacheKind;
  /** Any text. */
  readonly subject: string;
}

/** The place of one entry. */
export interface CacheSlot extends CacheSubject {
  /** Any text. */
  readonly key: string;
}

export interface CacheEntry {
  /** The version under which it was loaded. */
  readonly version: string;
  readonly text: string;
}

/** What was found: the version of the subject now, and the entry's text if it was written under this version. */
export interface CacheLook {
  readonly version: string;
  readonly text: string | null;
}

/**
 * Where entries are kept. One conformance suite, with `Cache` above it, runs against each implementation.
 *
 * Guarantees: after `invalidate` no `read` gives a text that was written under an earlier version, however late the write
 * comes. What is kept is bounded, each entry goes after its life, and any of it may go at any time. Methods may reject;
 * nothing is wrong then but that it has to be loaded.
 */
export interface CacheStore {
  /** One round trip. */
  read(slot: CacheSlot): Promise<CacheLook>;
  write(slot: CacheSlot, entry: CacheEntry, lifeMs: number): Promise<void>;
  /** Gives the subject a version that it never had. */
  invalidate(subject: CacheSubject): Promise<void>;
}
