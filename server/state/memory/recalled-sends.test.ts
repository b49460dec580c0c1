import { describe, expect, it } from '@jest/globals';
import { RecalledSends } from './recalled-sends.ts';

describe('RecalledSends', () => {
  const [one, other, third] = [{ name: 'one' }, { name: 'other' }, { name: 'third' }];

  it('takes from the oldest what is above the bound', () => {
    const recalled = new RecalledSends<object>(10);
    expect(recalled.add(one, 6)).toEqual([]);
    expect(recalled.add(other, 4)).toEqual([]);
    expect(recalled.add(third, 5)).toEqual([one]);
    recalled.delete(other);
    expect(recalled.add(one, 5)).toEqual([]);
    expect(recalled.add(other, 10)).toEqual([third, one]);
  });

  it('lets the last one have what it needs', () => {
    const recalled = new RecalledSends<object>(10);
    expect(recalled.add(one, 6)).toEqual([]);
    expect(recalled.add(other, 50)).toEqual([one]);
    expect(recalled.add(third, 1)).toEqual([other]);
  });
});
