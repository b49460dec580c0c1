import { describe, expect, it } from '@jest/globals';
import { TandemError } from '../../protocol/errors.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import { refusalOf } from './refusal.ts';

/** As Socket.IO hands over what the server sent. */
function refused(code: ErrorCode, retryAfterMs?: number): Error & { data: unknown } {
  const error = new TandemError(code, undefined, retryAfterMs === undefined ? {} : { retryAfterMs });
  return Object.assign(new Error(code), { data: error.toWire() });
}

describe('a console that is not let in', () => {
  it('stays away where another try changes nothing', () => {
    for (const code of ['UNAUTHENTICATED', 'FORBIDDEN', 'INVALID_PAYLOAD'] as const) {
      expect(refusalOf(refused(code), false)).toMatchObject({ kind: 'end', error: { code } });
      expect(refusalOf(refused(code), true)).toMatchObject({ kind: 'end', error: { code } });
    }
  });

  it('tries again where there is no room, and knows why', () => {
    expect(refusalOf(refused('UNAVAILABLE'), false)).toEqual({ kind: 'again', why: 'busy', afterMs: 0 });
    expect(refusalOf(refused('UNAVAILABLE', 2_000), true)).toEqual({ kind: 'again', why: 'busy', afterMs: 2_000 });
  });

  it('tries again after whatever else may pass', () => {
    const again = { kind: 'again', why: 'gone', afterMs: 0 };
    expect(refusalOf(refused('INTERNAL'), false)).toEqual(again);
    expect(refusalOf(new Error('websocket error'), false)).toEqual(again);
    const unknown = Object.assign(new Error('TOMORROW'), { data: { code: 'TOMORROW', retryable: false } });
    expect(refusalOf(unknown, false)).toEqual(again);
  });

  it('takes an instance without a console for an older one, once another has had it open', () => {
    const older = new Error('Invalid namespace');
    expect(refusalOf(older, false)).toMatchObject({ kind: 'end', error: { code: 'UNKNOWN_COMMAND' } });
    expect(refusalOf(older, true)).toEqual({ kind: 'again', why: 'gone', afterMs: 0 });
  });
});
