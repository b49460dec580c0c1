import { expect, it } from '@jest/globals';
import type { DurableStore } from '../../sessions/ports.ts';
import { NOW, creation, messagesOnly, newMessage, newSeat, newSession } from '../../../test/support/stored-session.ts';
import { count, loaded, stored, type Suite } from './suite.conformance.ts';
export function keepingMessages(suite: Suite): void {
  it('gives bodies back as they were sent', async () => {
    const { session, host } = await stored(suite.store);
    const bodies = [
      'null',
      '""',
      '0',
      'false',
      '-0.5e-3',
      '[]',
      '{}',
      '{"b":1,"a":2,"10":3,"9":4,"":null}',
      '"\u{1f600} \\n \\" \\\\ \u2028 \' $1 ; --"',
      `[${'['.repeat(31)}${']'.repeat(31)}]`,
      JSON.stringify('x'.repeat(49_000)),
    ];
    await suite.store.commit(
      messagesOnly(...bodies.map((bodyJson, index) => newMessage(session, host, index + 1, { bodyJson }))),
    );
    const messages = await suite.store.readMessages(session.id, { afterSeq: 0, limit: 100 });
    expect(messages.map(({ body }) => body)).toEqual(bodies.map((body): unknown => JSON.parse(body)));
    const sends = await suite.store.recentSends(session.id, 0, 100);
    expect(sends.map(({ bodyJson }) => bodyJson)).toEqual([...bodies].reverse());
  });

  it('keeps the text of a number that no JavaScript number can hold', async () => {
    const { session, host } = await stored(suite.store);
    const message = newMessage(session, host, 1, { bodyJson: '{"n":123456789012345678901234567890.10}' });
    await suite.store.commit(messagesOnly(message));
    expect((await suite.store.findSend(session.id, host.id, message.id))?.bodyJson).toBe(message.bodyJson);
  });

  it('numbers, dates and names the sender; a message of the server comes from "server"', async () => {
    const { session, host } = await stored(suite.store);
    const first = newMessage(session, host, 1, { type: 'app.move:1', sentAt: NOW + 321 });
    const second = { ...newMessage(session, host, 2), participantId: null };
    await suite.store.commit(messagesOnly(first, second));
    expect(await suite.store.readMessages(session.id, { afterSeq: 0, limit: 2 })).toEqual([
      {
        id: first.id,
        seq: 1,
        sessionId: session.id,
        from: host.id,
        type: 'app.move:1',
        body: 'hello',
        sentAt: new Date(NOW + 321).toISOString(),
      },
      expect.objectContaining({ id: second.id, seq: 2, from: 'server' }),
    ]);
    const after = await loaded(suite.store, session.id);
    expect(after).toMatchObject({ lastSeq: 2, lastActivityAt: NOW + 321 });
    // Both are recognised when they are repeated, and neither for the other.
    const sends = await suite.store.recentSends(session.id, 0, 10);
    expect(sends.map(({ id, participantId }) => [id, participantId])).toEqual([
      [second.id, null],
      [first.id, host.id],
    ]);
    expect(await suite.store.findSend(session.id, null, second.id)).toMatchObject({ seq: 2, participantId: null });
    expect(await suite.store.findSend(session.id, null, first.id)).toBeNull();
    expect(await suite.store.findSend(session.id, host.id, second.id)).toBeNull();
  });

  it('pages from both ends', async () => {
    const { session, host } = await stored(suite.store);
    await suite.store.commit(messagesOnly(...count(10).map((seq) => newMessage(session, host, seq))));
    const seqs = async (range: Parameters<DurableStore['readMessages']>[1]) =>
      (await suite.store.readMessages(session.id, range)).map(({ seq }) => seq);
    expect(await seqs({ afterSeq: 3, limit: 3 })).toEqual([4, 5, 6]);
    expect(await seqs({ afterSeq: 8, limit: 3 })).toEqual([9, 10]);
    expect(await seqs({ afterSeq: 10, limit: 3 })).toEqual([]);
    expect(await seqs({ beforeSeq: 5, limit: 3 })).toEqual([2, 3, 4]);
    expect(await seqs({ beforeSeq: 3, limit: 3 })).toEqual([1, 2]);
    expect(await seqs({ beforeSeq: 1, limit: 3 })).toEqual([]);
    expect(await seqs({ beforeSeq: Number.MAX_SAFE_INTEGER, limit: 1 })).toEqual([10]);
  });

  it('finds a send by its participant and id, the newest when the id was used again', async () => {
    const { session, host, guest } = await stored(suite.store);
    const first = newMessage(session, host, 1);
    const second = newMessage(session, guest, 2, { id: first.id, sentAt: NOW + 5 });
    const third = newMessage(session, host, 3, { id: first.id, type: 'other' });
    await suite.store.commit(messagesOnly(first, second, third));
    expect(await suite.store.findSend(session.id, guest.id, first.id)).toEqual({
      participantId: guest.id,
      id: first.id,
      seq: 2,
      sentAt: NOW + 5,
      type: 'text',
      bodyJson: '"hello"',
    });
    expect(await suite.store.findSend(session.id, host.id, first.id)).toMatchObject({ seq: 3, type: 'other' });
    expect(await suite.store.findSend(session.id, host.id, 'never-sent')).toBeNull();
    expect(await suite.store.findSend(session.id, 'no-uuid', first.id)).toBeNull();
  });

  it('lists the recent sends, newest first, from that time on, no more than asked for', async () => {
    const { session, host } = await stored(suite.store);
    const messages = count(6).map((seq) => newMessage(session, host, seq, { sentAt: NOW + seq * 1000 }));
    await suite.store.commit(messagesOnly(...messages));
    const seqs = async (since: number, limit: number) =>
      (await suite.store.recentSends(session.id, since, limit)).map(({ seq }) => seq);
    expect(await seqs(NOW + 4000, 10)).toEqual([6, 5, 4]);
    expect(await seqs(NOW + 4001, 10)).toEqual([6, 5]);
    expect(await seqs(0, 2)).toEqual([6, 5]);
  });

  it('stores a session, its first messages and receipts in one batch', async () => {
    const [host, guest] = [newSeat('host'), newSeat('guest')];
    const session = newSession({ seats: [host, guest] });
    await suite.store.commit({
      ...creation(session),
      messages: [newMessage(session, host, 1), newMessage(session, guest, 2)],
      receipts: [{ sessionId: session.id, seatId: guest.id, delivered: 2, read: 1 }],
    });
    const after = await loaded(suite.store, session.id);
    expect(after.lastSeq).toBe(2);
    expect(after.receipts.get(guest.id)).toEqual({ delivered: 2, read: 1 });
    expect(after.receipts.get(host.id)).toEqual({ delivered: 0, read: 0 });
  });
}
