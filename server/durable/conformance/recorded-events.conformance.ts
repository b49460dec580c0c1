import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import type { RecordedEvent, TimelineEntry } from '../../sessions/ports.ts';
import { NOW, creation, newEvent, newSeat, newSession } from '../../../test/support/stored-session.ts';
import { count, stored, type Suite } from './suite.conformance.ts';

/** Kept of a session, besides what its own changes bring about. */
const MOST = 1000;
/** Older than what any other test stores. */
const OLD = Date.UTC(2000, 0, 1);

export function recording(suite: Suite): void {
  it('tells of them where they happened, among what the session itself tells', async () => {
    const [host, guest] = [newSeat('host'), newSeat('guest')];
    const session = newSession({ seats: [host, guest] });
    const closed = { ...session, closed: { reason: 'closed' as const, at: NOW + 50 } };
    const of = { sessionId: session.id, participantId: guest.id };
    const events = [
      newEvent({ ...of, kind: 'away', at: NOW + 10 }),
      newEvent({ ...of, kind: 'resumed', at: NOW + 20, reason: 'reset' }),
      // Of one millisecond in their order.
      newEvent({ ...of, kind: 'limited', at: NOW + 30, reason: 'messages_user', count: 17 }),
      newEvent({ ...of, kind: 'away', at: NOW + 30 }),
    ];
    // The session itself may come to the store later.
    await suite.store.recordEvents(events);
    await suite.store.commit(creation(session));
    await suite.store.commit(creation(closed));
    expect(await told(suite, session.id)).toEqual([
      [50, 'closed', null, 'closed', 1],
      [30, 'away', guest.id, null, 1],
      [30, 'limited', guest.id, 'messages_user', 17],
      [20, 'resumed', guest.id, 'reset', 1],
      [10, 'away', guest.id, null, 1],
      [0, 'paired', null, null, 1],
      [0, 'joined', guest.id, null, 1],
      [0, 'joined', host.id, null, 1],
      [0, 'created', null, null, 1],
    ]);
    const first = await suite.store.sessionEvents(session.id, { cursor: null, limit: 2 });
    const second = await suite.store.sessionEvents(session.id, { cursor: first.nextCursor, limit: 2 });
    expect(second.items.map(({ kind }) => kind)).toEqual(['limited', 'resumed']);
  });

  it('stores one once, also when it is repeated, at once or later, and keeps the highest count', async () => {
    const { session, guest } = await stored(suite.store);
    const of = { sessionId: session.id, participantId: guest.id };
    const away = newEvent({ ...of, at: NOW + 1 });
    const limited = newEvent({ ...of, kind: 'limited', at: NOW + 2, reason: 'messages_ip', count: 3 });
    await Promise.all(count(3).map(() => suite.store.recordEvents([away, limited])));
    await suite.store.recordEvents([{ ...limited, count: 40 }]);
    await suite.store.recordEvents([away, limited]);
    await suite.store.recordEvents([]);
    expect((await told(suite, session.id)).slice(0, 3)).toEqual([
      [2, 'limited', guest.id, 'messages_ip', 40],
      [1, 'away', guest.id, null, 1],
      [0, 'paired', null, null, 1],
    ]);
    // Its id is its own within its session alone.
    const other = await stored(suite.store);
    await suite.store.recordEvents([{ ...away, sessionId: other.session.id, participantId: other.guest.id }]);
    expect((await told(suite, other.session.id))[0]).toEqual([1, 'away', other.guest.id, null, 1]);
  });

  it('keeps the newest thousand of a session, and all that the session itself tells', async () => {
    const { session, guest } = await stored(suite.store);
    const events = count(MOST + 60).map((number): RecordedEvent => {
      return newEvent({ sessionId: session.id, participantId: guest.id, at: NOW + number });
    });
    const others = count(5).map(() => newEvent());
    for (let from = 0; from < events.length; from += 250) {
      await suite.store.recordEvents([...events.slice(from, from + 250), ...(from === 0 ? others : [])]);
    }
    // The first have gone: they do not come back.
    await suite.store.recordEvents(events.slice(0, 250));
    const times = (await entries(suite, session.id)).map(({ at }) => at - NOW);
    const expected = [...count(MOST).map((number) => number + 60), 0, 0, 0, 0];
    expect(times).toEqual(expected.sort((a, b) => b - a));
    for (const { sessionId } of others) expect(await told(suite, sessionId)).toHaveLength(1);
  });

  it('keeps the rest as it is when two calls remove what is too much', async () => {
    const sessionId = randomUUID();
    const events = count(MOST).map((number) => newEvent({ sessionId, at: NOW + number }));
    for (let from = 0; from < MOST; from += 250) await suite.store.recordEvents(events.slice(from, from + 250));
    const more = count(8).map((number) => newEvent({ sessionId, at: NOW + MOST + number }));
    await Promise.all(more.map((event) => suite.store.recordEvents([event])));
    // What two at the same time left over goes with the next.
    await suite.store.recordEvents([more[0] ?? newEvent()]);
    const times = (await entries(suite, sessionId)).map(({ at }) => at - NOW);
    expect(times).toEqual(count(MOST).map((number) => MOST + 8 + 1 - number));
  });

  it('removes them when they have had their time, as all others', async () => {
    const { session, guest } = await stored(suite.store);
    const of = { sessionId: session.id, participantId: guest.id };
    await suite.store.recordEvents([newEvent({ ...of, at: OLD }), newEvent({ ...of, at: NOW + 1 })]);
    const expired = await suite.store.expire({ olderThan: OLD + 1, keepNewest: 1, now: 0, atMost: 100 });
    expect(expired?.events).toBeGreaterThanOrEqual(1);
    expect((await told(suite, session.id)).map(([at]) => at)).toEqual([1, 0, 0, 0, 0]);
  });
}

async function entries({ store }: Suite, sessionId: string): Promise<TimelineEntry[]> {
  const items: TimelineEntry[] = [];
  let cursor: string | null = null;
  do {
    const page = await store.sessionEvents(sessionId, { cursor, limit: 500 });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return items;
}

async function told(suite: Suite, sessionId: string) {
  const all = await entries(suite, sessionId);
  return all.map(({ at, kind, participantId, reason, count: times }) => [at - NOW, kind, participantId, reason, times]);
}
