import { expect } from '@jest/globals';
import { dropConnection, findSeat, kickParticipant, leaveSession } from '../../sessions/session.ts';
import type { Suite } from './suite.conformance.ts';
import { decided, expectKind } from './outcome.conformance.ts';
import { createRoom, join, read, resume } from './room.conformance.ts';
import { message, range, sendOk } from './message.conformance.ts';

export function holding({ test }: Suite): void {
  test('only the newest may speak', async (h) => {
    const room = await createRoom(h);
    await sendOk(h, room, room.host);
    const newer = await resume(h, room, room.host);
    expect(newer.generation).toBeGreaterThan(room.host.generation);
    const before = await read(h, room.id);
    expectKind(await h.state.append(message(room, room.host)), 'not_seated');
    expectKind(await h.state.recordReceipt(room.id, room.host, { read: 1 }), 'not_seated');
    expectKind(await h.state.touch(room.id, room.host, 'active'), 'not_seated');
    expectKind(await h.state.reportIdle(room.id, room.host), 'not_seated');
    expect(await read(h, room.id)).toEqual(before);
    expect(await sendOk(h, room, newer)).toBe(2);
  });

  test('the late end of an older one changes nothing', async (h) => {
    const room = await createRoom(h);
    const newer = await resume(h, room, room.host);
    const before = await read(h, room.id);
    expect(decided(await h.state.change(room.id, dropConnection(room.host)))).toEqual({ kind: 'stale' });
    expect(await read(h, room.id)).toEqual(before);
    expect(findSeat(before.document, newer.seatId)?.presence).toBe('online');
    expect(await sendOk(h, room, newer)).toBe(1);
  });

  test('two that resume at the same instant both succeed, and one of them holds the seat', async (h) => {
    const room = await createRoom(h);
    const holders = await Promise.all(range(1, 10).map(() => resume(h, room, room.host)));
    expect(new Set(holders.map(({ generation }) => generation)).size).toBe(10);
    const answers = await Promise.all(holders.map((holder) => h.state.append(message(room, holder))));
    expect(answers.filter(({ kind }) => kind === 'appended')).toHaveLength(1);
    expect(answers.filter(({ kind }) => kind === 'not_seated')).toHaveLength(9);
  });

  test('who left or was kicked may not speak', async (h) => {
    const room = await createRoom(h, { capacity: 3 });
    const [left, kicked] = [await join(h, room), await join(h, room)];
    expectKind(decided(await h.state.change(room.id, leaveSession(left))), 'left');
    expectKind(decided(await h.state.change(room.id, kickParticipant(room.host, kicked.seatId))), 'kicked');
    for (const holder of [left, kicked]) {
      expectKind(await h.state.append(message(room, holder)), 'not_seated');
      expectKind(await h.state.recordReceipt(room.id, holder, { read: 0 }), 'not_seated');
      expectKind(await h.state.touch(room.id, holder), 'not_seated');
    }
  });
}
