import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { messagesOnly, newMessage, newSeat, newSession, NOTHING, NOW } from '../../../test/support/stored-session.ts';
import { change, loaded, type Suite } from './suite.conformance.ts';

/** In which seats a user took part in a session, and until when. */
export function seating(suite: Suite): void {
  it('knows the seats of a user, the latest first, with how they ended and what had been sent by then', async () => {
    const { store } = suite;
    const [userId, other] = [`user of ${randomUUID()}`, `user of ${randomUUID()}`];
    const host = newSeat('host', { userId: other });
    const first = newSeat('guest', { userId, joinedSeq: 1, joinedAt: NOW + 1 });
    const session = newSession({ capacity: 5, seats: [host, first] });
    await store.commit(change(session, [host, first]));
    await store.commit({
      ...NOTHING,
      messages: [
        newMessage(session, host, 1, { sentAt: NOW }),
        newMessage(session, first, 2, { sentAt: NOW + 10 }),
        // The server itself, before and after the user left.
        newMessage(session, host, 3, { sentAt: NOW + 19, participantId: null }),
        newMessage(session, host, 4, { sentAt: NOW + 21, participantId: null }),
        newMessage(session, host, 5, { sentAt: NOW + 30 }),
      ],
    });
    const left = { sessionId: session.id, seat: first, reason: 'left' as const, at: NOW + 20 };
    const second = newSeat('guest', { userId, joinedSeq: 5, joinedAt: NOW + 40 });
    await store.commit({ ...change({ ...session, seats: [host, second] }, [second]), ended: [left] });
    const seatOf = ({ id, joinedAt, joinedSeq }: typeof first) => ({ participantId: id, joinedAt, joinedSeq });
    const ended = { ...seatOf(first), left: { at: NOW + 20, reason: 'left', seq: 3 } };
    expect(await store.seatsOfUser(session.id, userId)).toEqual([{ ...seatOf(second), left: null }, ended]);
    // Kicked at the end of what there is.
    const kicked = { sessionId: session.id, seat: second, reason: 'kicked' as const, at: NOW + 50 };
    await store.commit({ ...change({ ...session, seats: [host] }, []), ended: [kicked] });
    const last = { ...seatOf(second), left: { at: NOW + 50, reason: 'kicked', seq: 5 } };
    expect(await store.seatsOfUser(session.id, userId)).toEqual([last, ended]);
    expect(await store.seatsOfUser(session.id, other)).toEqual([{ ...seatOf(host), left: null }]);
    expect(await store.seatsOfUser(randomUUID(), userId)).toEqual([]);
    expect(await store.seatsOfUser('no id', userId)).toEqual([]);
    expect(await store.seatsOfUser(session.id, `${userId} `)).toEqual([]);
  });

  it('says of a seat that was left before any message that nothing had been sent', async () => {
    const userId = `user of ${randomUUID()}`;
    const [host, guest] = [newSeat('host'), newSeat('guest', { userId })];
    const session = newSession({ seats: [host, guest] });
    await suite.store.commit(change(session, [host, guest]));
    const ended = [{ sessionId: session.id, seat: guest, reason: 'timeout' as const, at: NOW + 1 }];
    await suite.store.commit({ ...change({ ...session, seats: [host] }, []), ended });
    const leftSeq = async () => (await suite.store.seatsOfUser(session.id, userId)).map(({ left }) => left?.seq);
    expect(await leftSeq()).toEqual([0]);
    await suite.store.commit(messagesOnly(newMessage(session, host, 1, { sentAt: NOW + 2 })));
    expect(await leftSeq()).toEqual([0]);
  });

  it('remembers who was kicked while signed in, in the order of the kicks, each once', async () => {
    const { store } = suite;
    const [one, two] = [`user of ${randomUUID()}`, `user of ${randomUUID()}`];
    const host = newSeat('host', { userId: 'host' });
    const [phone, tablet] = [newSeat('guest', { userId: two }), newSeat('guest', { userId: two })];
    const [first, nobody, leaver] = [
      newSeat('guest', { userId: one }),
      newSeat('guest'),
      newSeat('guest', { userId: 'x' }),
    ];
    const session = newSession({ capacity: 9, seats: [host, first, phone, tablet, nobody, leaver] });
    await store.commit(change(session, session.seats));
    expect((await loaded(store, session.id)).document).not.toHaveProperty('kickedUsers');
    const end = (seat: typeof host, at: number, reason: 'kicked' | 'left' = 'kicked') => ({
      ...{ sessionId: session.id, seat, reason, at: NOW + at },
    });
    const ended = [end(first, 3), end(phone, 1), end(tablet, 5), end(nobody, 2), end(leaver, 4, 'left')];
    await store.commit({ ...change({ ...session, seats: [host] }, []), ended });
    expect((await loaded(store, session.id)).document.kickedUsers).toEqual([two, one]);
  });
}
