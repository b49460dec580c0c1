import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import {
  DivergenceError,
  RefusedCommitError,
  type CommitBatch,
  type DurableStore,
  type StoredSession,
} from '../../sessions/ports.ts';
import type { Seat } from '../../sessions/session.ts';
import { NOTHING, NOW, creation, entry, newSeat, newSession } from '../../../test/support/stored-session.ts';
import { afterRestart, change, loaded, type Suite } from './suite.conformance.ts';
export function keepingSessions(suite: Suite): void {
  it('gives a session back as it was committed, its seats away since now', async () => {
    const session = newSession({
      locked: true,
      approval: true,
      shareHistory: true,
      capacity: 50,
      metadata: { b: 1, a: { '\u{1f600}': [null, 'x', 1.5] }, '': '' },
      code: { value: 'BCD234', expiresAt: NOW + 900_001 },
      everPaired: true,
      seats: [
        newSeat('host', { name: 'Ada', userId: 'user-1', key: { hash: 'key-hash', at: NOW + 7 } }),
        newSeat('guest', { joinedAt: NOW + 123, joinedSeq: 4 }),
      ],
    });
    await suite.store.commit(creation(session, NOW + 500));
    const now = NOW + 60_000;
    const stored = await loaded(suite.store, session.id, now);
    expect(stored.document).toEqual(afterRestart(session, now));
    expect(stored).toMatchObject({ lastSeq: 0, lastActivityAt: NOW + 500 });
    expect(JSON.stringify(stored.document.metadata)).toBe(JSON.stringify(session.metadata));
    expect(await openSession(suite.store, session.id, now)).toEqual(stored);
  });

  it('keeps times to the millisecond', async () => {
    for (const at of [NOW, NOW + 1, NOW + 999, 1, 946_684_799_999, 4_102_444_800_001]) {
      const session = newSession({ createdAt: at, code: { value: 'BCD234', expiresAt: at } });
      await suite.store.commit(creation(session, at));
      const stored = await loaded(suite.store, session.id);
      expect(stored.document.createdAt).toBe(at);
      expect(stored.document.code?.expiresAt).toBe(at);
      expect(stored.lastActivityAt).toBe(at);
    }
  });

  it('keeps the order in which seats were taken, whatever their times and ids', async () => {
    let session = newSession({ capacity: 50, seats: [newSeat('host', { joinedAt: NOW + 1000 })] });
    await suite.store.commit(creation(session));
    for (let count = 0; count < 4; count += 1) {
      const joined = [newSeat('guest'), newSeat('guest')];
      session = { ...session, seats: [...session.seats, ...joined] };
      await suite.store.commit(change(session, joined));
    }
    expect(seatIds(await loaded(suite.store, session.id))).toEqual(session.seats.map((seat) => seat.id));
  });

  it('forgets a seat that ended, and knows the new host', async () => {
    const [host, guest] = [newSeat('host'), newSeat('guest')];
    const session = newSession({ seats: [host, guest] });
    await suite.store.commit(creation(session));
    const newHost: Seat = { ...guest, role: 'host', tokenHash: 'another hash' };
    const later = { ...session, code: null, seats: [newHost] };
    await suite.store.commit({
      ...change(later, [newHost]),
      ended: [{ sessionId: session.id, seat: host, reason: 'kicked', at: NOW }],
    });
    const stored = await loaded(suite.store, session.id);
    expect(stored.document).toEqual(afterRestart(later, NOW));
    expect([...stored.receipts.keys()]).toEqual([newHost.id]);
  });

  it('takes a seat that came and went within one batch', async () => {
    const visitor = newSeat('guest');
    const host = newSeat('host');
    const session = newSession({ seats: [host] });
    await suite.store.commit({
      sessions: [
        entry(session, [host]),
        entry({ ...session, seats: [host, visitor] }, [visitor]),
        entry({ ...session, everPaired: true }, []),
      ],
      ended: [{ sessionId: session.id, seat: visitor, reason: 'left', at: NOW + 1 }],
      messages: [],
      receipts: [],
    });
    const stored = await loaded(suite.store, session.id);
    expect(stored.document).toEqual(afterRestart({ ...session, everPaired: true }, NOW));
  });

  it('loads open sessions, and closed ones while their code lives; a closed one keeps its seats', async () => {
    const now = NOW + 1000;
    const closed = { reason: 'closed', at: NOW + 500 } as const;
    const withCode = newSession({ closed, code: { value: 'BCD234', expiresAt: now + 1 } });
    const expired = newSession({ closed, code: { value: 'BCD234', expiresAt: now } });
    const codeKilled = newSession({ closed, code: null });
    const opened = newSession({ code: { value: 'BCD234', expiresAt: NOW } });
    await suite.store.commit(creation(withCode, expired, codeKilled, opened));
    const ids = (await suite.store.loadSessions(now)).map(({ document }) => document.id);
    expect(ids.filter((id) => [withCode.id, expired.id, codeKilled.id, opened.id].includes(id)).sort()).toEqual(
      [withCode.id, opened.id].sort(),
    );
    for (const session of [withCode, expired, codeKilled]) {
      expect((await loaded(suite.store, session.id, now)).document).toEqual(afterRestart(session, now));
    }
  });

  it('refuses a session that is stored under another epoch, and all that came with it', async () => {
    const session = newSession({ epoch: 2 });
    await suite.store.commit(creation(session));
    const innocent = newSession();
    const batch = merged(creation(innocent), change({ ...session, epoch: 1, locked: true }, []));
    await expect(suite.store.commit(batch)).rejects.toThrow(DivergenceError);
    expect((await loaded(suite.store, session.id)).document.locked).toBe(false);
    expect(await suite.store.loadSession(innocent.id, NOW)).toBeNull();
  });

  it('refuses what a rule of the database forbids, whole, and goes on', async () => {
    const innocent = newSession();
    for (const wrong of [newSession({ capacity: 1 }), newSession({ id: 'no-uuid' }), newSession({ epoch: 0 })]) {
      await expect(suite.store.commit(creation(innocent, wrong))).rejects.toThrow(RefusedCommitError);
    }
    expect(await suite.store.loadSession(innocent.id, NOW)).toBeNull();
    await suite.store.commit(creation(innocent));
    await loaded(suite.store, innocent.id);
  });

  it('knows nothing of a session that was never stored', async () => {
    for (const id of [randomUUID(), 'no-uuid', '']) {
      expect(await suite.store.loadSession(id, NOW)).toBeNull();
      expect(await suite.store.readMessages(id, { afterSeq: 0, limit: 10 })).toEqual([]);
      expect(await suite.store.findSend(id, randomUUID(), 'message-1')).toBeNull();
      expect(await suite.store.recentSends(id, 0, 10)).toEqual([]);
    }
  });
}

async function openSession(store: DurableStore, sessionId: string, now: number): Promise<StoredSession | undefined> {
  return (await store.loadSessions(now)).find(({ document }) => document.id === sessionId);
}

function merged(...batches: CommitBatch[]): CommitBatch {
  return { ...NOTHING, sessions: batches.flatMap(({ sessions }) => sessions) };
}

function seatIds({ document }: StoredSession): string[] {
  return document.seats.map((seat) => seat.id);
}
