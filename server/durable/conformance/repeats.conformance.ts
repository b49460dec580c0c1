import { expect, it } from '@jest/globals';
import { TandemError } from '../../../protocol/errors.ts';
import type { CommitBatch } from '../../sessions/ports.ts';
import { eventually } from '../../../test/support/eventually.ts';
import {
  NOTHING,
  NOW,
  creation,
  messagesOnly,
  newMessage,
  newSeat,
  newSession,
} from '../../../test/support/stored-session.ts';
import { count, loaded, stored, type Suite } from './suite.conformance.ts';
export function repeating(suite: Suite): void {
  it('changes nothing when a write is repeated', async () => {
    const [host, guest, left] = [newSeat('host'), newSeat('guest'), newSeat('guest')];
    const session = newSession({ seats: [host, guest] });
    const batch: CommitBatch = {
      ...creation(session),
      ended: [{ sessionId: session.id, seat: left, reason: 'timeout', at: NOW }],
      messages: count(3).map((seq) => newMessage(session, host, seq)),
      receipts: [{ sessionId: session.id, seatId: guest.id, delivered: 3, read: 2 }],
    };
    await suite.store.commit(batch);
    const once = await loaded(suite.store, session.id);
    const messages = await suite.store.readMessages(session.id, { afterSeq: 0, limit: 10 });
    await suite.store.commit(batch);
    expect(await loaded(suite.store, session.id)).toEqual(once);
    // A part that is stored, and what follows it.
    await suite.store.commit(messagesOnly(...batch.messages.slice(1), newMessage(session, guest, 4)));
    expect((await suite.store.readMessages(session.id, { afterSeq: 0, limit: 10 })).slice(0, 3)).toEqual(messages);
    expect((await loaded(suite.store, session.id)).lastSeq).toBe(4);
  });

  it('never takes a receipt back, and what was read was delivered', async () => {
    const { session, host } = await stored(suite.store);
    const receipts: [number, number][] = [
      [5, 2],
      [3, 1],
      [0, 7],
    ];
    const seen = [];
    for (const [delivered, read] of receipts) {
      await suite.store.commit({ ...NOTHING, receipts: [{ sessionId: session.id, seatId: host.id, delivered, read }] });
      seen.push((await loaded(suite.store, session.id)).receipts.get(host.id));
    }
    expect(seen).toEqual([
      { delivered: 5, read: 2 },
      { delivered: 5, read: 2 },
      { delivered: 7, read: 7 },
    ]);
  });

  it('stores nothing of a batch with nothing in it', async () => {
    await suite.store.commit(NOTHING);
    await suite.store.ping();
  });

  it('works again by itself after its connections broke', async () => {
    const { session, host } = await stored(suite.store);
    await suite.store.commit(messagesOnly(newMessage(session, host, 1)));
    await suite.breakConnections();
    const failures: unknown[] = [];
    const message = newMessage(session, host, 2);
    // A write whose outcome is unknown is repeated until it is known: it must not fail for good, or count twice.
    await eventually(() =>
      suite.store.commit(messagesOnly(message)).catch((error: unknown) => {
        failures.push(error);
        throw error;
      }),
    );
    for (const failure of failures) {
      expect(failure).toBeInstanceOf(TandemError);
      expect(failure).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1000 });
    }
    expect(await suite.store.readMessages(session.id, { afterSeq: 0, limit: 10 })).toHaveLength(2);
  });
}
