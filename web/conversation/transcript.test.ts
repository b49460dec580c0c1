import { describe, expect, it } from '@jest/globals';
import { TandemError } from '../../protocol/errors.ts';
import type { QueuedMessage } from '../../client/index.ts';
import { linesOf } from './lines.ts';
import { Transcript, TRANSCRIPT_CAPACITY } from './transcript.ts';
import type { PageRequest, Saying } from './transcript.ts';

const error = new TandemError('UNAVAILABLE');

function saying(seq: number, part: Partial<Saying> = {}): Saying {
  const sentAt = new Date(Date.UTC(2026, 0, 1, 12) + seq * 1000).toISOString();
  return {
    seq,
    id: `message-${seq}`,
    from: 'bob',
    type: 'text',
    body: `${seq}`,
    sentAt,
    isOwn: false,
    unreadable: null,
    ...part,
  };
}

function own(seq: number, id = `message-${seq}`): Saying {
  return saying(seq, { id, from: 'ada', isOwn: true });
}

function queued(id: string): QueuedMessage {
  return { id, type: 'text', body: id, state: { kind: 'waiting' } };
}

function range(from: number, to: number): Saying[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_entry, index) => saying(from + index));
}

/** Asks as the page does, and answers as a server does that holds 1 to `last`, except `lost`. */
function answer(
  transcript: Transcript,
  request: PageRequest | null,
  last: number,
  limit = 50,
  lost: number[] = [],
): boolean {
  if (request === null) throw new Error('expected that there is something to ask for');
  const { kind, edge } = request;
  const all = range(1, last).filter(({ seq }) => !lost.includes(seq));
  const there = all.filter(({ seq }) => (kind === 'newer' ? seq > (edge ?? 0) : seq < (edge ?? last + 1)));
  const sayings = kind === 'newer' ? there.slice(0, limit) : there.slice(-limit);
  return transcript.addPage(request, { sayings, hasMore: there.length > sayings.length });
}

function seqs(transcript: Transcript): number[] {
  return transcript.sayings.map(({ seq }) => seq);
}

function kinds(transcript: Transcript): string[] {
  return linesOf(transcript).flatMap((line) => {
    if (line.kind === 'day') return [];
    return line.kind === 'saying' ? [`${line.saying.seq}`] : [line.kind];
  });
}

describe('a transcript', () => {
  it('begins with the newest page, joins older ones on, and knows the beginning', () => {
    const transcript = new Transcript(120);
    expect(transcript.request('older')).toMatchObject({ kind: 'newest', edge: null });
    answer(transcript, transcript.request('older'), 120);
    expect(transcript.lowest).toBe(71);
    transcript.receive(saying(121));
    answer(transcript, transcript.request('older'), 121);
    answer(transcript, transcript.request('older'), 121);
    expect(seqs(transcript)).toEqual(range(1, 121).map(({ seq }) => seq));
    expect(transcript.request('older')).toBeNull();
  });

  it('says which messages a page lacks', () => {
    const transcript = new Transcript();
    answer(transcript, transcript.request('older'), 10, 4, [8]);
    answer(transcript, transcript.request('older'), 10, 4, [3, 4, 5]);
    expect(kinds(transcript)).toEqual(['1', '2', 'missing', '6', '7', 'missing', '9', '10']);
    expect(transcript.missing).toEqual([
      { fromSeq: 3, toSeq: 5 },
      { fromSeq: 8, toSeq: 8 },
    ]);
  });

  it('takes back what a reset makes void, says so, and shows what follows', () => {
    const transcript = new Transcript();
    for (const seq of [1, 2, 3]) transcript.receive(saying(seq));
    transcript.receive(own(4));
    transcript.note({ kind: 'joined', name: 'Carl' });
    transcript.reset(2);
    expect(kinds(transcript)).toEqual(['1', '2', 'note', 'note']);
    expect(transcript.notes.at(-1)?.text).toEqual({ kind: 'taken_back', own: 1, others: 1 });
    transcript.receive(saying(3, { id: 'another' }));
    expect(kinds(transcript)).toEqual(['1', '2', 'note', 'note', '3']);
    expect(transcript.sayings.at(-1)?.id).toBe('another');
  });

  it('refuses a page that was asked for before a reset, or before its edge has moved', () => {
    const transcript = new Transcript(100);
    answer(transcript, transcript.request('older'), 100);
    const before = transcript.request('older');
    transcript.reset(90);
    expect(answer(transcript, before, 100)).toBe(false);
    const twice = [transcript.request('older'), transcript.request('older')];
    expect(twice.map((request) => answer(transcript, request, 90))).toEqual([true, false]);
    expect(seqs(transcript)).toEqual(range(1, 90).map(({ seq }) => seq));
  });

  it('keeps an own message in one place from the queue to the order', () => {
    const transcript = new Transcript();
    const keys = (): string[] =>
      linesOf(transcript).flatMap(({ key, kind }) => (kind === 'day' ? [] : [`${kind} ${key}`]));
    transcript.setQueue([queued('one'), queued('two')]);
    expect(keys()).toEqual(['queued own:one', 'queued own:two']);
    transcript.store({ id: 'one', seq: 2, sentAt: '2026-01-01T12:00:00.000Z', duplicate: false });
    transcript.setQueue([queued('two')]);
    expect(keys()).toEqual(['stored own:one', 'queued own:two']);
    transcript.receive(saying(1));
    transcript.receive(own(2, 'one'));
    expect(keys()).toEqual(['saying seq:1:message-1', 'saying own:one', 'queued own:two']);
    transcript.reset(1);
    transcript.setQueue([queued('one'), queued('two')]);
    expect(keys()).toEqual(['saying seq:1:message-1', 'note note:1', 'queued own:one', 'queued own:two']);
  });

  it('shows a failed message until it is discarded, or turns out to be stored', () => {
    const transcript = new Transcript();
    transcript.setQueue([queued('one'), queued('two')]);
    transcript.fail({ id: 'one', type: 'text', body: 'one', error });
    transcript.fail({ id: 'two', type: 'text', body: 'two', error });
    expect(kinds(transcript)).toEqual(['failed', 'failed']);
    transcript.dropFailed('one');
    transcript.receive(own(1, 'two'));
    expect(kinds(transcript)).toEqual(['1']);
  });

  it('does not show as waiting what history already has', () => {
    const transcript = new Transcript();
    transcript.setQueue([queued('mine')]);
    const request = transcript.request('older');
    if (request !== null) transcript.addPage(request, { sayings: [own(1, 'mine')], hasMore: false });
    expect(kinds(transcript)).toEqual(['1']);
    // The library still waits for its acknowledgement.
    transcript.setQueue([queued('mine'), queued('another')]);
    expect(kinds(transcript)).toEqual(['1', 'queued']);
  });

  it('holds a bounded number, and fetches again on the side that was let go', () => {
    const last = TRANSCRIPT_CAPACITY + 500;
    const transcript = new Transcript(last);
    transcript.isReadingBack = true;
    answer(transcript, transcript.request('older'), last, 200);
    while (transcript.hasOlder) {
      answer(transcript, transcript.request('older'), last, 200);
      expect(transcript.sayings.length).toBeLessThanOrEqual(TRANSCRIPT_CAPACITY);
    }
    expect(transcript.lowest).toBe(1);
    expect(transcript.hasNewer).toBe(true);
    // Live messages while the window ends elsewhere are counted, not shown behind a hole.
    transcript.receive(saying(last + 1));
    expect(transcript.unseen).toBe(1);
    expect(transcript.highest).toBeLessThan(last);
    while (transcript.hasNewer) answer(transcript, transcript.request('newer'), last + 1, 200);
    expect(transcript.highest).toBe(last + 1);
    expect(transcript.sayings.length).toBeLessThanOrEqual(TRANSCRIPT_CAPACITY);
    expect(transcript.hasOlder).toBe(true);
    expect(transcript.missing).toEqual([]);
  });

  it('starts anew at the newest when its reader jumps there', () => {
    const last = TRANSCRIPT_CAPACITY + 500;
    const transcript = new Transcript(last);
    transcript.isReadingBack = true;
    answer(transcript, transcript.request('older'), last, 200);
    while (transcript.hasOlder) answer(transcript, transcript.request('older'), last, 200);
    transcript.restart();
    answer(transcript, transcript.request('older'), last);
    expect([transcript.lowest, transcript.highest]).toEqual([last - 49, last]);
  });

  it('joins on to the end only when no message came while the last page was under way', () => {
    const transcript = new Transcript(12, 8);
    answer(transcript, transcript.request('older'), 12, 8);
    answer(transcript, transcript.request('older'), 12, 8);
    expect([transcript.highest, transcript.hasNewer]).toEqual([7, true]);
    const request = transcript.request('newer');
    transcript.receive(saying(13));
    answer(transcript, request, 12);
    expect([transcript.highest, transcript.hasNewer]).toEqual([12, true]);
    answer(transcript, transcript.request('newer'), 13);
    expect([transcript.highest, transcript.hasNewer]).toEqual([13, false]);
  });

  it('follows the end again when a reset has brought it to where its reader is', () => {
    const transcript = new Transcript(12, 8);
    answer(transcript, transcript.request('older'), 12, 8);
    answer(transcript, transcript.request('older'), 12, 8);
    transcript.reset(9);
    expect([transcript.highest, transcript.hasNewer]).toEqual([7, true]);
    transcript.reset(6);
    transcript.receive(saying(7, { id: 'another' }));
    expect(transcript.sayings.at(-1)?.id).toBe('another');
    expect(transcript.hasNewer).toBe(false);
  });

  it('lets go what is oldest while its reader follows the end', () => {
    const transcript = new Transcript();
    for (const entry of range(1, TRANSCRIPT_CAPACITY + 1)) transcript.receive(entry);
    expect(transcript.sayings.length).toBeLessThanOrEqual(TRANSCRIPT_CAPACITY);
    expect(transcript.highest).toBe(TRANSCRIPT_CAPACITY + 1);
    expect(transcript.hasOlder).toBe(true);
  });
});
