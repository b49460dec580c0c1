import { describe, expect, it } from '@jest/globals';
import { linesOf } from './lines.ts';
import type { Line } from './lines.ts';
import { Transcript } from './transcript.ts';
import type { Saying } from './transcript.ts';

function saying(seq: number, sentAt: Date, part: Partial<Saying> = {}): Saying {
  const id = `message-${seq}`;
  const fixed = { seq, id, type: 'text', body: '', isOwn: false, unreadable: null, from: 'bob' };
  return { ...fixed, sentAt: sentAt.toISOString(), ...part };
}

function linesFor(...sayings: Saying[]): Line[] {
  const transcript = new Transcript();
  for (const entry of sayings) transcript.receive(entry);
  return linesOf(transcript);
}

describe('the lines of a conversation', () => {
  it('name the day, on this device, whenever it changes', () => {
    const lines = linesFor(
      saying(1, new Date(2026, 0, 31, 23, 59)),
      saying(2, new Date(2026, 1, 1, 0, 1)),
      saying(3, new Date(2026, 1, 1, 9)),
    );
    expect(lines.map((line) => (line.kind === 'day' ? line.day : line.kind))).toEqual([
      '2026-01-31',
      'saying',
      '2026-02-01',
      'saying',
      'saying',
    ]);
  });

  it('say a name once for what somebody says in a row', () => {
    const at = (minute: number): Date => new Date(2026, 0, 1, 12, minute);
    const lines = linesFor(
      saying(1, at(0)),
      saying(2, at(1)),
      saying(3, at(10)),
      saying(4, at(11), { from: 'eve' }),
      saying(6, at(11), { from: 'eve' }),
    );
    const continued = lines.flatMap((line) => (line.kind === 'saying' ? [line.isContinued] : []));
    // The fifth no longer exists: what stands between is not known.
    expect(continued).toEqual([false, true, false, false, false]);
  });

  it('put what happened after the message that it followed', () => {
    const transcript = new Transcript();
    transcript.receive(saying(1, new Date(2026, 0, 1)));
    transcript.note({ kind: 'now_host' });
    transcript.lose({ fromSeq: 2, toSeq: 4 });
    transcript.receive(saying(5, new Date(2026, 0, 1)));
    expect(linesOf(transcript).map(({ kind }) => kind)).toEqual(['day', 'saying', 'note', 'missing', 'saying']);
  });

  it('have keys of their own even when days or ids repeat', () => {
    const lines = linesFor(
      saying(1, new Date(2026, 0, 2), { isOwn: true, id: 'the-same' }),
      saying(2, new Date(2026, 0, 1)),
      saying(3, new Date(2026, 0, 2), { isOwn: true, id: 'the-same' }),
    );
    expect(new Set(lines.map(({ key }) => key)).size).toBe(lines.length);
  });
});
