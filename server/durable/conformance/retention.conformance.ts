import { expect, it } from '@jest/globals';
import type { DurableStore, Expired, ExpireRequest } from '../../sessions/ports.ts';
import type { SessionDocument } from '../../sessions/session.ts';
import { NOTHING, NOW, creation, newMessage, newSeat, newSession } from '../../../test/support/stored-session.ts';
import type { Suite } from './suite.conformance.ts';

/** Older than what any other test stores with messages. */
const OLD = Date.UTC(2001, 0, 1);
const CUTOFF = Date.UTC(2002, 0, 1);
const HOT = 3;
const REQUEST: ExpireRequest = { olderThan: CUTOFF, keepNewest: HOT, now: 0, atMost: 100 };

export function retaining(suite: Suite): void {
  it('removes the old beginning of a closed session, and leaves no hole', async () => {
    // The fourth is older than the third: a clock was set back.
    const session = await spoken(suite.store, [OLD, OLD + 1, CUTOFF, OLD + 2, CUTOFF + 1], { closedAt: CUTOFF + 2 });
    await everything(suite.store);
    expect(await seqs(suite.store, session)).toEqual([3, 4, 5]);
    expect(await suite.store.loadSession(session.id, NOW)).toMatchObject({ lastSeq: 5 });
  });

  it('keeps the newest messages of an open session, however old they are', async () => {
    const session = await spoken(suite.store, [OLD, OLD, OLD, OLD, OLD]);
    const short = await spoken(suite.store, [OLD, OLD, OLD]);
    await everything(suite.store);
    expect(await seqs(suite.store, session)).toEqual([3, 4, 5]);
    expect(await seqs(suite.store, short)).toEqual([1, 2, 3]);
    // It goes on where it was.
    const [host] = session.seats;
    if (host === undefined) throw new Error('It has a host');
    await suite.store.commit({ ...NOTHING, messages: [newMessage(session, host, 6)] });
    expect(await seqs(suite.store, session)).toEqual([3, 4, 5, 6]);
  });

  it('removes a session that was closed long ago, with its seats and what happened to it; others stay', async () => {
    const gone = await spoken(suite.store, [OLD, OLD], { closedAt: CUTOFF - 1 });
    const kept = await spoken(suite.store, [OLD], { closedAt: CUTOFF });
    const open = await spoken(suite.store, []);
    const expired = await everything(suite.store);
    expect(expired.sessions).toBe(1);
    expect(await suite.store.loadSession(gone.id, NOW)).toBeNull();
    expect(await seqs(suite.store, gone)).toEqual([]);
    expect((await suite.store.sessionEvents(gone.id, { cursor: null, limit: 10 })).items).toEqual([]);
    expect(await suite.store.loadSession(kept.id, NOW)).toMatchObject({ lastSeq: 1, document: { seats: [{}] } });
    expect(await suite.store.loadSession(open.id, NOW)).toMatchObject({ document: { seats: [{}] } });
  });

  it('removes a bounded number at a time, and says when there is more', async () => {
    const sessions = [];
    for (const length of [5, 1, 7, 4]) {
      sessions.push(await spoken(suite.store, Array<number>(length).fill(OLD), { closedAt: OLD + 1 }));
    }
    const rounds: Expired[] = [];
    for (;;) {
      const expired = await suite.store.expire({ ...REQUEST, atMost: 4 });
      if (expired === null) throw new Error('Nobody else does');
      rounds.push(expired);
      if (!expired.more) break;
    }
    for (const { messages, sessions: ended, events } of rounds) {
      expect(Math.max(messages, ended, events)).toBeLessThanOrEqual(4);
    }
    const sum = (of: (expired: Expired) => number) => rounds.reduce((total, round) => total + of(round), 0);
    expect(sum(({ messages }) => messages)).toBe(17);
    expect(sum(({ sessions: ended }) => ended)).toBe(4);
    expect(rounds.length).toBeLessThan(40);
    for (const { id } of sessions) expect(await suite.store.loadSession(id, NOW)).toBeNull();
    expect(await suite.store.expire(REQUEST)).toMatchObject({ messages: 0, sessions: 0, more: false });
  });

  it('leaves what was counted as it is', async () => {
    const before = await suite.store.analytics('2001-01-01', '2001-01-01');
    const [already] = before;
    await spoken(suite.store, [OLD, OLD], { closedAt: OLD + 1 });
    await everything(suite.store);
    const [after] = await suite.store.analytics('2001-01-01', '2001-01-01');
    expect(after?.messages).toBe((already?.messages ?? 0) + 2);
    expect(after?.closed.closed).toBe((already?.closed.closed ?? 0) + 1);
  });
}

async function spoken(
  store: DurableStore,
  times: readonly number[],
  { closedAt }: { closedAt?: number } = {},
): Promise<SessionDocument> {
  const host = newSeat('host', { joinedAt: OLD });
  const closed = closedAt === undefined ? null : ({ reason: 'closed', at: closedAt } as const);
  const session = newSession({ createdAt: OLD, code: null, seats: [host], closed });
  const messages = times.map((sentAt, index) => newMessage(session, host, index + 1, { sentAt }));
  await store.commit({ ...creation(session, OLD), messages });
  return session;
}

async function everything(store: DurableStore): Promise<Expired> {
  let total = 0;
  for (;;) {
    const expired = await store.expire(REQUEST);
    if (expired === null) throw new Error('Nobody else does');
    total += expired.sessions;
    if (!expired.more) return { ...expired, sessions: total };
  }
}

async function seqs(store: DurableStore, { id }: SessionDocument): Promise<number[]> {
  return (await store.readMessages(id, { afterSeq: 0, limit: 100 })).map(({ seq }) => seq);
}
