import { LRUCache } from 'lru-cache';
import type { CacheEntry, CacheLook, CacheSlot, CacheStore, CacheSubject } from '../../cache/cache-store.ts';

export interface MemoryCacheOptions {
  /** Unix milliseconds. */
  now: () => number;
  /** Of all entries together, as they lie in memory. */
  maxBytes?: number;
  maxSubjects?: number;
}

const MAX_BYTES = 16 * 1024 * 1024;
const MAX_SUBJECTS = 10_000;
/** What an entry costs besides its texts. */
const OVERHEAD_BYTES = 200;

interface Kept extends CacheEntry {
  readonly expiresAt: number;
}

/** Entries of the only process: the least recently used go first. */
export class MemoryCache implements CacheStore {
  readonly #now: () => number;
  readonly #maxSubjects: number;
  readonly #entries: LRUCache<string, Kept>;
  /** Versions of subjects that were invalidated, the oldest first. They are handed out ascending, over all subjects. */
  readonly #versions = new Map<string, number>();
  #newest = 0;
  /** Version of every subject that is not listed: what was forgotten counts as invalidated at that time, for all. */
  #floor = 0;

  constructor({ now, maxBytes = MAX_BYTES, maxSubjects = MAX_SUBJECTS }: MemoryCacheOptions) {
    this.#now = now;
    this.#maxSubjects = maxSubjects;
    this.#entries = new LRUCache({
      maxSize: maxBytes,
      // V8 takes two bytes a letter where not all of them are Latin.
      sizeCalculation: ({ text }, name) => OVERHEAD_BYTES + 2 * (text.length + name.length),
    });
  }

  read(slot: CacheSlot): Promise<CacheLook> {
    const version = this.#versionOf(slot);
    const name = entryName(slot);
    const kept = this.#entries.get(name);
    if (kept !== undefined && kept.version === version && this.#now() < kept.expiresAt) {
      return Promise.resolve({ version, text: kept.text });
    }
    this.#entries.delete(name);
    return Promise.resolve({ version, text: null });
  }

  write(slot: CacheSlot, { version, text }: CacheEntry, lifeMs: number): Promise<void> {
    this.#entries.set(entryName(slot), { version, text, expiresAt: this.#now() + lifeMs });
    return Promise.resolve();
  }

  invalidate(subject: CacheSubject): Promise<void> {
    const name = subjectName(subject);
    this.#newest += 1;
    this.#versions.delete(name);
    this.#versions.set(name, this.#newest);
    for (const [oldest, version] of this.#versions) {
      if (this.#versions.size <= this.#maxSubjects) break;
      this.#versions.delete(oldest);
      this.#floor = version;
    }
    return Promise.resolve();
  }

  #versionOf(subject: CacheSubject): string {
    return String(this.#versions.get(subjectName(subject)) ?? this.#floor);
  }
}

function subjectName({ kind, subject }: CacheSubject): string {
  return JSON.stringify([kind, subject]);
}

function entryName({ kind, subject, key }: CacheSlot): string {
  return JSON.stringify([kind, subject, key]);
}
