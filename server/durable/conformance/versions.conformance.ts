import { expect, it } from '@jest/globals';
import { DivergenceError, type CommitBatch, type DurableStore, type StoredHead } from '../../sessions/ports.ts';
import type { Seat, SessionDocument } from '../../sessions/session.ts';
import { NOTHING, NOW, entry, newMessage, newSeat, newSession } from '../../../test/support/stored-session.ts';
import { afterRestart, change, count, loaded, type Suite } from './suite.conformance.ts';

/** Several writers store what they saw of a session, in whatever order they get through. */
export function versioning(suite: Suite): void {
  it('keeps the later version of a session, whichever comes first', async () => {
    const { session, guest } = await seen(suite.store, 4);
    const later: SessionDocument = { ...session, code: null, everPaired: true, metadata: { later: true } };
    await suite.store.commit(at(6, later, []));
    await suite.store.commit(at(5, { ...session, locked: true, seats: [...session.seats, newSeat('guest')] }, [guest]));
    expect((await loaded(suite.store, session.id)).document).toEqual(afterRestart(later, NOW));
    const latest: SessionDocument = { ...later, closed: { reason: 'closed', at: NOW + 1 } };
    await suite.store.commit(at(7, latest, []));
    await suite.store.commit(at(6, later, []));
    expect((await loaded(suite.store, session.id)).document).toEqual(afterRestart(latest, NOW));
  });

  it('tells how far open sessions are stored, in pages, and which of those that are asked for are closed', async () => {
    const made = await Promise.all([1, 2, 3].map(() => seen(suite.store, 4)));
    const [one, other, ended] = made.map(({ session }) => session).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    if (one === undefined || other === undefined || ended === undefined) throw new Error('There are three');
    await suite.store.commit(at(9, { ...ended, closed: { reason: 'closed', at: NOW + 1 } }, []));
    await suite.store.commit({ ...NOTHING, messages: [newMessage(one, one.seats[0] ?? newSeat('host'), 1)] });
    expect(await suite.store.raiseEpoch(other.id, other.epoch)).toBe(3);
    const found: StoredHead[] = [];
    for (let above: string | null = null; ;) {
      const page: StoredHead[] = await suite.store.openHeads(above, 2);
      found.push(...page);
      above = page.at(-1)?.id ?? null;
      if (page.length < 2) break;
    }
    expect(found.map(({ id }) => id)).toEqual(found.map(({ id }) => id).toSorted());
    expect(found.filter(({ id }) => [one.id, other.id, ended.id].includes(id))).toEqual([
      { id: one.id, epoch: 2, lastSeq: 1, version: 4 },
      { id: other.id, epoch: 3, lastSeq: 0, version: 0 },
    ]);
    const closed = await suite.store.closedAmong([one.id, ended.id, newSession().id]);
    expect(closed).toEqual([{ id: ended.id, epoch: 2 }]);
    expect(await suite.store.closedAmong([])).toEqual([]);
  });

  it('finds the open session with a living seat that was taken with a key', async () => {
    const hash = `hash of ${newSession().id}`;
    const host = newSeat('host', { key: { hash, at: NOW } });
    const guest = newSeat('guest', { key: { hash: `${hash} of the guest`, at: NOW } });
    const session = newSession({ seats: [host, guest] });
    await suite.store.commit(at(1, session, session.seats));
    expect(await suite.store.findByKey(hash)).toBe(session.id);
    expect(await suite.store.findByKey('of nobody')).toBeNull();
    const left = { sessionId: session.id, seat: guest, reason: 'left', at: NOW + 1 } as const;
    await suite.store.commit({ ...at(2, { ...session, seats: [host] }, []), ended: [left] });
    expect(await suite.store.findByKey(guest.key?.hash ?? '')).toBeNull();
    const closed: SessionDocument = { ...session, seats: [host], closed: { reason: 'closed', at: NOW + 2 } };
    await suite.store.commit(at(3, closed, []));
    expect(await suite.store.findByKey(hash)).toBeNull();
  });

  it('changes nothing for the version that is stored', async () => {
    const { session, host } = await seen(suite.store, 4);
    await suite.store.commit(at(4, { ...session, locked: true, seats: [{ ...host, tokenHash: 'other' }] }, [host]));
    expect((await loaded(suite.store, session.id)).document).toEqual(afterRestart(session, NOW));
  });

  it('writes what has no version, and still knows the version that was stored', async () => {
    for (const version of [undefined, 0]) {
      const { session, host } = await seen(suite.store, 4);
      const changed: SessionDocument = { ...session, locked: true, seats: [{ ...host, tokenHash: 'changed' }] };
      const [written] = change(changed, changed.seats).sessions;
      if (written === undefined) throw new Error('There is one');
      await suite.store.commit({ ...NOTHING, sessions: [version === undefined ? written : { ...written, version }] });
      const stored = (await loaded(suite.store, session.id)).document;
      expect(stored).toMatchObject({ locked: true, seats: [{ id: host.id, tokenHash: 'changed' }, {}] });
      await suite.store.commit(at(3, session, session.seats));
      await suite.store.commit(at(4, session, session.seats));
      expect((await loaded(suite.store, session.id)).document).toEqual(stored);
    }
  });

  it('ends with the last view of everything, when views come at once and each names the seat that it changed', async () => {
    for (const turn of count(5)) {
      const seats = count(4).map((number) => newSeat(number === 1 ? 'host' : 'guest'));
      let session = newSession({ capacity: 50, seats });
      const views: CommitBatch[] = [at(1, session, seats)];
      for (const version of count(12).map((number) => number + 1)) {
        const index = (version * turn) % seats.length;
        const changed = session.seats.map((seat, at) =>
          at === index ? { ...seat, tokenHash: `token ${version}` } : seat,
        );
        session = { ...session, locked: version % 2 === 0, metadata: { version }, seats: changed };
        views.push(at(version, session, changed.slice(index, index + 1)));
      }
      const [first, ...others] = views;
      if (first === undefined) throw new Error('There is one');
      await suite.store.commit(first);
      // Another order each time; the store is asked for all of them at once.
      const order = others.toSorted((one, other) => orderOf(one, turn) - orderOf(other, turn));
      await Promise.all(order.map((view) => suite.store.commit(view)));
      expect((await loaded(suite.store, session.id)).document).toEqual(afterRestart(session, NOW));
    }
  });

  it('lets the first view of a session come late', async () => {
    const [host, guest] = [newSeat('host'), newSeat('guest')];
    const created = newSession({ seats: [host] });
    const joined = { ...created, everPaired: true, seats: [host, guest] };
    await suite.store.commit(at(2, joined, joined.seats));
    await suite.store.commit(at(1, created, created.seats));
    expect((await loaded(suite.store, created.id)).document).toEqual(afterRestart(joined, NOW));
  });

  it('revives no seat that ended, and takes the end of a seat from any view', async () => {
    const { session, host, guest } = await seen(suite.store, 4);
    const end = (seat: Seat) => ({ sessionId: session.id, seat, reason: 'left' as const, at: NOW + 1 });
    const alone = { ...session, seats: [host] };
    await suite.store.commit({ ...at(6, alone, []), ended: [end(guest)] });
    await suite.store.commit(at(5, session, [guest]));
    expect((await loaded(suite.store, session.id)).document).toEqual(afterRestart(alone, NOW));
    // One that came and went before the view that is stored.
    const visitor = newSeat('guest');
    await suite.store.commit({ ...at(5, session, []), ended: [end(visitor)] });
    await suite.store.commit({ ...at(5, session, []), ended: [end(host)] });
    expect((await loaded(suite.store, session.id)).document.seats).toEqual([]);
  });

  it('counts activity, messages and receipts of an earlier view', async () => {
    const { session, host, guest } = await seen(suite.store, 4);
    const view = entry({ ...session, locked: true }, [], NOW + 5000);
    await suite.store.commit({
      ...NOTHING,
      sessions: [{ ...view, version: 3 }],
      messages: [newMessage(session, host, 1)],
      receipts: [{ sessionId: session.id, seatId: guest.id, delivered: 1, read: 0 }],
    });
    const after = await loaded(suite.store, session.id);
    expect(after).toMatchObject({ lastSeq: 1, lastActivityAt: NOW + 5000, document: { locked: false } });
    expect(after.receipts.get(guest.id)).toEqual({ delivered: 1, read: 0 });
    await suite.store.commit({ ...NOTHING, sessions: [{ ...entry(session, [], NOW + 1), version: 4 }] });
    expect((await loaded(suite.store, session.id)).lastActivityAt).toBe(NOW + 5000);
  });

  it('stores the others of a batch in which one is an earlier view', async () => {
    const { session } = await seen(suite.store, 4);
    const other = newSession();
    const batches = [at(3, { ...session, locked: true }, []), at(1, other, other.seats)];
    await suite.store.commit({ ...NOTHING, sessions: batches.flatMap(({ sessions }) => sessions) });
    expect((await loaded(suite.store, session.id)).document.locked).toBe(false);
    expect((await loaded(suite.store, other.id)).document).toEqual(afterRestart(other, NOW));
  });

  it('takes the highest of the versions that one batch has of a session', async () => {
    const { session, host, guest } = await seen(suite.store, 4);
    const later = { ...session, locked: true, seats: [host, { ...guest, tokenHash: 'later' }] };
    const batches = [at(6, later, later.seats), at(5, { ...session, metadata: { earlier: true } }, [host, guest])];
    await suite.store.commit({ ...NOTHING, sessions: batches.flatMap(({ sessions }) => sessions) });
    expect((await loaded(suite.store, session.id)).document).toEqual(afterRestart(later, NOW));
  });

  it.each([
    ['an earlier', 3],
    ['a later', 5],
  ])('refuses another epoch, also with %s version', async (_which, version) => {
    const { session } = await seen(suite.store, 4);
    for (const epoch of [1, 3]) {
      const wrong = at(version, { ...session, epoch, locked: true }, []);
      await expect(suite.store.commit(wrong)).rejects.toThrow(DivergenceError);
    }
    expect((await loaded(suite.store, session.id)).document).toEqual(afterRestart(session, NOW));
  });
}

/** A session of epoch 2, stored with that version. */
async function seen(
  store: DurableStore,
  version: number,
): Promise<{ session: SessionDocument; host: Seat; guest: Seat }> {
  const [host, guest] = [newSeat('host'), newSeat('guest')];
  const session = newSession({ epoch: 2, seats: [host, guest] });
  await store.commit(at(version, session, session.seats));
  return { session, host, guest };
}

function at(version: number, session: SessionDocument, changed: readonly Seat[]): CommitBatch {
  return { ...NOTHING, sessions: [{ ...entry(session, changed), version }] };
}

function orderOf({ sessions }: CommitBatch, turn: number): number {
  return ((sessions[0]?.version ?? 0) * (2 * turn + 5)) % 13;
}
