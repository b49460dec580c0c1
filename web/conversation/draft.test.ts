import { describe, expect, it } from '@jest/globals';
import { DraftStore } from './draft.ts';

function storage(): Storage {
  const items = new Map<string, string>();
  return {
    get length() {
      return items.size;
    },
    key: (index) => [...items.keys()][index] ?? null,
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
    clear: () => items.clear(),
  };
}

describe('a draft', () => {
  it('comes back in its own session alone', () => {
    const kept = storage();
    new DraftStore(kept).save('one', 'half a sentence');
    expect(new DraftStore(kept).load('one')).toBe('half a sentence');
    expect(new DraftStore(kept).load('two')).toBe('');
  });

  it('leaves nothing behind when it is sent or forgotten', () => {
    const kept = storage();
    const drafts = new DraftStore(kept);
    drafts.save('one', 'text');
    drafts.save('one', '');
    expect(kept.length).toBe(0);
    drafts.save('one', 'text');
    drafts.forget();
    expect(kept.length).toBe(0);
  });

  it('is empty where storage is missing, forbidden, or holds something else', () => {
    const refuse = (): never => {
      throw new Error('forbidden');
    };
    const forbidden = Object.assign(storage(), { getItem: refuse, setItem: refuse, removeItem: refuse });
    for (const drafts of [new DraftStore(null), new DraftStore(forbidden)]) {
      drafts.save('one', 'text');
      drafts.forget();
      expect(drafts.load('one')).toBe('');
    }
    for (const text of ['{', '[]', 'null', '{"sessionId":"one","text":1}']) {
      const kept = storage();
      kept.setItem('tandem.draft', text);
      expect(new DraftStore(kept).load('one')).toBe('');
    }
  });
});
