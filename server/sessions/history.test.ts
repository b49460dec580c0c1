import { describe, expect, it } from '@jest/globals';
import { SIZES } from '../../protocol/limits.ts';
import type { Message } from '../../protocol/session.ts';
import { History } from './history.ts';
import type { LogPage, LogRange } from './ports.ts';

const sessionId = 'session';

function message(seq: number, body: Message['body'] = seq): Message {
  return { id: `message-${seq}`, seq, sessionId, from: 'ann', type: 'text', body, sentAt: '2026-01-31T12:00:00.000Z' };
}

function historyOf(log: { lastSeq: number; messages: Message[] }, stored: Message[]): History {
  const messageBytes = log.messages.map((one) => Buffer.byteLength(JSON.stringify(one)));
  const firstSeq = log.lastSeq + 1 - log.messages.length;
  const page: LogPage = { epoch: 1, durableSeq: log.lastSeq, firstSeq, messageBytes, ...log };
  const readMessages = (_id: string, range: LogRange) =>
    Promise.resolve(stored.filter(({ seq }) => 'afterSeq' in range && seq > range.afterSeq).slice(0, range.limit));
  const endOf = () => Promise.resolve(null);
  return new History({ readLog: () => Promise.resolve(page) }, { readMessages, endOf });
}

describe('a page of the history', () => {
  it('has a head that is no lower than its last message, when the store is ahead of what was shown', async () => {
    const stored = [1, 2, 3, 4].map((seq) => message(seq));
    const history = historyOf({ lastSeq: 2, messages: [] }, stored);
    const page = await history.read({ sessionId, floorSeq: 0, range: { afterSeq: 0, limit: 10 } });
    expect(page).toMatchObject({ messages: stored, lastSeq: 4, durableSeq: 4, hasMore: false });
    const part = await history.read({ sessionId, floorSeq: 0, range: { afterSeq: 0, limit: 3 } });
    expect(part).toMatchObject({ messages: stored.slice(0, 3), lastSeq: 3, durableSeq: 3 });
  });

  it('is at most as large as a packet may be, and has at least one message', async () => {
    const large = [1, 2, 3].map((seq) => message(seq, 'x'.repeat(100_000)));
    const range = { afterSeq: 0, limit: 10 };
    const request = { sessionId, floorSeq: 0, range };
    const fromLog = await historyOf({ lastSeq: 3, messages: large }, []).read(request);
    expect(fromLog).toMatchObject({ messages: large.slice(0, 2), hasMore: true, lastSeq: 3 });
    const fromStore = await historyOf({ lastSeq: 3, messages: [] }, large).read(request);
    expect(fromStore).toMatchObject({ messages: large.slice(0, 2), hasMore: true, lastSeq: 3 });
    const huge = [message(1, 'x'.repeat(SIZES.page)), message(2)];
    const one = await historyOf({ lastSeq: 2, messages: huge }, []).read(request);
    expect(one).toMatchObject({ messages: huge.slice(0, 1), hasMore: true });
  });
});
