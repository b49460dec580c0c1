import { describe, expect, it } from '@jest/globals';
import { handoverLink, pairingLink } from '../client/index.ts';
import { readScanned, readTyped } from './pairing-text.ts';

const ORIGIN = 'http://192.168.1.7:3001';
const SECRET = 'k'.repeat(43);
const ID = '0190a000-0000-7000-8000-000000000001';
const HANDOVER = Buffer.from(JSON.stringify([ID, ID, 'x'.repeat(43), null])).toString('base64url');

describe('a text that somebody typed, pasted or scanned', () => {
  it.each([
    ['bcd 234', null],
    ['BCD-234', null],
    [`BCD-234.${SECRET}`, SECRET],
    [pairingLink(ORIGIN, 'BCD234', null), null],
    [` ${pairingLink(ORIGIN, 'BCD234', SECRET)}\n`, SECRET],
    [pairingLink(ORIGIN, 'BCD234', null).toUpperCase(), null],
    ['#BCD-234', null],
  ])('is an invitation: %s', (text, secret) => {
    const invitation = { kind: 'invitation', code: 'BCD234', secret };
    expect(readTyped(text, ORIGIN)).toEqual(invitation);
    expect(readScanned(text, ORIGIN)).toEqual(invitation);
  });

  it('is a handover, bare or in its link', () => {
    const handover = { kind: 'handover', handover: HANDOVER };
    for (const text of [HANDOVER, `#take:${HANDOVER}`, handoverLink(ORIGIN, HANDOVER)]) {
      expect(readTyped(text, ORIGIN)).toEqual(handover);
      expect(readScanned(text, ORIGIN)).toEqual(handover);
    }
  });

  it.each([pairingLink('http://other.example', 'BCD234', SECRET), handoverLink('http://other.example', HANDOVER)])(
    'leads elsewhere, and what is in it is not used here: %s',
    (text) => {
      const elsewhere = { kind: 'unreadable', fault: { kind: 'elsewhere', host: 'other.example' } };
      expect(readTyped(text, ORIGIN)).toEqual(elsewhere);
      expect(readScanned(text, ORIGIN)).toEqual(elsewhere);
    },
  );

  it.each([
    ['', 'empty'],
    ['BCD', 'too_short'],
    ['AEI-OU1', 'foreign'],
    ['BCD-234.short', 'damaged'],
    [`${ORIGIN}/#BCD-234.short`, 'damaged'],
    [`${ORIGIN}/#take:short`, 'damaged'],
    ['https://shop.example/lemonade', 'foreign_text'],
    ['https://shop.example/#lemonade', 'foreign_text'],
    [`${ORIGIN}/docs/`, 'foreign_text'],
  ])('is none: "%s", and a scanned one is just foreign', (text, kind) => {
    expect(readTyped(text, ORIGIN)).toMatchObject({ kind: 'unreadable', fault: { kind } });
    expect(readScanned(text, ORIGIN)).toEqual({ kind: 'unreadable', fault: { kind: 'foreign_text' } });
  });
});
