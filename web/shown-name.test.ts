import { describe, expect, it } from '@jest/globals';
import { nameInSentence, shownName } from './shown-name.ts';

describe('a name as others see it', () => {
  it.each(['Ada', 'עדה', '😀😀', '<b>Ada</b>', 'Ada  Lovelace'])('stays what it is: %s', (name) => {
    expect(shownName(name, false)).toBe(name.replace('  ', ' '));
  });

  it.each([null, '', '   ', '\u200b\u200d', '\u2060', '\u3164', '\u00ad', '\u2800', '\u202e'])(
    'is a word when there is nothing to see: %j',
    (name) => {
      expect(shownName(name, false)).toBe('Somebody');
      expect(shownName(name, true)).toBe('You');
    },
  );

  it('has no mark that turns what stands around it', () => {
    expect(shownName('\u202egnp.exe\u2069', false)).toBe('gnp.exe');
    expect(nameInSentence({ name: 'Ada\u2069\u202e' })).toBe('\u2068Ada\u2069');
  });

  it('is one line', () => {
    expect(shownName('Ada\n\nhost', false)).toBe('Ada host');
  });
});
