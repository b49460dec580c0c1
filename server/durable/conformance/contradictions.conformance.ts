import { expect, it } from '@jest/globals';
import { DivergenceError, type CommitBatch, type DurableStore, type StoredMessage } from '../../sessions/ports.ts';
import type { Seat, SessionDocument } from '../../sessions/session.ts';
import { creation, messagesOnly, newMessage, newSeat, newSession } from '../../../test/support/stored-session.ts';
import { change, count, loaded, stored, type Suite } from './suite.conformance.ts';
export function refusing(suite: Suite): void {
  it.each<[string, (context: Context) => StoredMessage[]]>([
    ['leave a hole', ({ session, host }) => [newMessage(session, host, 4)]],
    ['have a hole', ({ session, host }) => [newMessage(session, host, 3), newMessage(session, host, 5)]],
    ['come twice', ({ session, host }) => [newMessage(session, host, 3), newMessage(session, host, 3)]],
    ['have another id under a taken seq', ({ second }) => [{ ...second, id: 'another-id' }]],
    ['have another body under a taken seq', ({ second }) => [{ ...second, bodyJson: '"other"' }]],
    ['have another type under a taken seq', ({ second }) => [{ ...second, type: 'other' }]],
    ['have another sender under a taken seq', ({ second, guest }) => [{ ...second, participantId: guest.id }]],
    ['have no sender under a taken seq', ({ second }) => [{ ...second, participantId: null }]],
    ['have another time under a taken seq', ({ second }) => [{ ...second, sentAt: second.sentAt + 1 }]],
    ['are of an older epoch', ({ session, host }) => [newMessage({ ...session, epoch: 1 }, host, 3)]],
    ['are of a later epoch', ({ session, host }) => [newMessage({ ...session, epoch: 3 }, host, 3)]],
    ['are of an unknown session', ({ host }) => [newMessage(newSession(), host, 1)]],
  ])('refuses messages that %s, with all that came with them', async (_name, wrong) => {
    const context = await contextOf(suite.store);
    const innocent = await stored(suite.store);
    const batch: CommitBatch = {
      ...change({ ...innocent.session, locked: true }, []),
      messages: [newMessage(innocent.session, innocent.host, 1), ...wrong(context)],
      receipts: [{ sessionId: innocent.session.id, seatId: innocent.host.id, delivered: 1, read: 1 }],
    };
    const before = await loaded(suite.store, innocent.session.id);
    await expect(suite.store.commit(batch)).rejects.toThrow(DivergenceError);
    expect(await loaded(suite.store, innocent.session.id)).toEqual(before);
    expect(await suite.store.readMessages(innocent.session.id, { afterSeq: 0, limit: 10 })).toEqual([]);
    expect((await loaded(suite.store, context.session.id)).lastSeq).toBe(2);
    expect(await suite.store.readMessages(context.session.id, { afterSeq: 0, limit: 10 })).toHaveLength(2);
  });

  it('lets exactly one of two writers have a seq', async () => {
    const { session, host, guest } = await stored(suite.store);
    const results = await Promise.allSettled(
      [host, guest].map((seat) => suite.store.commit(messagesOnly(newMessage(session, seat, 1)))),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const rejected = results.find((result) => result.status === 'rejected');
    expect(rejected?.reason).toBeInstanceOf(DivergenceError);
    expect(await suite.store.readMessages(session.id, { afterSeq: 0, limit: 10 })).toHaveLength(1);
  });

  it('lets no two batches wait for each other, whatever sessions they share', async () => {
    const contexts = await Promise.all(count(6).map(() => stored(suite.store)));
    const turn = (by: number) => [...contexts.slice(by), ...contexts.slice(0, by)];
    for (const seq of count(5)) {
      // Each begins elsewhere in the circle, writes some as messages, and others as changed sessions.
      const batches = count(6).map((by): CommitBatch => {
        const [first, second, third] = turn(by - 1);
        if (first === undefined || second === undefined || third === undefined) throw new Error('Too few sessions');
        return {
          ...change({ ...third.session, locked: seq % 2 === 0 }, []),
          messages: [newMessage(first.session, first.host, seq), newMessage(second.session, second.host, seq)],
          receipts: [{ sessionId: third.session.id, seatId: third.host.id, delivered: seq, read: 0 }],
        };
      });
      const results = await Promise.allSettled(batches.map((batch) => suite.store.commit(batch)));
      const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
      // Of two neighbours that want the same seq one wins, and is refused by nobody for another reason.
      expect(refusals.length).toBeLessThan(results.length);
      for (const refusal of refusals) expect(refusal).toBeInstanceOf(DivergenceError);
      for (const { session, host } of contexts) {
        if ((await loaded(suite.store, session.id)).lastSeq === seq) continue;
        await suite.store.commit(messagesOnly(newMessage(session, host, seq)));
      }
    }
  });

  it('takes many batches at once', async () => {
    const sessions = await Promise.all(count(20).map(() => stored(suite.store)));
    await Promise.all(
      sessions.map(async ({ session, host }) => {
        for (const seq of count(2)) await suite.store.commit(messagesOnly(newMessage(session, host, seq, LONG)));
      }),
    );
    for (const { session } of sessions) {
      const messages = await suite.store.readMessages(session.id, { afterSeq: 0, limit: 10 });
      expect(messages.map(({ seq }) => seq)).toEqual(count(2));
    }
  });
}

const LONG = { bodyJson: JSON.stringify('x'.repeat(16_000)) };

interface Context {
  readonly session: SessionDocument;
  readonly host: Seat;
  readonly guest: Seat;
  readonly second: StoredMessage;
}

/** A stored session of epoch 2 with two messages. */
async function contextOf(store: DurableStore): Promise<Context> {
  const [host, guest] = [newSeat('host'), newSeat('guest')];
  const session = newSession({ epoch: 2, seats: [host, guest] });
  const second = newMessage(session, host, 2);
  await store.commit({ ...creation(session), messages: [newMessage(session, host, 1), second] });
  return { session, host, guest, second };
}
