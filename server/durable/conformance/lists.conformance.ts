import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import type { DurableStore, Page, PageRequest } from '../../sessions/ports.ts';
import type { SessionDocument } from '../../sessions/session.ts';
import { NOTHING, NOW, creation, entry, newSeat, newSession } from '../../../test/support/stored-session.ts';
import { afterRestart, change, count, type Suite } from './suite.conformance.ts';

/** Lists of sessions, and what happened to one. Other tests have sessions here too, so a test looks for its own. */
export function listing(suite: Suite): void {
  it('lists the sessions of a user newest first, each once, with those that the user left', async () => {
    const userId = `user of ${randomUUID()}`;
    const sessions = await made(suite.store, 5, () => [newSeat('host', { userId }), newSeat('guest')]);
    const [left, twice] = [sessions[1], sessions[3]];
    if (left === undefined || twice === undefined) throw new Error('There are five');
    const [own] = left.seats;
    if (own === undefined) throw new Error('It has a host');
    const later = { ...left, seats: left.seats.slice(1) };
    await suite.store.commit({
      ...change(later, []),
      ended: [{ sessionId: left.id, seat: own, reason: 'left', at: NOW + 1 }],
    });
    const again = newSeat('guest', { userId });
    await suite.store.commit(change({ ...twice, seats: [...twice.seats, again] }, [again]));
    const { items, nextCursor } = await suite.store.sessionsOfUser(userId, { cursor: null, limit: 10 }, NOW);
    expect(items.map(({ document }) => document.id)).toEqual(sessions.map(({ id }) => id).reverse());
    expect(nextCursor).toBeNull();
    expect(items[3]?.document).toEqual(afterRestart(later, NOW));
    expect(items[3]).toEqual(await suite.store.loadSession(left.id, NOW));
    expect(await suite.store.sessionsOfUser(`${userId} `, { cursor: null, limit: 10 }, NOW)).toEqual({
      items: [],
      nextCursor: null,
    });
  });

  it('goes through a list in pages, and repeats and skips nothing when sessions come meanwhile', async () => {
    const userId = `user of ${randomUUID()}`;
    const seats = () => [newSeat('host', { userId })];
    const sessions = await made(suite.store, 7, seats);
    const found: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Page<{ document: SessionDocument }> = await suite.store.sessionsOfUser(
        userId,
        { cursor, limit: 3 },
        NOW,
      );
      found.push(...page.items.map(({ document }) => document.id));
      cursor = page.nextCursor;
      await made(suite.store, 2, seats, NOW + 1_000_000);
    } while (cursor !== null);
    expect(found).toEqual(sessions.map(({ id }) => id).reverse());
  });

  it('ends a list with its last session, also when the page is full', async () => {
    const userId = `user of ${randomUUID()}`;
    await made(suite.store, 4, () => [newSeat('host', { userId })]);
    const first = await suite.store.sessionsOfUser(userId, { cursor: null, limit: 2 }, NOW);
    const second = await suite.store.sessionsOfUser(userId, { cursor: first.nextCursor, limit: 2 }, NOW);
    expect([first.items.length, second.items.length, second.nextCursor]).toEqual([2, 2, null]);
  });

  it('lists sessions by status, as it is now', async () => {
    const [waiting, paired, closed] = await made(suite.store, 3, () => [newSeat('host')]);
    if (waiting === undefined || paired === undefined || closed === undefined) throw new Error('There are three');
    const guest = newSeat('guest');
    const both = { ...paired, everPaired: true, seats: [...paired.seats, guest] };
    await suite.store.commit(change(both, [guest]));
    await suite.store.commit(change({ ...closed, closed: { reason: 'idle', at: NOW + 5 } }, []));
    const ours = new Set([waiting.id, paired.id, closed.id]);
    const listed = async (status: 'waiting' | 'paired' | 'closed' | null) =>
      (await everything((page) => suite.store.listSessions(status, page, NOW), MANY))
        .map(({ document }) => document.id)
        .filter((id) => ours.has(id));
    expect(await listed(null)).toEqual([closed.id, paired.id, waiting.id]);
    expect(await listed('waiting')).toEqual([waiting.id]);
    expect(await listed('paired')).toEqual([paired.id]);
    expect(await listed('closed')).toEqual([closed.id]);
    // The guest goes: it waits again.
    await suite.store.commit({
      ...change({ ...both, seats: paired.seats }, []),
      ended: [{ sessionId: paired.id, seat: guest, reason: 'timeout', at: NOW + 9 }],
    });
    expect(await listed('paired')).toEqual([]);
    expect(await listed('waiting')).toEqual([paired.id, waiting.id]);
  });

  it('counts a seat once, however often and in whatever order it is stored', async () => {
    const [host, guest] = [newSeat('host'), newSeat('guest')];
    const session = newSession({ id: v7(), seats: [host, guest], everPaired: true });
    const view = (version: number, seats: typeof session.seats) => ({
      ...entry({ ...session, seats }, seats),
      version,
    });
    const end = { sessionId: session.id, seat: guest, reason: 'left' as const, at: NOW + 1 };
    const joined = { ...NOTHING, sessions: [view(2, [host, guest])] };
    const left = { ...NOTHING, sessions: [view(3, [host])], ended: [end] };
    for (const batch of [joined, left, joined, left, { ...NOTHING, sessions: [view(1, [host])] }]) {
      await suite.store.commit(batch);
    }
    const waiting = await everything((page) => suite.store.listSessions('waiting', page, NOW), MANY);
    expect(waiting.map(({ document }) => document.id)).toContain(session.id);
    const again = newSeat('guest');
    await suite.store.commit({ ...NOTHING, sessions: [view(4, [host, again])] });
    const paired = await everything((page) => suite.store.listSessions('paired', page, NOW), MANY);
    expect(paired.map(({ document }) => document.id)).toContain(session.id);
  });

  it('refuses the cursor of another list', async () => {
    const [one, other] = [`user of ${randomUUID()}`, `user of ${randomUUID()}`];
    await made(suite.store, 2, () => [newSeat('host', { userId: one }), newSeat('guest', { userId: other })]);
    const cursor = (await suite.store.sessionsOfUser(one, { cursor: null, limit: 1 }, NOW)).nextCursor;
    expect(cursor).not.toBeNull();
    const page = { cursor, limit: 1 };
    const refusal = { code: 'INVALID_PAYLOAD', issues: [{ path: 'cursor' }] };
    await expect(suite.store.sessionsOfUser(other, page, NOW)).rejects.toMatchObject(refusal);
    await expect(suite.store.listSessions(null, page, NOW)).rejects.toMatchObject(refusal);
    await expect(suite.store.sessionEvents(randomUUID(), page)).rejects.toMatchObject(refusal);
    const all = (await suite.store.listSessions(null, { cursor: null, limit: 1 }, NOW)).nextCursor;
    await expect(suite.store.listSessions('closed', { cursor: all, limit: 1 }, NOW)).rejects.toMatchObject(refusal);
    await expect(suite.store.listSessions(null, { cursor: 'next', limit: 1 }, NOW)).rejects.toMatchObject(refusal);
  });

  it('tells what happened to a session, newest first, once, also of views that come late or again', async () => {
    const [host, guest] = [newSeat('host'), newSeat('guest', { joinedAt: NOW + 10 })];
    const created = newSession({ seats: [host] });
    const joined = { ...created, everPaired: true, seats: [host, guest] };
    const locked = { ...joined, locked: true };
    const newHost = { ...guest, role: 'host' as const };
    const left = { ...locked, seats: [newHost] };
    const closed = { ...left, closed: { reason: 'closed' as const, at: NOW + 50 } };
    const ended = [{ sessionId: created.id, seat: host, reason: 'left' as const, at: NOW + 40 }];
    const views = [
      { ...NOTHING, sessions: [{ ...entry(created, [host], NOW), version: 1 }] },
      { ...NOTHING, sessions: [{ ...entry(joined, [guest], NOW + 10), version: 2 }] },
      { ...NOTHING, sessions: [{ ...entry(locked, [], NOW + 20), version: 3 }] },
      { ...NOTHING, sessions: [{ ...entry(left, [newHost], NOW + 40), version: 4 }], ended },
      { ...NOTHING, sessions: [{ ...entry(closed, [newHost], NOW + 40), version: 5 }] },
    ];
    for (const view of views) await suite.store.commit(view);
    for (const view of views.toReversed()) await suite.store.commit(view);
    const told = await everything((page) => suite.store.sessionEvents(created.id, page));
    expect(told.map(({ at, kind, participantId, reason }) => [at - NOW, kind, participantId, reason])).toEqual([
      [50, 'closed', null, 'closed'],
      [40, 'left', host.id, 'left'],
      [40, 'host_changed', guest.id, null],
      [20, 'locked', null, null],
      [10, 'paired', null, null],
      [10, 'joined', guest.id, null],
      [0, 'joined', host.id, null],
      [0, 'created', null, null],
    ]);
    const none = { items: [], nextCursor: null };
    expect(await suite.store.sessionEvents(randomUUID(), { cursor: null, limit: 5 })).toEqual(none);
    expect(await suite.store.sessionEvents('no id', { cursor: null, limit: 5 })).toEqual(none);
  });

  it('tells of changes that have no time of their own behind what led to them', async () => {
    const [host, guest] = [newSeat('host'), newSeat('guest', { joinedAt: NOW + 10 })];
    const created = newSession({ seats: [host] });
    const joined = { ...created, seats: [host, guest], everPaired: true };
    const locked = { ...joined, locked: true };
    const kicked = { ...locked, code: null, seats: [host] };
    const end = { seat: guest, reason: 'kicked' as const, at: NOW + 20 };
    // Nobody has spoken: the activity is that of the beginning.
    await suite.store.commit(creation(created));
    await suite.store.commit(creation(joined));
    await suite.store.commit(change(locked, []));
    await suite.store.commit({ ...change(kicked, []), ended: [{ ...end, sessionId: created.id }] });
    await suite.store.commit(change({ ...kicked, code: { value: 'BCDF2346', expiresAt: NOW + 900_000 } }, []));
    const told = await everything((page) => suite.store.sessionEvents(created.id, page));
    expect(told.map(({ at, kind }) => [at - NOW, kind])).toEqual([
      [20, 'code_changed'],
      [20, 'code_changed'],
      [20, 'left'],
      [10, 'locked'],
      [10, 'paired'],
      [10, 'joined'],
      [0, 'joined'],
      [0, 'created'],
    ]);
  });

  it('tells of an epoch that began, and of a code that changed', async () => {
    const session = newSession();
    await suite.store.commit(creation(session));
    await suite.store.commit(change({ ...session, code: null }, []));
    await suite.store.raiseEpoch(session.id, 1);
    const { items } = await suite.store.sessionEvents(session.id, { cursor: null, limit: 10 });
    expect(items.map(({ kind }) => kind).sort()).toEqual(['code_changed', 'created', 'joined', 'rebuilt']);
  });
}

/** Sessions with ids in the order in which they are created. */
async function made(
  store: DurableStore,
  length: number,
  seats: () => SessionDocument['seats'],
  msecs = NOW,
): Promise<SessionDocument[]> {
  const sessions = count(length).map((number) => {
    return newSession({ id: v7({ msecs: msecs + number, seq: number }), createdAt: msecs + number, seats: seats() });
  });
  for (const session of sessions) await store.commit(creation(session));
  return sessions;
}

/** For lists in which the sessions of all tests are. */
const MANY = 100;

async function everything<T>(read: (page: PageRequest) => Promise<Page<T>>, limit = 3): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> = await read({ cursor, limit });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return items;
}
