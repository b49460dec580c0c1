import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fromBase64url, toBase64url } from './base64url.ts';

describe('base64url', () => {
  it('gives any bytes back, in characters that need no escaping in a link', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = toBase64url(bytes);
        expect(text).toMatch(/^[\w-]*$/);
        expect(fromBase64url(text)).toEqual(bytes);
      }),
    );
  });

  it('takes 64 KiB', () => {
    const bytes = new Uint8Array(65_536).fill(251);
    expect(fromBase64url(toBase64url(bytes))).toEqual(bytes);
  });

  it('knows one text for some bytes: no padding, no other alphabet, no blanks, no stray bits', () => {
    expect(fromBase64url('_-8')).toEqual(new Uint8Array([255, 239]));
    for (const other of ['_-8=', '/+8', ' _-8', '_-8\n', '_-9', '_', '_-8!', '_-8\u{1f600}', 'é']) {
      expect(fromBase64url(other)).toBeNull();
    }
  });
});
