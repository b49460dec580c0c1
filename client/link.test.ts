import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { toBase64url } from './base64url.ts';
import {
  codeInFragment,
  decodeHandover,
  encodeHandover,
  handoverLink,
  pairingLink,
  parseTarget,
  type Handover,
} from './link.ts';

const BASE = 'http://192.168.0.7:3001';
const SECRET = 'A_-'.repeat(14) + 'E';
const SEAT: Handover = {
  sessionId: '0198c6a0-1111-7abc-8def-0123456789ab',
  participantId: '0198c6a0-2222-7abc-8def-0123456789ab',
  resumeToken: 'x_-Y'.repeat(10) + 'abc',
  secret: null,
};

function written(value: unknown): string {
  return toBase64url(new TextEncoder().encode(JSON.stringify(value)));
}

describe('a pairing link', () => {
  it('carries the code in its fragment', () => {
    expect(pairingLink(BASE, 'BCD234', null)).toBe(`${BASE}/#BCD-234`);
    expect(new URL(pairingLink(BASE, 'BCD234', null)).href).toBe(`${BASE}/#BCD-234`);
    expect(codeInFragment('#BCD-234')).toBe('BCD-234');
  });

  it('of an encrypted session carries the key behind the code', () => {
    expect(pairingLink(BASE, 'BCD234', SECRET)).toBe(`${BASE}/#BCD-234.${SECRET}`);
  });

  it('does not double the slash at the end of its address', () => {
    expect(pairingLink(`${BASE}/`, 'BCD234', null)).toBe(`${BASE}/#BCD-234`);
    expect(pairingLink('https://example.org/tandem/', 'BCD234', null)).toBe('https://example.org/tandem/#BCD-234');
  });

  it('without a fragment has no code', () => {
    expect(codeInFragment('')).toBeNull();
    expect(codeInFragment('#')).toBeNull();
  });

  it('with broken percent-encoding is taken as it stands', () => {
    expect(codeInFragment('#%E0%A4%A')).toBe('%E0%A4%A');
    expect(codeInFragment('#BCD%20234')).toBe('BCD 234');
  });
});

describe('what people type, paste or scan', () => {
  it.each([
    'BCD234',
    ' bcd-234\n',
    'b c d 2 3 4',
    'BCD\u2013234\ufeff',
    '#BCD-234',
    '#bcd%2D234',
    'BCD%20234',
    `${BASE}/#BCD-234`,
    `  ${BASE}/#bcd-234 `,
    `Join me: ${BASE}/#BCD-234`,
    'https://example.org/100%/#BCD-234',
    'https://example.org/%23BCD-234',
    'https://example.org/?a=b%23c#BCD-234',
  ])('%j is the code', (text) => {
    expect(parseTarget(text)).toEqual({ kind: 'code', code: 'BCD234', secret: null });
  });

  it.each([
    pairingLink(BASE, 'BCD234', SECRET),
    `#BCD-234.${SECRET}`,
    `bcd 234.${SECRET}`,
    `#BCD-234%2E${SECRET}`,
    `${BASE}/#BCD-234.${SECRET.slice(0, 20)}\r\n${SECRET.slice(20)}`,
  ])('%j is the code with the key as it is', (text) => {
    expect(parseTarget(text)).toEqual({ kind: 'code', code: 'BCD234', secret: SECRET });
  });

  it('takes every handover, bare or in a link', () => {
    const handover = encodeHandover({ ...SEAT, secret: SECRET });
    const texts = [
      handover,
      `take:${handover}`,
      `#take:${handover}`,
      `#take%3A${handover}`,
      handoverLink(BASE, handover),
    ];
    for (const text of texts) expect(parseTarget(text)).toEqual({ kind: 'handover', handover });
  });

  it.each(['', '#', ' - ', `${BASE}/#`, '#%20'])('%j is empty', (text) => {
    expect(parseTarget(text)).toEqual({ kind: 'fault', fault: { kind: 'empty' } });
  });

  it('tells what is wrong with a code', () => {
    expect(parseTarget('#BCD-23')).toEqual({ kind: 'fault', fault: { kind: 'too_short' } });
    expect(parseTarget('BCD-2O4')).toEqual({ kind: 'fault', fault: { kind: 'foreign', character: 'O' } });
    expect(parseTarget('#BCD\u{1f600}34')).toEqual({
      kind: 'fault',
      fault: { kind: 'foreign', character: '\u{1f600}' },
    });
    expect(parseTarget('BCD.234')).toEqual({ kind: 'fault', fault: { kind: 'foreign', character: '.' } });
    expect(parseTarget('%E0%A4%A')).toEqual({ kind: 'fault', fault: { kind: 'foreign', character: '%' } });
    expect(parseTarget('https://tandem.example/')).toMatchObject({ kind: 'fault', fault: { kind: 'foreign' } });
  });

  it.each([
    `#BCD-234.${SECRET.slice(1)}`,
    `#BCD-234.${SECRET}A`,
    `#BCD-234.${SECRET}.${SECRET}`,
    '#BCD-234.',
    `#BCD-234.${'!'.repeat(43)}`,
    `#take:${encodeHandover(SEAT).slice(0, -4)}`,
    `take:${encodeHandover(SEAT)}x`,
    '#take:',
    '#take:BCD-234',
    'B'.repeat(65),
    'B'.repeat(10_000),
    '%'.repeat(10_000),
    '\u{1f600}'.repeat(5_000),
    `#take:${'A'.repeat(10_000)}`,
    `#BCD-234.${'A'.repeat(10_000)}`,
  ])('%.40j is damaged: neither joined without its key nor sent', (text) => {
    expect(parseTarget(text)).toEqual({ kind: 'fault', fault: { kind: 'damaged' } });
  });

  it('never throws, and never gives what the wire would not take', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '#',
        '.',
        '%',
        'take:',
        'BCD-234',
        SECRET,
        '%23',
        '%E0%A4',
        '\u{1f600}',
        '\ud800',
        '\u0000',
        '__proto__',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const target = parseTarget(pieces.join(''));
        if (target.kind === 'code') {
          expect(target.code).toMatch(/^[2-9B-DF-HJKMNP-TV-Z]{6,64}$/);
          expect(target.secret ?? SECRET).toMatch(/^[\w-]{43}$/);
        } else expect(target.kind).toBe('fault');
      }),
    );
  });
});

describe('a handover', () => {
  it.each([SEAT, { ...SEAT, secret: SECRET }])('gives back what was handed over', (seat) => {
    const text = encodeHandover(seat);
    expect(text).toMatch(/^[\w-]+$/);
    expect(decodeHandover(text)).toEqual(seat);
  });

  it('fits into a code that a camera reads with ease', () => {
    expect(encodeHandover({ ...SEAT, secret: SECRET }).length).toBeLessThan(260);
  });

  const parts: unknown[] = [SEAT.sessionId, SEAT.participantId, SEAT.resumeToken, null];
  const withPart = (index: number, part: unknown) => written(parts.map((old, at) => (at === index ? part : old)));

  it.each([
    ['nothing', ''],
    ['no base64url', 'n!'],
    ['padding', `${encodeHandover(SEAT)}=`],
    ['no JSON', toBase64url(new TextEncoder().encode('seat'))],
    ['null', written(null)],
    ['an object', written(SEAT)],
    ['a part too few', written(parts.slice(0, 3))],
    ['a part too many', written([...parts, null])],
    ['a session that is no UUID', withPart(0, 'x')],
    ['a UUID with a tail', withPart(1, `${SEAT.participantId}\n`)],
    ['a participant that is no text', withPart(1, 7)],
    ['an empty token', withPart(2, '')],
    ['a token with foreign characters', withPart(2, 'a b')],
    ['a token in a list', withPart(2, ['abc'])],
    ['a token that is too long', withPart(2, 'a'.repeat(257))],
    ['a key that is too short', withPart(3, SECRET.slice(1))],
    ['a key with foreign characters', withPart(3, `${SECRET.slice(1)}\u00e9`)],
    ['a key that is false', withPart(3, false)],
    ['10 kB', 'A'.repeat(10_000)],
  ])('with %s is none', (_what, text) => {
    expect(decodeHandover(text)).toBeNull();
  });
});
