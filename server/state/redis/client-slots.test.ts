import { describe, expect, it } from '@jest/globals';
import { addressOf, ownersFrom, placeName, redirectFrom, slotOf, SLOTS } from './client-slots.ts';

const asked = { host: '10.0.0.1', port: 7000 };

describe('the slot of a key', () => {
  // By CLUSTER KEYSLOT of Redis 7.0.15.
  it.each([
    ['', 0],
    ['123456789', 12739],
    ['foo', 12182],
    ['{foo}bar', 12182],
    ['a{foo}b{bar}', 12182],
    ['{}foo', 9500],
    ['foo{}{bar}', 8363],
    ['foo{{bar}}zap', 4015],
    ['é', 10180],
  ])('of %j is %d, as Redis says', (key, slot) => {
    expect(slotOf(key)).toBe(slot);
  });
});

describe('the owners of slots', () => {
  it('are read range by range, and nobody owns the rest', () => {
    const reply = [
      [0, 5, ['10.0.0.2', 7001, 'id', []], ['10.0.0.9', 7009, 'replica', []]],
      [7, SLOTS - 1, ['::1', 7002, 'id']],
    ];
    const owners = ownersFrom(reply, asked);
    expect([owners[0], owners[5], owners[6], owners[7], owners[SLOTS - 1], owners.length]).toEqual([
      '10.0.0.2 7001',
      '10.0.0.2 7001',
      null,
      '::1 7002',
      '::1 7002',
      SLOTS,
    ]);
  });

  it('are the node itself where it does not know its own name', () => {
    for (const host of ['', '?', null])
      expect(ownersFrom([[0, 1, [host, 7005, 'id']]], asked)[0]).toBe('10.0.0.1 7005');
  });

  it('are told by redirections', () => {
    expect(redirectFrom('MOVED 3999 10.0.0.3:6381', asked)).toBe('10.0.0.3 6381');
    expect(redirectFrom('ASK 3999 redis-1.example:6381', asked)).toBe('redis-1.example 6381');
    expect(redirectFrom('MOVED 1 ::1:6381', asked)).toBe('::1 6381');
    expect(redirectFrom('MOVED 1 :6381', asked)).toBe('10.0.0.1 6381');
    for (const message of ['ERR MOVED 1 a:1', 'MOVED', 'TRYAGAIN Multiple keys'])
      expect(redirectFrom(message, asked)).toBeNull();
  });

  it('have names that give their addresses back', () => {
    for (const address of [asked, { host: '::1', port: 1 }]) expect(addressOf(placeName(address))).toEqual(address);
  });
});
