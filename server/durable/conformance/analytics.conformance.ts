import { expect, it } from '@jest/globals';
import type { DailyAnalytics } from '../../sessions/ports.ts';
import { NOTHING, creation, entry, newMessage, newSeat, newSession } from '../../../test/support/stored-session.ts';
import { change, count, type Suite } from './suite.conformance.ts';

/** Days that no other test writes to. */
const NOON = Date.UTC(2091, 4, 31, 12);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export function counting(suite: Suite): void {
  it('counts what is stored by UTC day, once, in whatever order and however often it comes', async () => {
    const [host, guest] = [newSeat('host', { joinedAt: NOON }), newSeat('guest', { joinedAt: NOON + 1500 })];
    const created = newSession({ createdAt: NOON, seats: [host] });
    const joined = { ...created, everPaired: true, seats: [host, guest] };
    const closed = { ...joined, closed: { reason: 'idle' as const, at: NOON + 14 * HOUR } };
    const sent = [0, 11 * HOUR, 12 * HOUR - 1, 12 * HOUR, 13 * HOUR];
    const messages = sent.map((after, index) => newMessage(created, host, index + 1, { sentAt: NOON + after }));
    const views = [
      { ...NOTHING, sessions: [{ ...entry(joined, [host, guest]), version: 2 }] },
      { ...NOTHING, sessions: [{ ...entry(created, [host]), version: 1 }] },
      { ...NOTHING, messages },
      { ...NOTHING, sessions: [{ ...entry(closed, []), version: 3 }] },
    ];
    for (const view of [...views, ...views]) await suite.store.commit(view);
    const none = { closed: 0, idle: 0, expired: 0, empty: 0 };
    const first: DailyAnalytics = {
      ...{ day: '2091-05-31', sessions: 1, pairings: 1, timeToPairMs: 1500, messages: 3, closed: none, durationMs: 0 },
    };
    const second: DailyAnalytics = {
      ...{ day: '2091-06-01', sessions: 0, pairings: 0, timeToPairMs: 0, messages: 2 },
      ...{ closed: { ...none, idle: 1 }, durationMs: 14 * HOUR },
    };
    expect(await suite.store.analytics('2091-05-31', '2091-06-01')).toEqual([first, second]);
    expect(await suite.store.analytics('2091-06-01', '2091-12-31')).toEqual([second]);
    expect(await suite.store.analytics('2091-05-01', '2091-05-30')).toEqual([]);
  });

  it('counts a re-pairing not again, and no time below zero when a clock was set back', async () => {
    const at = NOON + 100 * DAY;
    const [host, guest] = [newSeat('host', { joinedAt: at }), newSeat('guest', { joinedAt: at - 5000 })];
    const session = newSession({ createdAt: at, everPaired: true, seats: [host, guest] });
    await suite.store.commit(creation(session));
    const again = newSeat('guest', { joinedAt: at + 2 });
    await suite.store.commit({
      ...change({ ...session, seats: [host, again], closed: { reason: 'empty', at: at - 1 } }, [again]),
      ended: [{ sessionId: session.id, seat: guest, reason: 'kicked', at: at + 1 }],
    });
    expect(await suite.store.analytics('2091-09-08', '2091-09-08')).toEqual([
      expect.objectContaining({ sessions: 1, pairings: 1, timeToPairMs: 0, durationMs: 0 }),
    ]);
  });

  it('counts nothing of a batch that is refused', async () => {
    const at = NOON + 200 * DAY;
    const session = newSession({ createdAt: at });
    const [host] = session.seats;
    if (host === undefined) throw new Error('It has a host');
    const messages = [newMessage(session, host, 2, { sentAt: at })];
    await expect(suite.store.commit({ ...creation(session), messages })).rejects.toThrow();
    expect(await suite.store.analytics('2091-12-01', '2091-12-31')).toEqual([]);
  });

  it('counts what many write at the same time', async () => {
    const at = NOON + 300 * DAY;
    const sessions = count(40).map((number) => newSession({ createdAt: at + (number % 3) * DAY }));
    await Promise.all(sessions.map((session) => suite.store.commit(creation(session))));
    await Promise.all(
      sessions.map((session, index) => {
        const [host] = session.seats;
        if (host === undefined) throw new Error('It has a host');
        // The days in another order each time.
        const days = [index % 3, (index + 1) % 3, (index + 2) % 3];
        const messages = days.map((day, at0) => newMessage(session, host, at0 + 1, { sentAt: at + day * DAY }));
        const closed = { ...session, closed: { reason: 'closed' as const, at: at + (index % 2) * DAY } };
        return suite.store.commit({ ...change(closed, []), messages });
      }),
    );
    const days = await suite.store.analytics('2092-03-01', '2092-04-30');
    expect(days.map(({ sessions: made, messages, closed }) => [made, messages, closed.closed])).toEqual([
      [13, 40, 20],
      [14, 40, 20],
      [13, 40, 0],
    ]);
  });
}
