import { describe, expect, it } from '@jest/globals';
import type { Participant } from '../../protocol/session.ts';
import { Receipts } from './receipts.ts';

function peer(id: string, part: Partial<Participant> = {}): Participant {
  return {
    id,
    role: 'guest',
    name: id,
    userId: null,
    presence: 'online',
    state: 'active',
    joinedAt: '2026-01-01T12:00:00.000Z',
    joinedSeq: 0,
    delivered: 0,
    read: 0,
    ...part,
  };
}

describe('receipts', () => {
  it('count each of the others that has a message, and never oneself', () => {
    const receipts = new Receipts();
    const people = [peer('ada', { read: 9, delivered: 9 }), peer('bob', { delivered: 5, read: 3 }), peer('eve')];
    receipts.update(people, 'ada', false);
    expect(receipts.of(3)).toEqual({ peers: 2, delivered: 1, read: 1 });
    expect(receipts.of(5)).toEqual({ peers: 2, delivered: 1, read: 0 });
    expect(receipts.of(6)).toEqual({ peers: 2, delivered: 0, read: 0 });
  });

  it('do not wait for those who joined later, unless they see what was before', () => {
    const receipts = new Receipts();
    const people = [peer('ada'), peer('bob', { read: 5, delivered: 5 }), peer('eve', { joinedSeq: 5 })];
    receipts.update(people, 'ada', false);
    expect(receipts.of(5)).toEqual({ peers: 1, delivered: 1, read: 1 });
    expect(receipts.of(6).peers).toBe(2);
    receipts.update(people, 'ada', true);
    expect(receipts.of(5).peers).toBe(2);
  });

  it('keep what somebody read before leaving, and expect nothing more of them', () => {
    const receipts = new Receipts();
    receipts.update([peer('ada'), peer('bob', { delivered: 4, read: 3 })], 'ada', false);
    receipts.update([peer('ada')], 'ada', false);
    expect(receipts.of(3)).toEqual({ peers: 1, delivered: 1, read: 1 });
    expect(receipts.of(4)).toEqual({ peers: 1, delivered: 1, read: 0 });
    expect(receipts.of(5)).toEqual({ peers: 0, delivered: 0, read: 0 });
  });

  it('change their version only when something has changed', () => {
    const receipts = new Receipts();
    receipts.update([peer('ada'), peer('bob')], 'ada', false);
    const { version } = receipts;
    receipts.update([peer('ada', { read: 2 }), peer('bob')], 'ada', false);
    expect(receipts.version).toBe(version);
    receipts.update([peer('ada'), peer('bob', { read: 1 })], 'ada', false);
    expect(receipts.version).toBeGreaterThan(version);
  });
});
