import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import type { Suite } from './suite.conformance.ts';
import { expectKind } from './outcome.conformance.ts';
import { close, createRoom, join } from './room.conformance.ts';
import { deliveredSeqs, limitOf, message, otherwise, range, sendOk } from './message.conformance.ts';

export function limiting({ test }: Suite): void {
  test('are counted all or none', async (h) => {
    const room = await createRoom(h);
    const [user, ip] = [limitOf('messages_user', 2), limitOf('messages_ip', 4)];
    expect(await sendOk(h, room, room.host, { limits: [ip, user] })).toBe(1);
    expect(await sendOk(h, room, room.host, { limits: [ip, user] })).toBe(2);
    for (let index = 0; index < 5; index += 1) {
      const refused = expectKind(
        await h.state.append(message(room, room.host, { limits: [ip, user] })),
        'rate_limited',
      );
      expect(refused.limit).toEqual(user.info);
      expect(refused.retryAfterMs).toBe(user.info.durationSeconds * 1000);
    }
    // The address has two points left, because the refused messages counted for none.
    expect(await sendOk(h, room, room.host, { limits: [ip] })).toBe(3);
    expect(await sendOk(h, room, room.host, { limits: [ip] })).toBe(4);
    const last = expectKind(await h.state.append(message(room, room.host, { limits: [ip] })), 'rate_limited');
    expect(last.limit).toEqual(ip.info);
  });

  test('let through exactly their points of a parallel burst', async (h) => {
    const room = await createRoom(h);
    const guest = await join(h, room);
    const limits = [limitOf('messages_ip', 10)];
    const answers = await Promise.all(
      range(1, 60).map((index) => h.state.append(message(room, index % 2 === 0 ? guest : room.host, { limits }))),
    );
    const accepted = answers.filter((answer) => answer.kind === 'appended');
    expect(accepted.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(range(1, 10));
    expect(answers.filter(({ kind }) => kind === 'rate_limited')).toHaveLength(50);
    expect(deliveredSeqs(h, room.id)).toEqual(range(1, 10));
  });

  test('are refused for as long as a block lasts, from the first that is refused on', async (h) => {
    const room = await createRoom(h);
    const limits = [{ ...limitOf('messages_user', 2, 1000), blockMs: 30_000 }];
    const known = message(room, room.host, { limits });
    expectKind(await h.state.append(known), 'appended');
    await sendOk(h, room, room.host, { limits });
    const refusal = async () => expectKind(await h.state.append(message(room, room.host, { limits })), 'rate_limited');
    expect((await refusal()).retryAfterMs).toBe(30_000);
    h.advance(10_000);
    expect((await refusal()).retryAfterMs).toBe(20_000);
    expectKind(await h.state.append(known), 'duplicate');
    h.advance(19_999);
    expect((await refusal()).retryAfterMs).toBe(1);
    h.advance(1);
    expect(await sendOk(h, room, room.host, { limits })).toBe(3);
  });

  test('hold for a bucket across sessions, and for that bucket alone', async (h) => {
    const [room, other] = [await createRoom(h), await createRoom(h)];
    const limit = limitOf('messages_ip', 1);
    await sendOk(h, room, room.host, { limits: [limit] });
    expectKind(await h.state.append(message(other, other.host, { limits: [limit] })), 'rate_limited');
    await sendOk(h, other, other.host, { limits: [{ ...limit, bucket: 'another' }] });
  });

  test('are not counted for a repetition, which is recognised when they are exhausted', async (h) => {
    const room = await createRoom(h);
    const limits = [limitOf('messages_user', 2)];
    const request = message(room, room.host, { limits });
    expectKind(await h.state.append(request), 'appended');
    for (let index = 0; index < 5; index += 1) expectKind(await h.state.append(request), 'duplicate');
    expectKind(await h.state.append(otherwise(request)), 'id_reused');
    await sendOk(h, room, room.host, { limits });
    expectKind(await h.state.append(message(room, room.host, { limits })), 'rate_limited');
    expect(expectKind(await h.state.append(request), 'duplicate').seq).toBe(1);
    expectKind(await h.state.append(otherwise(request)), 'id_reused');
  });

  test('are counted once for parallel repetitions', async (h) => {
    const room = await createRoom(h);
    const limits = [limitOf('messages_user', 2)];
    const request = message(room, room.host, { limits });
    await Promise.all(range(1, 20).map(() => h.state.append(request)));
    await sendOk(h, room, room.host, { limits });
    expectKind(await h.state.append(message(room, room.host, { limits })), 'rate_limited');
  });

  test('are not counted for who may not send', async (h) => {
    const [room, closed] = [await createRoom(h), await createRoom(h)];
    await close(h, closed);
    const limits = [limitOf('messages_ip', 1)];
    const stale = { ...room.host, generation: room.host.generation - 1 };
    expectKind(await h.state.append(message(room, stale, { limits })), 'not_seated');
    expectKind(await h.state.append(message(closed, closed.host, { limits })), 'session_closed');
    const nowhere = { ...message(room, room.host, { limits }), sessionId: randomUUID() };
    expectKind(await h.state.append(nowhere), 'no_such_session');
    expect(await sendOk(h, room, room.host, { limits })).toBe(1);
  });

  test('are free again when they said they would be', async (h) => {
    const room = await createRoom(h);
    const limits = [limitOf('messages_user', 1)];
    await sendOk(h, room, room.host, { limits });
    h.advance(10_000);
    const request = message(room, room.host, { limits });
    const { retryAfterMs } = expectKind(await h.state.append(request), 'rate_limited');
    expect(retryAfterMs).toBe(50_000);
    h.advance(retryAfterMs - 1);
    expectKind(await h.state.append(request), 'rate_limited');
    h.advance(1);
    expectKind(await h.state.append(request), 'appended');
  });
}
