import { expect } from '@jest/globals';
import { closeWhenDue } from '../../sessions/deadlines.ts';
import { dropConnection, timeOutSeat } from '../../sessions/session.ts';
import { CODE_TTL_MS, DEFAULTS } from './suite.conformance.ts';
import type { Suite } from './suite.conformance.ts';
import { decided, expectKind } from './outcome.conformance.ts';
import { close, createRoom, pair, read, resume } from './room.conformance.ts';
import { limitOf, message, range, readLog, sendOk } from './message.conformance.ts';

/** A deadline that nobody acted upon is handed out again no later than this. */
const DUE_AGAIN_MS = 10_000;

export function timing({ test }: Suite): void {
  const { graceMs, idleWarningMs, idleTimeoutMs, ttlMs } = DEFAULTS.timings;

  test('warn once in an idle stretch, also when two look at once', async (h) => {
    const { room } = await pair(h);
    const closesAt = h.now() + idleTimeoutMs;
    const at = h.now() + idleWarningMs;
    h.advance(idleWarningMs - 1);
    expect(await h.state.takeDue(10)).toEqual([]);
    h.advance(1);
    const both = await Promise.all([h.state.takeDue(10), h.state.takeDue(10)]);
    expect(both.flat()).toEqual([{ sessionId: room.id, deadline: { kind: 'warn', at, closesAt } }]);
    h.advance(idleTimeoutMs - idleWarningMs - 1);
    expect(await h.state.takeDue(10)).toEqual([]);
  });

  test('begin a new stretch with a message or a command', async (h) => {
    const { room, guest } = await pair(h);
    for (const act of [
      () => sendOk(h, room, guest),
      () => h.state.touch(room.id, room.host),
      () => h.state.touch(room.id, room.host, 'active'),
    ]) {
      h.advance(idleWarningMs - 1);
      await act();
      expect((await read(h, room.id)).lastActivityAt).toBe(h.now());
      h.advance(idleWarningMs - 1);
      expect(await h.state.takeDue(10)).toEqual([]);
      h.advance(1);
      expect(kindsOf(await h.state.takeDue(10))).toEqual(['warn']);
      expect(await h.state.takeDue(10)).toEqual([]);
    }
  });

  test('take no notice of what is not activity', async (h) => {
    const { room, guest } = await pair(h);
    const limits = [limitOf('messages_user', 1, 2 * idleWarningMs)];
    await sendOk(h, room, guest, { limits });
    const { lastActivityAt } = await read(h, room.id);
    h.advance(idleWarningMs - 1);
    expectKind(await h.state.append(message(room, guest, { limits })), 'rate_limited');
    expectKind(await h.state.reportIdle(room.id, guest), 'touched');
    expectKind(await h.state.recordReceipt(room.id, guest, { read: 1 }), 'recorded');
    await readLog(h, room.id, { afterSeq: 0, limit: 10 });
    expectKind(decided(await h.state.change(room.id, dropConnection(guest))), 'away');
    expect((await read(h, room.id)).lastActivityAt).toBe(lastActivityAt);
    h.advance(1);
    expect(kindsOf(await h.state.takeDue(10))).toEqual(['warn']);
  });

  test('show who is active and who is idle', async (h) => {
    const { room, guest } = await pair(h);
    expectKind(await h.state.reportIdle(room.id, guest), 'touched');
    expect((await read(h, room.id)).activity.get(guest.seatId)).toBe('idle');
    expect((await read(h, room.id)).activity.get(room.host.seatId) ?? 'active').toBe('active');
    expectKind(await h.state.touch(room.id, guest, 'active'), 'touched');
    expect((await read(h, room.id)).activity.get(guest.seatId)).toBe('active');
    await close(h, room);
    expectKind(await h.state.touch(room.id, guest), 'session_closed');
    expectKind(await h.state.reportIdle(room.id, guest), 'session_closed');
  });

  test('close an idle session exactly once, and come again until somebody does', async (h) => {
    const { room } = await pair(h);
    const at = h.now() + idleTimeoutMs;
    h.advance(idleTimeoutMs);
    expect(kindsOf(await h.state.takeDue(10))[0]).toBe('warn');
    const due = { sessionId: room.id, deadline: { kind: 'close', at, reason: 'idle' } };
    h.advance(DUE_AGAIN_MS);
    expect(await h.state.takeDue(10)).toEqual([due]);
    h.advance(DUE_AGAIN_MS);
    expect(await h.state.takeDue(10)).toEqual([due]);
    const outcomes = await Promise.all(
      range(1, 5).map(async () => decided(await h.state.change(room.id, closeWhenDue(DEFAULTS.timings)))),
    );
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['closed', ...Array<string>(4).fill('not_due')]);
    h.advance(DUE_AGAIN_MS);
    expect(await h.state.takeDue(10)).toEqual([]);
    expect((await read(h, room.id)).document.closed).toEqual({ reason: 'idle', at: h.now() - DUE_AGAIN_MS });
  });

  test('do not close a session in which somebody spoke after the warning', async (h) => {
    const { room } = await pair(h);
    h.advance(idleTimeoutMs - 1);
    expect(kindsOf(await h.state.takeDue(10))).toEqual(['warn']);
    await sendOk(h, room, room.host);
    h.advance(1);
    expect(await h.state.takeDue(10)).toEqual([]);
  });

  test('expire a session that nobody joined with its code', async (h) => {
    const room = await createRoom(h);
    const at = h.now() + CODE_TTL_MS;
    h.advance(CODE_TTL_MS - 1);
    expect(kindsOf(await h.state.takeDue(10))).toEqual(['warn']);
    expect(await h.state.takeDue(10)).toEqual([]);
    h.advance(1);
    const deadline = { kind: 'close', at, reason: 'expired' };
    expect(await h.state.takeDue(10)).toEqual([{ sessionId: room.id, deadline }]);
  });

  test(
    'expire any session without activity for its whole life',
    async (h) => {
      const { room } = await pair(h);
      const at = h.now() + ttlMs;
      h.advance(ttlMs);
      const deadline = { kind: 'close', at, reason: 'expired' };
      expect(await h.state.takeDue(10)).toEqual([{ sessionId: room.id, deadline }]);
    },
    { timings: { graceMs, idleWarningMs: 3 * ttlMs, idleTimeoutMs: 3 * ttlMs, ttlMs } },
  );

  test('time out a seat whose connection was lost, unless it is back', async (h) => {
    const { room, guest } = await pair(h);
    h.advance(1000);
    expectKind(decided(await h.state.change(room.id, dropConnection(guest))), 'away');
    const back = await resume(h, room, guest);
    h.advance(1000);
    expectKind(decided(await h.state.change(room.id, dropConnection(back))), 'away');
    const at = h.now() + graceMs;
    h.advance(graceMs - 1);
    await h.state.touch(room.id, room.host);
    expect(await h.state.takeDue(10)).toEqual([]);
    h.advance(1);
    const due = [{ sessionId: room.id, deadline: { kind: 'timeout', at, seatId: guest.seatId } }];
    expect(await h.state.takeDue(10)).toEqual(due);
    h.advance(DUE_AGAIN_MS);
    expect(await h.state.takeDue(10)).toEqual(due);
    const before = await read(h, room.id);
    expectKind(decided(await h.state.change(room.id, timeOutSeat(guest.seatId, graceMs))), 'left');
    expect(await h.state.takeDue(10)).toEqual([]);
    const after = await read(h, room.id);
    expect(after.document.seats.map(({ id }) => id)).toEqual([room.host.seatId]);
    expect(after.lastActivityAt).toBe(before.lastActivityAt);
  });

  test('are handed out for as many sessions as asked for, and all in the end', async (h) => {
    const rooms = await Promise.all(range(1, 7).map(() => createRoom(h)));
    h.advance(idleWarningMs);
    const warned = new Set<string>();
    for (let round = 0; round < 4; round += 1) {
      const due = await h.state.takeDue(2);
      expect(due).toHaveLength(round < 3 ? 2 : 1);
      for (const { sessionId } of due) warned.add(sessionId);
    }
    expect(await h.state.takeDue(2)).toEqual([]);
    expect(warned).toEqual(new Set(rooms.map(({ id }) => id)));
  });

  test('are none for a closed session', async (h) => {
    const { room, guest } = await pair(h);
    await h.state.change(room.id, dropConnection(guest));
    await close(h, room);
    h.advance(2 * ttlMs);
    expect(await h.state.takeDue(10)).toEqual([]);
  });
}

function kindsOf(due: readonly { readonly deadline: { readonly kind: string } }[]): string[] {
  return due.map(({ deadline }) => deadline.kind);
}
