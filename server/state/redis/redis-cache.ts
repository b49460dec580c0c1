import { randomBytes } from 'node:crypto';
import { CACHE_TTL_MS, VERSION_LIFE_MS, type CacheKind } from '../../cache/cache-kinds.ts';
import type { CacheEntry, CacheLook, CacheSlot, CacheStore, CacheSubject } from '../../cache/cache-store.ts';
import type { Redis } from './client.ts';
import type { Keys } from './keys.ts';
import { arrayOf, textOf } from './reply.ts';
import { loadScript } from './script.ts';

const READ = loadScript('read_cache');

/**
 * Redis must not evict, so what is cached takes memory from messages, and a full Redis refuses sends. What an instance
 * writes of one kind within the life of the kind is bounded, therefore at most twice this lies in Redis by its doing.
 */
const MAX_BYTES_WRITTEN = 16 * 1024 * 1024;
/** Of an entry, besides its text: key, version, what Redis keeps beside a key. */
const OVERHEAD_BYTES = 250;

export interface RedisCacheOptions {
  redis: Pick<Redis, 'run' | 'send'>;
  keys: Keys;
  /** Milliseconds of a clock that only goes forwards. */
  now?: () => number;
  maxBytesWritten?: number;
}

/** Entries that all instances share. */
export class RedisCache implements CacheStore {
  readonly #redis: Pick<Redis, 'run' | 'send'>;
  readonly #keys: Keys;
  readonly #now: () => number;
  readonly #maxBytesWritten: number;
  readonly #written = new Map<CacheKind, { since: number; bytes: number }>();

  constructor({ redis, keys, now = () => performance.now(), maxBytesWritten = MAX_BYTES_WRITTEN }: RedisCacheOptions) {
    this.#redis = redis;
    this.#keys = keys;
    this.#now = now;
    this.#maxBytesWritten = maxBytesWritten;
  }

  async read(slot: CacheSlot): Promise<CacheLook> {
    const { version: versionKey, entry } = this.#keys.cache(slot);
    const [version, text] = arrayOf(await this.#redis.run(READ, [versionKey, entry], []));
    return { version: textOf(version), text: text === null ? null : textOf(text) };
  }

  /** Under which version is in the entry itself, so that one that comes late is seen to be outdated when it is read. */
  async write(slot: CacheSlot, { version, text }: CacheEntry, lifeMs: number): Promise<void> {
    if (!this.#takeBytes(slot.kind, Buffer.byteLength(text) + OVERHEAD_BYTES)) return;
    const { entry } = this.#keys.cache(slot);
    await this.#redis.send(['SET', entry, `${version} ${text}`, 'PX', String(Math.ceil(lifeMs))], entry);
  }

  /** By chance, not by counting: a count would begin again where Redis lost its data, and meet what was read before. */
  async invalidate(subject: CacheSubject): Promise<void> {
    const { version } = this.#keys.cache({ ...subject, key: '' });
    const next = randomBytes(9).toString('base64url');
    await this.#redis.send(['SET', version, next, 'PX', String(VERSION_LIFE_MS)], version);
  }

  #takeBytes(kind: CacheKind, bytes: number): boolean {
    const now = this.#now();
    let window = this.#written.get(kind);
    if (window === undefined || now - window.since >= CACHE_TTL_MS[kind]) {
      this.#written.set(kind, (window = { since: now, bytes: 0 }));
    }
    if (window.bytes + bytes > this.#maxBytesWritten) return false;
    window.bytes += bytes;
    return true;
  }
}
