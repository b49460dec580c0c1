import { describe, expect, it } from '@jest/globals';
import type { Message } from '../../protocol/session.ts';
import { newSession } from '../../test/support/stored-session.ts';
import { Cache } from '../cache/cache.ts';
import { MemoryCache } from '../state/memory/memory-cache.ts';
import { CachedAnalytics } from './cached-analytics.ts';
import { CachedMessages, endingAt } from './cached-messages.ts';
import type { DailyAnalytics, LogRange } from './ports.ts';
import type { SessionDocument } from './session.ts';

const NOON = Date.parse('2026-01-31T12:00:00.000Z');

function message(seq: number): Message {
  const body = { text: `message ${seq}`, list: [null, seq] };
  return {
    id: `message-${seq}`,
    seq,
    sessionId: 's',
    from: 'ann',
    type: 'text',
    body,
    sentAt: '2026-01-31T12:00:00.000Z',
  };
}

function stage() {
  let now = NOON;
  const cache = new Cache({ store: new MemoryCache({ now: () => now }) });
  return { cache, now: () => now, advance: (ms: number) => (now += ms) };
}

describe('pages of archived messages', () => {
  function archive(count: number) {
    const stored = Array.from({ length: count }, (_, index) => message(index + 1));
    const queries: LogRange[] = [];
    const readMessages = (_sessionId: string, range: LogRange) => {
      queries.push(range);
      const { limit } = range;
      if ('afterSeq' in range) return Promise.resolve(stored.filter(({ seq }) => seq > range.afterSeq).slice(0, limit));
      return Promise.resolve(stored.filter(({ seq }) => seq < range.beforeSeq).slice(-limit));
    };
    const { cache } = stage();
    const document = newSession({ epoch: 3 });
    const rows = new Map<string, SessionDocument>();
    const asked: string[] = [];
    const loadSession = (sessionId: string) => {
      asked.push(sessionId);
      const row = rows.get(sessionId);
      const rest = { lastSeq: count, lastActivityAt: NOON, receipts: new Map() };
      return Promise.resolve(row === undefined ? null : { document: row, ...rest });
    };
    const messages = new CachedMessages({ readMessages, loadSession }, cache);
    /** What is on the page, asked for twice, and how many queries that took. */
    const twice = async (range: LogRange) => {
      const before = queries.length;
      const pages = [await messages.readMessages('s', range), await messages.readMessages('s', range)];
      expect(pages[1]).toEqual(pages[0]);
      return { seqs: (pages[0] ?? []).map(({ seq }) => seq), queries: queries.length - before };
    };
    return { stored, messages, twice, document, rows, asked };
  }

  it('are read once when nothing can be added to them', async () => {
    const { twice, messages } = archive(10);
    expect(await twice({ afterSeq: 0, limit: 4 })).toEqual({ seqs: [1, 2, 3, 4], queries: 1 });
    expect(await twice({ afterSeq: 6, limit: 4 })).toEqual({ seqs: [7, 8, 9, 10], queries: 1 });
    expect(await twice({ beforeSeq: 7, limit: 3 })).toEqual({ seqs: [4, 5, 6], queries: 1 });
    expect(await twice({ beforeSeq: 4, limit: 50 })).toEqual({ seqs: [1, 2, 3], queries: 1 });
    expect(await messages.readMessages('s', { afterSeq: 0, limit: 2 })).toEqual([message(1), message(2)]);
  });

  it('are read again while something can, and then show it', async () => {
    const { twice, messages, stored } = archive(10);
    expect((await twice({ afterSeq: 7, limit: 4 })).queries).toBe(2);
    expect((await twice({ afterSeq: 10, limit: 4 })).queries).toBe(2);
    expect((await twice({ beforeSeq: 12, limit: 3 })).queries).toBe(2);
    stored.push(message(11));
    expect((await messages.readMessages('s', { afterSeq: 7, limit: 4 })).map(({ seq }) => seq)).toEqual([8, 9, 10, 11]);
    expect((await messages.readMessages('s', { beforeSeq: 12, limit: 3 })).map(({ seq }) => seq)).toEqual([9, 10, 11]);
  });

  it('of a closed session are read once up to its last message', async () => {
    const { twice } = archive(10);
    expect(await twice(endingAt(10, { afterSeq: 7, limit: 50 }))).toEqual({ seqs: [8, 9, 10], queries: 1 });
    expect(await twice(endingAt(10, { beforeSeq: 1000, limit: 3 }))).toEqual({ seqs: [8, 9, 10], queries: 1 });
    expect(await twice(endingAt(10, { beforeSeq: 3, limit: 3 }))).toEqual({ seqs: [1, 2], queries: 1 });
    expect(await twice(endingAt(10, { afterSeq: 10, limit: 3 }))).toEqual({ seqs: [], queries: 0 });
  });

  it('end for good when the session is closed, and not before', async () => {
    const { messages, document, rows, asked } = archive(10);
    expect(await messages.endOf('s')).toBeNull();
    rows.set('s', document);
    const end = { epoch: 3, lastSeq: 10 };
    expect(await messages.endOf('s')).toEqual({ ...end, isClosed: false });
    rows.set('s', { ...document, closed: { reason: 'closed', at: NOON } });
    for (let count = 0; count < 3; count += 1) expect(await messages.endOf('s')).toEqual({ ...end, isClosed: true });
    expect(asked).toHaveLength(3);
  });

  it('of one session are not those of another', async () => {
    const { messages, stored } = archive(3);
    await messages.readMessages('s', { afterSeq: 0, limit: 3 });
    stored.splice(0, 3);
    expect(await messages.readMessages('another', { afterSeq: 0, limit: 3 })).toEqual([]);
  });
});

describe('counts by day', () => {
  const closed = { closed: 1, idle: 2, expired: 3, empty: 4 };
  const counts = { sessions: 10, pairings: 9, timeToPairMs: 12_345, messages: 100, closed, durationMs: 1_000_000 };

  it('are read once an hour when the days are over, and each time when today is one of them', async () => {
    const { cache, now, advance } = stage();
    const asked: string[] = [];
    const analytics = (fromDay: string, toDay: string): Promise<DailyAnalytics[]> => {
      asked.push(`${fromDay} ${toDay}`);
      return Promise.resolve([{ day: fromDay, ...counts }]);
    };
    const cached = new CachedAnalytics({ analytics }, cache, now);
    const over = () => cached.analytics('2026-01-01', '2026-01-30');
    const moving = () => cached.analytics('2026-01-01', '2026-01-31');
    for (const ask of [over, over]) expect(await ask()).toEqual([{ day: '2026-01-01', ...counts }]);
    expect(asked).toEqual(['2026-01-01 2026-01-30']);
    for (const ask of [moving, moving]) await ask();
    expect(asked).toHaveLength(3);
    // A crowd shares one answer.
    await Promise.all([moving(), moving(), moving()]);
    expect(asked).toHaveLength(4);
    advance(3_600_000);
    await over();
    expect(asked).toHaveLength(5);
    // Half an hour into the next day the archive may still be behind.
    advance(Date.parse('2026-02-01T00:30:00.000Z') - now());
    for (const ask of [moving, moving]) await ask();
    expect(asked).toHaveLength(7);
    advance(3_600_000);
    for (const ask of [moving, moving]) await ask();
    expect(asked).toHaveLength(8);
  });
});
