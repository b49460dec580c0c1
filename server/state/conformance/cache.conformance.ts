/** What every `CacheStore` must do, seen through the `Cache` above it, which is what callers know. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CACHE_TTL_MS, type CacheKind } from '../../cache/cache-kinds.ts';
import { Cache, type CacheRequest } from '../../cache/cache.ts';
import type { CacheStore } from '../../cache/cache-store.ts';

export interface CacheHarness {
  /** As another process has it, over the same entries. */
  openStore(): CacheStore;
  /** Time passes for what is kept. */
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

const SPARE_MS = 10_000;

export function describeCache(name: string, open: () => Promise<CacheHarness>): void {
  let harness: CacheHarness;
  let here: Cache;
  let elsewhere: Cache;
  let outcomes: string[];
  let subject: string;

  beforeAll(async () => {
    harness = await open();
  });

  afterAll(() => harness.close());

  beforeEach(() => {
    outcomes = [];
    here = new Cache({
      store: harness.openStore(),
      onRequest: (kind, outcome) => outcomes.push(`${kind} ${outcome}`),
    });
    elsewhere = new Cache({ store: harness.openStore() });
    subject = randomUUID();
  });

  function request<T>(load: () => Promise<T> | T, own: Partial<CacheRequest<T>> = {}): CacheRequest<T> {
    // What the tests keep is whatever they expect.
    const parse = (kept: unknown) => kept as T;
    return { kind: 'user', subject, key: 'key', parse, load: async () => load(), ...own };
  }

  /** What is kept, or 'loaded'. */
  function kept(cache: Cache, own: Partial<CacheRequest<string>> = {}): Promise<string> {
    return cache.getOrSet(request(() => 'loaded', { isKept: () => false, ...own }));
  }

  /** A load that ends when it is told to. */
  function heldLoad<T>(): { load: () => Promise<T>; begun: Promise<void>; end: (value: T) => void; fail: () => void } {
    let begin: () => void = () => undefined;
    let end: (value: T) => void = () => undefined;
    let fail: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const ended = new Promise<T>((resolve, reject) => {
      end = resolve;
      fail = () => reject(new Error('the load failed'));
    });
    const load = () => {
      begin();
      return ended;
    };
    return { load, begun, end: (value) => end(value), fail: () => fail() };
  }

  describe(`a cache over ${name}`, () => {
    it('loads once, and gives every process what was loaded', async () => {
      const value = { name: 'Änn', tags: [1, null, 'x y'], deep: { '': true } };
      expect(await here.getOrSet(request(() => value))).toEqual(value);
      const never = () => Promise.reject(new Error('asked for though it is kept'));
      expect(await here.getOrSet(request(never))).toEqual(value);
      expect(await elsewhere.getOrSet(request(never))).toEqual(value);
      expect(outcomes).toEqual(['user miss', 'user hit']);
      expect([here.requests(), elsewhere.requests()]).toEqual([
        { hits: 1, misses: 1 },
        { hits: 1, misses: 0 },
      ]);
    });

    it('keeps apart what differs in kind, subject or key, whatever they are made of', async () => {
      const places = [
        { subject: 'a b', key: 'c' },
        { subject: 'a', key: 'b c' },
        { subject: 'a:b', key: 'c' },
        { subject: 'a', key: 'b:c' },
        { subject: '{p00}', key: '"' },
        { subject: 'a', key: 'b c', kind: 'code' as const },
      ].map((place) => ({ ...place, subject: `${subject} ${place.subject}` }));
      for (const [index, place] of places.entries()) await here.getOrSet(request(() => `value ${index}`, place));
      for (const [index, place] of places.entries()) expect(await kept(here, place)).toBe(`value ${index}`);
    });

    it('has one load under way for a key, and none when it has ended', async () => {
      const held = heldLoad<string>();
      const first = here.getOrSet(request(held.load));
      await held.begun;
      const others = Array.from({ length: 20 }, () => here.getOrSet(request(() => 'a second load')));
      const another = here.getOrSet(request(() => 'of another key', { key: 'another' }));
      expect(await another).toBe('of another key');
      held.end('the only one');
      expect(new Set(await Promise.all([first, ...others]))).toEqual(new Set(['the only one']));
      expect(await kept(here)).toBe('the only one');
    });

    it('gives a failed load to all who wait for it, and keeps nothing of it', async () => {
      const held = heldLoad<string>();
      const first = here.getOrSet(request(held.load));
      await held.begun;
      const second = here.getOrSet(request(() => 'a second load'));
      const settled = Promise.allSettled([first, second]);
      // The second has looked by the time of an answer to who asked after it.
      await kept(here, { key: 'another' });
      held.fail();
      expect(await settled).toMatchObject([
        { status: 'rejected', reason: { message: 'the load failed' } },
        { status: 'rejected', reason: { message: 'the load failed' } },
      ]);
      const thrown = request<string>(() => {
        throw new Error('at once');
      });
      await expect(here.getOrSet(thrown)).rejects.toThrow('at once');
      expect(await kept(here)).toBe('loaded');
    });

    it.each([null, undefined])('does not keep %s', async (nothing) => {
      expect(await here.getOrSet(request<string | null | undefined>(() => nothing))).toBe(nothing);
      expect(await kept(here)).toBe('loaded');
    });

    it('does not keep what the caller does not want kept, nor what is larger than 64 KiB', async () => {
      await here.getOrSet(request(() => 'unwanted', { isKept: (value) => value !== 'unwanted' }));
      expect(await kept(here)).toBe('loaded');
      const large = 'é'.repeat(32 * 1024);
      expect(await here.getOrSet(request(() => large))).toBe(large);
      expect(await kept(here)).toBe('loaded');
      const fits = 'x'.repeat(64 * 1024 - 2);
      await here.getOrSet(request(() => fits));
      expect(await kept(here)).toBe(fits);
    });

    it('takes what it does not understand for nothing, and replaces it', async () => {
      await here.getOrSet(request(() => 'of another version'));
      const number = (stored: unknown) => {
        if (typeof stored === 'number') return stored;
        throw new TypeError('expected a number');
      };
      expect(await here.getOrSet(request(() => 7, { parse: number }))).toBe(7);
      expect(await here.getOrSet(request(() => 8, { parse: number }))).toBe(7);
      expect(outcomes).toEqual(['user miss', 'user miss', 'user hit']);
    });

    it.each(Object.keys(CACHE_TTL_MS) as CacheKind[])('serves an entry of %s for its life', async (kind) => {
      const spareMs = Math.min(SPARE_MS, CACHE_TTL_MS[kind] / 2);
      await here.getOrSet(request(() => 'old', { kind }));
      await harness.advance(CACHE_TTL_MS[kind] - spareMs);
      expect(await kept(here, { kind })).toBe('old');
      await harness.advance(spareMs);
      expect(await kept(here, { kind })).toBe('loaded');
    });

    it('serves an entry for less, where less is asked for, and never for more', async () => {
      await here.getOrSet(request(() => 'short', { ttlMs: SPARE_MS }));
      await here.getOrSet(request(() => 'long', { key: 'long', ttlMs: 10 * CACHE_TTL_MS.user }));
      await harness.advance(SPARE_MS);
      expect(await kept(here)).toBe('loaded');
      expect(await kept(here, { key: 'long' })).toBe('long');
      await harness.advance(CACHE_TTL_MS.user - SPARE_MS);
      expect(await kept(here, { key: 'long' })).toBe('loaded');
    });

    it('serves nothing of a subject after its invalidation anywhere, and all of every other', async () => {
      const another = randomUUID();
      for (const key of ['one', 'two']) await here.getOrSet(request(() => 'old', { key }));
      await here.getOrSet(request(() => 'kept', { subject: another }));
      await here.getOrSet(request(() => 'kept', { kind: 'code' }));
      await elsewhere.invalidate('user', subject);
      for (const key of ['one', 'two']) {
        expect(await kept(here, { key })).toBe('loaded');
        expect(await kept(elsewhere, { key })).toBe('loaded');
      }
      expect(await kept(here, { subject: another })).toBe('kept');
      expect(await kept(here, { kind: 'code' })).toBe('kept');
      await here.getOrSet(request(() => 'new', { key: 'one' }));
      expect(await kept(elsewhere, { key: 'one' })).toBe('new');
      await here.invalidate('user', subject);
      expect(await kept(elsewhere, { key: 'one' })).toBe('loaded');
    });

    it.each(['here', 'elsewhere'] as const)('serves no load that began before an invalidation %s', async (where) => {
      const before = heldLoad<string>();
      const early = here.getOrSet(request(before.load));
      await before.begun;
      await (where === 'here' ? here : elsewhere).invalidate('user', subject);
      // While the early load runs, and after it ended: whoever asks now gets what was loaded now.
      expect(await here.getOrSet(request(() => 'new'))).toBe('new');
      expect(await kept(elsewhere)).toBe('new');
      before.end('old');
      expect(await early).toBe('old');
      expect(await kept(here)).not.toBe('old');
      expect(await kept(elsewhere)).not.toBe('old');
    });

    it('remembers an invalidation for longer than what it rules out', async () => {
      const before = heldLoad<string>();
      const early = here.getOrSet(request(before.load, { kind: 'analytics' }));
      await before.begun;
      await elsewhere.invalidate('analytics', subject);
      before.end('old');
      await early;
      await harness.advance(CACHE_TTL_MS.analytics - SPARE_MS);
      expect(await kept(elsewhere, { kind: 'analytics' })).toBe('loaded');
    });
  });
}
