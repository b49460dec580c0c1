import { describe, expect, it } from '@jest/globals';
import { TandemError } from '../../protocol/errors.ts';
import type { HistoryOptions, HistoryPage, ReceivedMessage } from '../../client/index.ts';
import { HistoryLoader } from './history-loader.ts';
import { Transcript } from './transcript.ts';

function message(seq: number): ReceivedMessage {
  const sentAt = '2026-01-01T12:00:00.000Z';
  return { id: `message-${seq}`, seq, sessionId: 's', from: 'bob', type: 'text', body: `${seq}`, sentAt, isOwn: false };
}

/** A source whose answers the test gives, in the order of the questions. */
class Source {
  readonly participantId = 'ada';
  readonly asked: HistoryOptions[] = [];
  private readonly waiting: { resolve: (page: HistoryPage) => void; reject: (error: unknown) => void }[] = [];

  history = (options: HistoryOptions = {}): Promise<HistoryPage> => {
    this.asked.push(options);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  };

  async answer(from: number, to: number, hasMore: boolean): Promise<void> {
    const messages = Array.from({ length: to - from + 1 }, (_entry, index) => message(from + index));
    this.waiting.shift()?.resolve({ messages, undecipherable: [], hasMore, lastSeq: to });
    await settled();
  }

  async refuse(error: unknown): Promise<void> {
    this.waiting.shift()?.reject(error);
    await settled();
  }
}

/** Everything that was waiting for an answer has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function stage() {
  const source = new Source();
  const transcript = new Transcript(100);
  const clock = { ms: 0 };
  const loader = new HistoryLoader(
    source,
    transcript,
    () => undefined,
    () => clock.ms,
  );
  return { source, transcript, loader, clock };
}

describe('history', () => {
  it('is fetched page after page, one at a time, until its beginning', async () => {
    const { source, transcript, loader } = stage();
    loader.want('older');
    loader.want('older');
    expect(loader.state('older').kind).toBe('loading');
    await source.answer(51, 100, true);
    loader.want('older');
    await source.answer(1, 50, false);
    loader.want('older');
    expect(source.asked.map(({ beforeSeq }) => beforeSeq)).toEqual([undefined, 51]);
    expect(transcript.sayings.length).toBe(100);
    expect(loader.state('older').kind).toBe('idle');
  });

  it('shows what cannot be deciphered at its place, and never as a message', async () => {
    const { transcript } = stage();
    const page: HistoryPage = {
      messages: [message(1), message(3)],
      undecipherable: [{ message: message(2), reason: 'plaintext' }],
      hasMore: false,
      lastSeq: 3,
    };
    const loader = new HistoryLoader(
      { participantId: 'ada', history: () => Promise.resolve(page) },
      transcript,
      () => undefined,
      () => 0,
    );
    loader.want('older');
    await settled();
    expect(transcript.sayings.map(({ seq, unreadable }) => [seq, unreadable])).toEqual([
      [1, null],
      [2, 'plaintext'],
      [3, null],
    ]);
  });

  it('is tried again by itself after a while, longer each time, and at once when the connection is back', async () => {
    const { source, loader, clock } = stage();
    loader.want('older');
    await source.refuse(new TandemError('UNAVAILABLE'));
    loader.tick();
    expect(source.asked.length).toBe(1);
    clock.ms = 1_000;
    loader.tick();
    expect(source.asked.length).toBe(2);
    await source.refuse(new TandemError('UNAVAILABLE'));
    clock.ms = 2_000;
    loader.tick();
    expect(source.asked.length).toBe(2);
    loader.nudge();
    loader.tick();
    expect(source.asked.length).toBe(3);
  });

  it('waits as long as a limit says, whatever else happens', async () => {
    const { source, loader, clock } = stage();
    loader.want('older');
    await source.refuse(new TandemError('RATE_LIMITED', 'slow down', { retryAfterMs: 30_000 }));
    loader.nudge();
    clock.ms = 29_999;
    loader.tick();
    expect(source.asked.length).toBe(1);
    clock.ms = 30_000;
    loader.tick();
    expect(source.asked.length).toBe(2);
  });

  it('is not asked again for what is refused for good, except by the reader', async () => {
    const { source, loader, clock } = stage();
    loader.want('older');
    await source.refuse(new TandemError('NOT_IN_SESSION'));
    clock.ms = 1e9;
    loader.tick();
    expect(source.asked.length).toBe(1);
    expect(loader.state('older')).toMatchObject({ kind: 'failed', retryAt: null });
    loader.retry('older');
    await source.answer(1, 2, false);
    expect(loader.state('older').kind).toBe('idle');
  });

  it('is asked anew when a reset came before the answer', async () => {
    const { source, transcript, loader } = stage();
    loader.want('older');
    transcript.reset(10);
    await source.answer(51, 100, true);
    expect(transcript.sayings).toEqual([]);
    await source.answer(1, 10, false);
    expect(transcript.sayings.length).toBe(10);
  });

  it('has no effect any more once it is stopped', async () => {
    const { source, transcript, loader } = stage();
    loader.want('older');
    loader.stop();
    expect(source.asked[0]?.signal?.aborted).toBe(true);
    await source.answer(1, 2, false);
    expect(transcript.sayings).toEqual([]);
  });
});
