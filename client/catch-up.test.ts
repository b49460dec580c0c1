import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { CommandResult } from '../protocol/commands.ts';
import type { Message } from '../protocol/session.ts';
import { FakeRequests } from '../test/support/fake-requests.ts';
import { CatchUp } from './catch-up.ts';
import { systemClock } from './clock.ts';

type Page = CommandResult<'message:history'>;

/** The messages from `fromSeq` to `toSeq`, of a session that has `lastSeq`. */
function pageOf(fromSeq: number, toSeq: number, lastSeq: number): Page {
  const messages: Message[] = [];
  for (let seq = fromSeq; seq <= toSeq; seq += 1) {
    messages.push({ id: `message-${seq}`, seq, sessionId: 's', from: 'p', type: 'text', body: seq, sentAt: '' });
  }
  return { messages, hasMore: toSeq < lastSeq, lastSeq, durableSeq: 0, epoch: 1 };
}

let requests: FakeRequests<'message:history'>;
let told: string[];
/** What the receiver of pages does with one. */
let take: () => boolean;
let catchUp: CatchUp;

async function settled(): Promise<void> {
  await jest.advanceTimersByTimeAsync(0);
}

async function answer(page: Page): Promise<void> {
  requests.ok(page);
  await settled();
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
  requests = new FakeRequests('message:history');
  told = [];
  take = () => true;
  catchUp = new CatchUp(
    requests,
    { clock: systemClock, random: () => 0.5 },
    {
      page: (afterSeq, { messages }, upToSeq) => {
        told.push(`${messages.map(({ seq }) => seq).join()} of ${afterSeq}-${upToSeq}`);
        return take();
      },
      done: () => told.push('done'),
    },
  );
});
afterEach(() => void jest.useRealTimers());

describe('CatchUp', () => {
  it('reads page after page to the end of the session, and says so once', async () => {
    catchUp.start(3);
    await answer(pageOf(4, 5, 8));
    await answer(pageOf(6, 7, 8));
    expect(catchUp.isRunning).toBe(true);
    await answer(pageOf(8, 8, 8));
    expect(requests.payloads).toEqual([3, 5, 7].map((afterSeq) => ({ afterSeq, limit: 200 })));
    expect(told).toEqual(['4,5 of 3-5', '6,7 of 5-7', '8 of 7-8', 'done']);
    expect(catchUp.isRunning).toBe(false);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('takes the last page as the word on everything up to the head, what is not in it included', async () => {
    catchUp.start(3);
    await answer({ ...pageOf(4, 4, 9), hasMore: false });
    expect(told).toEqual(['4 of 3-9', 'done']);
  });

  it('asks again for a page whose answer was lost, later each time, and not from the start', async () => {
    catchUp.start(0);
    await answer(pageOf(1, 2, 4));
    for (const waitMs of [250, 500, 1_000, 2_000, 2_000]) {
      const before = requests.asked.length;
      requests.lose();
      await jest.advanceTimersByTimeAsync(waitMs - 1);
      expect(requests.asked).toHaveLength(before);
      await jest.advanceTimersByTimeAsync(1);
      expect(requests.asked).toHaveLength(before + 1);
    }
    expect(requests.payloads.slice(1)).toEqual(Array(6).fill({ afterSeq: 2, limit: 200 }));
    await answer(pageOf(3, 4, 4));
    expect(told).toEqual(['1,2 of 0-2', '3,4 of 2-4', 'done']);
  });

  it('begins with a short wait again after a page that came', async () => {
    catchUp.start(0);
    for (let n = 0; n < 3; n += 1) {
      requests.lose();
      await jest.advanceTimersByTimeAsync(2_000);
    }
    await answer(pageOf(1, 2, 4));
    const before = requests.asked.length;
    requests.lose();
    await jest.advanceTimersByTimeAsync(250);
    expect(requests.asked).toHaveLength(before + 1);
  });

  it('waits as long as a refusal asks for', async () => {
    catchUp.start(0);
    requests.refuse('RATE_LIMITED', 30_000);
    await jest.advanceTimersByTimeAsync(29_999);
    expect(requests.asked).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(251);
    expect(requests.asked).toHaveLength(2);
  });

  it('does not ask in a circle when the server tells of more and gives nothing', async () => {
    catchUp.start(5);
    await answer({ ...pageOf(6, 5, 9), hasMore: true });
    expect(requests.asked).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(250);
    expect(requests.payloads).toEqual(Array(2).fill({ afterSeq: 5, limit: 200 }));
    await answer(pageOf(6, 9, 9));
    expect(told.slice(1)).toEqual(['6,7,8,9 of 5-9', 'done']);
  });

  it('is not moved by an answer that comes after it was stopped', async () => {
    catchUp.start(0);
    catchUp.stop();
    await answer(pageOf(1, 2, 4));
    expect(told).toEqual([]);
    expect(requests.asked).toHaveLength(1);
    expect(catchUp.isRunning).toBe(false);
  });

  it('leaves no timer when it is stopped while it waits', async () => {
    catchUp.start(0);
    requests.lose();
    await settled();
    expect(jest.getTimerCount()).toBe(1);
    catchUp.stop();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('takes the answer of the newest start alone, whichever comes first', async () => {
    catchUp.start(0);
    catchUp.start(2);
    const [older] = requests.asked;
    older?.settle({ kind: 'ok', result: pageOf(1, 4, 4) });
    await settled();
    expect(told).toEqual([]);
    expect(catchUp.isRunning).toBe(true);
    await answer(pageOf(3, 4, 4));
    older?.settle({ kind: 'lost' });
    await settled();
    expect(told).toEqual(['3,4 of 2-4', 'done']);
    expect(requests.asked).toHaveLength(2);
  });

  it('says nothing of an end when the receiver of the last page stops it, or begins anew', async () => {
    take = () => {
      catchUp.stop();
      return true;
    };
    catchUp.start(0);
    await answer(pageOf(1, 4, 4));
    take = () => {
      take = () => true;
      catchUp.start(0);
      return true;
    };
    catchUp.start(0);
    await answer(pageOf(1, 4, 4));
    expect(told).toEqual(['1,2,3,4 of 0-4', '1,2,3,4 of 0-4']);
    await answer(pageOf(1, 4, 4));
    expect(told.slice(2)).toEqual(['1,2,3,4 of 0-4', 'done']);
  });

  it('ends with a page that does not fit, and can be started again', async () => {
    take = () => false;
    catchUp.start(0);
    await answer(pageOf(1, 2, 4));
    expect(told).toEqual(['1,2 of 0-2']);
    expect(requests.asked).toHaveLength(1);
    // Whoever waits for it to end would wait for ever.
    expect(catchUp.isRunning).toBe(false);
    take = () => true;
    catchUp.start(0);
    await answer(pageOf(1, 4, 4));
    expect(told.at(-1)).toBe('done');
  });
});
