import { describe, expect, it } from '@jest/globals';
import type { CacheSlot } from '../../cache/cache-store.ts';
import { describeCache } from '../conformance/cache.conformance.ts';
import { MemoryCache } from './memory-cache.ts';

let now = Date.parse('2026-01-31T12:00:00.000Z');

describeCache('the memory of the process', () => {
  const store = new MemoryCache({ now: () => now });
  return Promise.resolve({
    openStore: () => store,
    advance: (ms) => {
      now += ms;
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  });
});

describe('the memory of a cache', () => {
  const slot = (subject: string | number, key = 'key'): CacheSlot => ({ kind: 'user', subject: String(subject), key });
  const write = async (store: MemoryCache, of: CacheSlot, text: string) => {
    const { version } = await store.read(of);
    await store.write(of, { version, text }, 60_000);
  };

  it('is bounded in bytes: the least recently used goes', async () => {
    const store = new MemoryCache({ now: () => now, maxBytes: 10_000 });
    for (const subject of [1, 2, 3, 4]) {
      await write(store, slot(subject), 'x'.repeat(1000));
      // Asked for all the time.
      expect((await store.read(slot(1))).text).not.toBeNull();
    }
    await write(store, slot(5), 'x'.repeat(1000));
    const kept = await Promise.all(
      [1, 2, 3, 4, 5].map(async (subject) => (await store.read(slot(subject))).text !== null),
    );
    expect(kept).toEqual([true, false, true, true, true]);
    await write(store, slot(6), 'x'.repeat(6000));
    expect((await store.read(slot(6))).text).toBeNull();
  });

  it('is bounded in versions: what was forgotten counts as invalidated', async () => {
    const store = new MemoryCache({ now: () => now, maxSubjects: 3 });
    const before = await store.read(slot('first'));
    await store.invalidate(slot('first'));
    for (const subject of [1, 2, 3]) await store.invalidate(slot(subject));
    await write(store, slot(3), 'of a version that is known');
    // A load that began before all of them ends.
    await store.write(slot('first'), { version: before.version, text: 'old' }, 60_000);
    expect((await store.read(slot('first'))).text).toBeNull();
    expect((await store.read(slot(3))).text).toBe('of a version that is known');
    await write(store, slot('first'), 'new');
    expect((await store.read(slot('first'))).text).toBe('new');
  });
});
