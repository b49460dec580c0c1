import { describe, expect, it } from '@jest/globals';
import { TandemError } from '../../protocol/errors.ts';
import { consoleErrorText, linkText } from './texts.ts';

describe('what went wrong', () => {
  it('is told in the words of the server where it could not do it', () => {
    const text = 'instance i-2 has not said that it stops: stop it by whatever runs it';
    const error = TandemError.fromWire(new TandemError('UNAVAILABLE', text).toWire());
    expect(consoleErrorText(error)).toBe('Instance i-2 has not said that it stops: stop it by whatever runs it.');
  });

  it('says of a server without room when the next try is', () => {
    const busy = { kind: 'lost', why: 'busy', retryAtMs: Date.parse('2026-01-31T12:00:00.000Z') } as const;
    expect(linkText(busy, null)).toMatch(
      /^The server takes no more consoles for now: .* Trying again at \d\d:\d\d:\d\d\.$/,
    );
  });
});
