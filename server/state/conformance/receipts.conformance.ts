import { expect } from '@jest/globals';
import type { Suite } from './suite.conformance.ts';
import { expectKind } from './outcome.conformance.ts';
import { close, read } from './room.conformance.ts';
import { range, roomWithMessages } from './message.conformance.ts';

export function receipting({ test }: Suite): void {
  test('grow, never go back, and reading raises what is delivered', async (h) => {
    const { room, guest } = await roomWithMessages(h, 5);
    const record = async (receipt: { delivered?: number; read?: number }) =>
      expectKind(await h.state.recordReceipt(room.id, guest, receipt), 'recorded');
    expect(await record({ delivered: 2 })).toEqual({
      kind: 'recorded',
      receipt: { delivered: 2, read: 0 },
      changed: true,
    });
    expect(await record({ delivered: 1 })).toMatchObject({ receipt: { delivered: 2, read: 0 }, changed: false });
    expect(await record({ delivered: 2 })).toMatchObject({ changed: false });
    expect(await record({ read: 4 })).toMatchObject({ receipt: { delivered: 4, read: 4 }, changed: true });
    expect(await record({ read: 3 })).toMatchObject({ receipt: { delivered: 4, read: 4 }, changed: false });
    expect(await record({ delivered: 5, read: 1 })).toMatchObject({
      receipt: { delivered: 5, read: 4 },
      changed: true,
    });
    expect((await read(h, room.id)).receipts.get(guest.seatId)).toEqual({ delivered: 5, read: 4 });
    expect((await read(h, room.id)).receipts.get(room.host.seatId) ?? { delivered: 0, read: 0 }).toEqual({
      delivered: 0,
      read: 0,
    });
  });

  test('in parallel end at the highest', async (h) => {
    const { room, guest } = await roomWithMessages(h, 20);
    const order = range(1, 20).map((index) => ((index * 7) % 20) + 1);
    await Promise.all(order.map((seq) => h.state.recordReceipt(room.id, guest, { delivered: seq })));
    expect((await read(h, room.id)).receipts.get(guest.seatId)).toEqual({ delivered: 20, read: 0 });
  });

  test('above the head are refused whole', async (h) => {
    const { room, guest } = await roomWithMessages(h, 2);
    const refusal = { kind: 'above_head', lastSeq: 2 };
    expect(await h.state.recordReceipt(room.id, guest, { delivered: 3 })).toEqual(refusal);
    expect(await h.state.recordReceipt(room.id, guest, { read: 3 })).toEqual(refusal);
    expect(await h.state.recordReceipt(room.id, guest, { delivered: 1, read: 3 })).toEqual(refusal);
    const nothing = expectKind(await h.state.recordReceipt(room.id, guest, {}), 'recorded');
    expect(nothing).toMatchObject({ receipt: { delivered: 0, read: 0 }, changed: false });
  });

  test('are refused in a closed session, and are no activity', async (h) => {
    const { room, guest } = await roomWithMessages(h, 2);
    const { lastActivityAt } = await read(h, room.id);
    h.advance(1000);
    expectKind(await h.state.recordReceipt(room.id, guest, { read: 1 }), 'recorded');
    expect((await read(h, room.id)).lastActivityAt).toBe(lastActivityAt);
    await close(h, room);
    expectKind(await h.state.recordReceipt(room.id, guest, { read: 2 }), 'session_closed');
  });
}
