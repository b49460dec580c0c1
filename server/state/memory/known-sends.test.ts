import { describe, expect, it } from '@jest/globals';
import { KnownSends, type KnownSend } from './known-sends.ts';

function sentAt(at: number): KnownSend {
  return { seq: at, sentAt: at, fingerprint: '', stored: null };
}

describe('KnownSends', () => {
  it('gives an id that is used again after the horizon a new place, so that it outlives older ones', () => {
    const sends = new KnownSends(0, 3);
    sends.add('again', sentAt(1), 0);
    sends.add('old', sentAt(2), 0);
    sends.add('again', sentAt(100), 2);
    sends.add('new', sentAt(101), 2);
    sends.add('newer', sentAt(102), 2);
    expect(sends.find('old')).toBeUndefined();
    expect(sends.find('again')?.sentAt).toBe(100);
    expect(sends.size).toBe(3);
    // What was forgotten for want of room is what it no longer knows.
    expect(sends.knowsAllSince(2)).toBe(false);
    expect(sends.knowsAllSince(3)).toBe(true);
  });
});
