import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { DEFAULTS, MINUTE } from './suite.conformance.ts';
import type { Suite } from './suite.conformance.ts';
import { expectKind } from './outcome.conformance.ts';
import { close, createRoom, join, read, resume } from './room.conformance.ts';
import { deliveredSeqs, findSend, freshId, message, otherwise, range, readLog, sendOk } from './message.conformance.ts';

export function repeating({ test }: Suite): void {
  test('sent 100 times in parallel is one message, one delivery, and 99 duplicates', async (h) => {
    const room = await createRoom(h);
    await sendOk(h, room, room.host);
    const request = message(room, room.host);
    const answers = await Promise.all(range(1, 100).map(() => h.state.append(request)));
    expect(answers.filter(({ kind }) => kind === 'appended')).toHaveLength(1);
    expect(answers.filter(({ kind }) => kind === 'duplicate')).toHaveLength(99);
    for (const answer of answers) expect(answer).toMatchObject({ seq: 2, sentAt: h.now(), epoch: 1 });
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
    expect((await read(h, room.id)).lastSeq).toBe(2);
  });

  test('sent later gives the first seq and time', async (h) => {
    const room = await createRoom(h);
    const request = message(room, room.host);
    const first = expectKind(await h.state.append(request), 'appended');
    await sendOk(h, room, room.host);
    h.advance(MINUTE);
    const again = expectKind(await h.state.append(request), 'duplicate');
    expect(again).toMatchObject({ seq: 1, sentAt: first.sentAt, epoch: 1 });
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
  });

  test('with other content is refused, at once and later', async (h) => {
    const room = await createRoom(h);
    const id = freshId();
    const [first, second] = await Promise.all([
      h.state.append(message(room, room.host, { id, body: 'one' })),
      h.state.append(message(room, room.host, { id, body: 'two' })),
    ]);
    expectKind(first, 'appended');
    expectKind(second, 'id_reused');
    expectKind(await h.state.append(message(room, room.host, { id, body: 'one', type: 'other' })), 'id_reused');
    expectKind(await h.state.append(message(room, room.host, { id, body: 'one' })), 'duplicate');
    expect(deliveredSeqs(h, room.id)).toEqual([1]);
  });

  test('of another sender, or in another session, is another message', async (h) => {
    const [room, other] = [await createRoom(h), await createRoom(h)];
    const guest = await join(h, room);
    const id = freshId();
    expect(await sendOk(h, room, room.host, { id })).toBe(1);
    expect(await sendOk(h, room, guest, { id })).toBe(2);
    expect(await sendOk(h, other, other.host, { id })).toBe(1);
  });

  test('is known within the retry horizon and new beyond it', async (h) => {
    const room = await createRoom(h);
    const request = message(room, room.host);
    expectKind(await h.state.append(request), 'appended');
    h.advance(DEFAULTS.retryHorizonMs - 1);
    expectKind(await h.state.append(request), 'duplicate');
    expectKind(await findSend(h, request), 'duplicate');
    h.advance(2);
    expectKind(await findSend(h, request), 'unknown');
    expect(expectKind(await h.state.append(otherwise(request)), 'appended').seq).toBe(2);
    expectKind(await h.state.append(request), 'id_reused');
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
  });

  test(
    'is known however many messages the log has dropped since',
    async (h) => {
      const room = await createRoom(h);
      const request = message(room, room.host);
      expectKind(await h.state.append(request), 'appended');
      for (let index = 0; index < 60; index += 1) await sendOk(h, room, room.host);
      await h.archive(room.id);
      expect((await readLog(h, room.id, { afterSeq: 0, limit: 200 })).firstSeq).toBeGreaterThan(1);
      expect(expectKind(await h.state.append(request), 'duplicate').seq).toBe(1);
    },
    { hotMessages: 10 },
  );

  test('is known after the close', async (h) => {
    const room = await createRoom(h);
    const request = message(room, room.host);
    expectKind(await h.state.append(request), 'appended');
    await close(h, room);
    expect(expectKind(await h.state.append(request), 'duplicate').seq).toBe(1);
    expectKind(await h.state.append(otherwise(request)), 'id_reused');
    expectKind(await h.state.append(message(room, room.host)), 'session_closed');
    expect(expectKind(await findSend(h, request), 'duplicate').seq).toBe(1);
    expect(deliveredSeqs(h, room.id)).toEqual([1]);
  });

  test('is known on the next connection of the same seat', async (h) => {
    const room = await createRoom(h);
    const request = message(room, room.host);
    expectKind(await h.state.append(request), 'appended');
    const sender = await resume(h, room, room.host);
    expect(expectKind(await h.state.append({ ...request, sender }), 'duplicate').seq).toBe(1);
  });

  test('is looked up by findSend without being sent', async (h) => {
    const room = await createRoom(h);
    const guest = await join(h, room);
    const request = message(room, room.host);
    expectKind(await findSend(h, request), 'unknown');
    expectKind(await h.state.append(request), 'appended');
    expect(expectKind(await findSend(h, request), 'duplicate')).toMatchObject({ seq: 1, sentAt: h.now(), epoch: 1 });
    expectKind(await findSend(h, otherwise(request)), 'id_reused');
    expectKind(await findSend(h, { ...request, sender: guest }), 'unknown');
    expectKind(await findSend(h, { ...request, sessionId: randomUUID() }), 'unknown');
    expect((await read(h, room.id)).lastSeq).toBe(1);
  });
}
