import { describe, expect, it } from '@jest/globals';
import { visibleName, visibleText } from './visible-text.ts';

describe('a text of somebody else', () => {
  it('stays as it is, markup and emoji included', () => {
    const text = '<b>“Grüße”</b>\n\tعربي עברית 👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 &amp;';
    expect(visibleText(text)).toBe(text);
  });

  it('shows its control characters', () => {
    expect(visibleText('a\u0000b\u001bc\u007fd\u0085e')).toBe('a␀b␛c␡d\ufffde');
  });

  it('breaks its lines in one way', () => {
    expect(visibleText('a\r\nb\rc\u2028d\u2029e\nf')).toBe('a\nb\nc\nd\ne\nf');
  });

  it('cannot turn letters around', () => {
    expect(visibleText('invoice\u202efdp.exe')).toBe('invoicefdp.exe');
  });
});

describe('a name', () => {
  it('is one line that keeps its direction to itself', () => {
    expect(visibleName(' Bob\n\u202e\u2066is\t host\u2069\u200f ')).toBe('Bob is host');
    expect(visibleName('Bob\u0007')).toBe('Bob␇');
  });
});
