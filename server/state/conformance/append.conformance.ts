import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import type { AppendResult } from '../../sessions/ports.ts';
import { SERVER, type SeatHolder } from '../../sessions/session.ts';
import type { Suite } from './suite.conformance.ts';
import { expectKind } from './outcome.conformance.ts';
import { close, createRoom, join, read } from './room.conformance.ts';
import { deliveredSeqs, limitOf, message, range, readLog, sendOk } from './message.conformance.ts';

export function appending({ test }: Suite): void {
  test('numbers the parallel messages of several senders without a hole, in one order for all', async (h) => {
    const room = await createRoom(h, { capacity: 5 });
    const senders = [room.host, await join(h, room), await join(h, room), await join(h, room), await join(h, room)];
    const calls: { sender: SeatHolder; id: string; answer: Promise<AppendResult> }[] = [];
    for (let index = 0; index < 80; index += 1) {
      for (const sender of senders) {
        const request = message(room, sender);
        calls.push({ sender, id: request.id, answer: h.state.append(request) });
      }
    }
    const seqs = new Map<string, number>();
    const highest = new Map<string, number>();
    for (const { sender, id, answer } of calls) {
      const { seq } = expectKind(await answer, 'appended');
      seqs.set(id, seq);
      expect(seq).toBeGreaterThan(highest.get(sender.seatId) ?? 0);
      highest.set(sender.seatId, seq);
    }
    expect([...seqs.values()].sort((a, b) => a - b)).toEqual(range(1, 400));
    expect(h.deliveries.map(({ message: { seq } }) => seq)).toEqual(range(1, 400));
    for (const { message: delivered, sender } of h.deliveries) {
      expect(seqs.get(delivered.id)).toBe(delivered.seq);
      expect(sender.seatId).toBe(delivered.from);
    }
    const page = await readLog(h, room.id, { afterSeq: 0, limit: 500 });
    expect(page.messages).toEqual(h.deliveries.map((delivery) => delivery.message));
  });

  test('numbers each session by itself', async (h) => {
    const rooms = [await createRoom(h), await createRoom(h), await createRoom(h)];
    const calls = range(1, 50).flatMap(() => rooms.map((room) => h.state.append(message(room, room.host))));
    for (const answer of await Promise.all(calls)) expectKind(answer, 'appended');
    for (const room of rooms) expect(deliveredSeqs(h, room.id)).toEqual(range(1, 50));
  });

  test('takes what the server itself sends, once, from nobody, and for no activity', async (h) => {
    const room = await createRoom(h);
    const before = (await read(h, room.id)).lastActivityAt;
    h.advance(1234);
    const request = message(room, SERVER);
    expect(expectKind(await h.state.append(request), 'appended').seq).toBe(1);
    expect(expectKind(await h.state.append(request), 'duplicate').seq).toBe(1);
    // Another sender's id is another id.
    expect(expectKind(await h.state.append({ ...request, sender: room.host }), 'appended').seq).toBe(2);
    expect(h.deliveries.map(({ message: { seq, from } }) => [seq, from])).toEqual([
      [1, 'server'],
      [2, room.host.seatId],
    ]);
    const { messages } = await readLog(h, room.id, { afterSeq: 0, limit: 1 });
    expect(messages).toMatchObject([{ id: request.id, seq: 1, from: 'server' }]);
    const quiet = await createRoom(h);
    const since = (await read(h, quiet.id)).lastActivityAt;
    h.advance(1234);
    expectKind(await h.state.append(message(quiet, SERVER)), 'appended');
    expect((await read(h, quiet.id)).lastActivityAt).toBe(since);
    expect(before).toBeLessThan(since);
    await close(h, quiet);
    expectKind(await h.state.append(message(quiet, SERVER)), 'session_closed');
  });

  test('delivers and stores what was sent, before it answers', async (h) => {
    const room = await createRoom(h);
    const guest = await join(h, room);
    h.advance(1234);
    const body = { text: 'Grüße', list: [1, null, { deep: true }] };
    const request = message(room, guest, { type: 'chat.text', body });
    const accepted = expectKind(await h.state.append(request), 'appended');
    expect(accepted).toMatchObject({ seq: 1, sentAt: h.now(), epoch: 1 });
    expect(accepted.durableSeq).toBeLessThanOrEqual(1);
    const { id, type } = request;
    const sentAt = new Date(h.now()).toISOString();
    const expected = { id, seq: 1, sessionId: room.id, from: guest.seatId, type, body, sentAt };
    expect(h.deliveries).toEqual([{ message: expected, sender: guest }]);
    expect((await readLog(h, room.id, { afterSeq: 0, limit: 10 })).messages).toEqual([expected]);
    expect(await read(h, room.id)).toMatchObject({ lastSeq: 1, lastActivityAt: h.now() });
  });

  test('spends no seq on what it refuses', async (h) => {
    const room = await createRoom(h);
    expectKind(await h.state.append(message(room, { seatId: randomUUID(), generation: 1 })), 'not_seated');
    expectKind(await h.state.append({ ...message(room, room.host), sessionId: randomUUID() }), 'no_such_session');
    const limits = [limitOf('messages_user', 1)];
    expect(await sendOk(h, room, room.host, { limits })).toBe(1);
    expectKind(await h.state.append(message(room, room.host, { limits })), 'rate_limited');
    expect(await sendOk(h, room, room.host)).toBe(2);
    await close(h, room);
    expectKind(await h.state.append(message(room, room.host)), 'session_closed');
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
    expect((await read(h, room.id)).lastSeq).toBe(2);
  });
}
