import { expect } from '@jest/globals';
import { findSeat, kickParticipant, leaveSession, lockSession, timeOutSeat } from '../../sessions/session.ts';
import type { SessionDocument } from '../../sessions/session.ts';
import { DEFAULTS, MINUTE } from './suite.conformance.ts';
import type { Suite } from './suite.conformance.ts';
import { expectKind, settle } from './outcome.conformance.ts';
import { close, createRoom, ignore, join, newDocument, pair, read, resume, tryJoin } from './room.conformance.ts';
import {
  deliveredSeqs,
  findSend,
  freshId,
  message,
  range,
  readLog,
  roomWithMessages,
  sendOk,
  seqsOf,
} from './message.conformance.ts';

export function restarting({ test, testWith }: Suite): void {
  const { graceMs } = DEFAULTS.timings;

  test('open sessions are as they were, and their seats are away', async (h) => {
    const { room, guest } = await roomWithMessages(h, 4);
    await h.state.recordReceipt(room.id, guest, { delivered: 3, read: 2 });
    await h.state.change(room.id, lockSession(room.host, true));
    const before = await read(h, room.id);
    h.advance(7000);
    await h.restart();
    const after = await read(h, room.id);
    expect(after.lastSeq).toBe(4);
    // Whether the idle clock starts anew is free; that it runs is not.
    expect(after.lastActivityAt).toBeGreaterThanOrEqual(before.lastActivityAt);
    expect(after.lastActivityAt).toBeLessThanOrEqual(h.now());
    expect(after.receipts.get(guest.seatId)).toEqual({ delivered: 3, read: 2 });
    expect(lastingPart(after.document)).toEqual(lastingPart(before.document));
    for (const seat of after.document.seats) {
      expect(seat).toMatchObject({ presence: 'away', awaySince: h.now(), instance: null });
    }
    expect(h.state.counts()).toMatchObject({
      sessions: { waiting: 0, paired: 1 },
      participants: { online: 0, away: 2 },
    });
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    expect(await h.state.countLiveCodes()).toBe(1);
  });

  test('seats are resumed, and the sequence goes on', async (h) => {
    const { room, guest } = await roomWithMessages(h, 4);
    await h.restart();
    const page = await readLog(h, room.id, { afterSeq: 0, limit: 10 });
    expect(page.lastSeq).toBe(4);
    expect(seqsOf(page)).toEqual(range(page.firstSeq, 4));
    const back = await resume(h, room, guest);
    expect(findSeat((await read(h, room.id)).document, guest.seatId)?.presence).toBe('online');
    expect(await sendOk(h, room, back)).toBe(5);
    const next = await readLog(h, room.id, { afterSeq: 4, limit: 10 });
    expect(seqsOf(next)).toEqual([5]);
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2, 3, 4, 5]);
  });

  test('ids are known within the retry horizon', async (h) => {
    const room = await createRoom(h);
    const request = message(room, room.host);
    const { sentAt } = expectKind(await h.state.append(request), 'appended');
    h.advance(DEFAULTS.retryHorizonMs / 2);
    await h.restart();
    expect(expectKind(await findSend(h, request), 'duplicate')).toMatchObject({ seq: 1, sentAt });
    const sender = await resume(h, room, room.host);
    const again = { ...request, sender };
    expect(expectKind(await h.state.append(again), 'duplicate')).toMatchObject({ seq: 1, sentAt });
    const other = message(room, sender, { id: request.id, body: 'something else' });
    expectKind(await h.state.append(other), 'id_reused');
    h.advance(DEFAULTS.retryHorizonMs / 2 + 1);
    expectKind(await findSend(h, request), 'unknown');
    expect(expectKind(await h.state.append(again), 'appended').seq).toBe(2);
  });

  test('keys are known within the retry horizon', async (h) => {
    const [hostKey, guestKey] = [freshId(), freshId()];
    const room = await createRoom(h, { keyHash: hostKey });
    const guest = await join(h, room, guestKey);
    await h.restart();
    expect(await h.state.findByKey(hostKey)).toBe(room.id);
    const repeated = await h.state.create(newDocument(h, { keyHash: hostKey }), ignore);
    expect(repeated).toEqual({ kind: 'key_taken', sessionId: room.id });
    const { seat } = expectKind(await tryJoin(h, room, guestKey), 'retaken');
    expect(seat.id).toBe(guest.seatId);
  });

  test('what has ended stays ended', async (h) => {
    const room = await createRoom(h, { capacity: 4 });
    const [left, kicked, stays] = [await join(h, room), await join(h, room), await join(h, room)];
    await h.state.change(room.id, kickParticipant(room.host, kicked.seatId));
    await h.state.change(room.id, leaveSession(left));
    await h.state.change(room.id, leaveSession(room.host));
    await h.restart();
    const { seats, code } = (await read(h, room.id)).document;
    expect(seats).toMatchObject([{ id: stays.seatId, role: 'host' }]);
    expect(seats).toHaveLength(1);
    expect(code).toBeNull();
    expect(await h.state.findByCode(room.code)).toBeNull();
  });

  test('a closed session is found by its code, and what was sent in it is known', async (h) => {
    const { room } = await pair(h);
    const request = message(room, room.host);
    expectKind(await h.state.append(request), 'appended');
    await close(h, room);
    const at = h.now();
    h.advance(MINUTE);
    await h.restart();
    expect(await h.state.findByCode(room.code)).toBe(room.id);
    const { document, lastSeq } = await read(h, room.id);
    expect(document.closed).toEqual({ reason: 'closed', at });
    expect(document.seats).toHaveLength(2);
    expect(lastSeq).toBe(1);
    expectKind(await findSend(h, request), 'duplicate');
    const [seat] = document.seats;
    const sender = { seatId: room.host.seatId, generation: seat?.generation ?? 0 };
    expect(expectKind(await h.state.append({ ...request, sender }), 'duplicate').seq).toBe(1);
    expect(h.state.counts()).toMatchObject({
      sessions: { waiting: 0, paired: 0 },
      participants: { online: 0, away: 0 },
    });
    expect(await h.state.takeDue(10)).toEqual([]);
  });

  test('the grace of every seat begins anew', async (h) => {
    const { room } = await pair(h);
    h.advance(MINUTE);
    await h.restart();
    h.advance(graceMs - 1);
    const early = await h.state.takeDue(10);
    expect(early.filter(({ deadline }) => deadline.kind === 'timeout')).toEqual([]);
    h.advance(1);
    for (const seatId of (await read(h, room.id)).document.seats.map(({ id }) => id)) {
      expect(await h.state.takeDue(10)).toMatchObject([{ deadline: { kind: 'timeout', seatId, at: h.now() } }]);
      await h.state.change(room.id, timeOutSeat(seatId, graceMs));
    }
    expect((await read(h, room.id)).document.closed).toMatchObject({ reason: 'empty' });
  });

  testWith(['hold'], 'what was on its way when the process was killed is sent once by its repetition', async (h) => {
    const room = await createRoom(h);
    await sendOk(h, room, room.host);
    h.holdCommits();
    const request = message(room, room.host);
    const lost = settle(h.state.append(request));
    await h.commitHeld();
    await h.restart();
    await lost;
    expect((await read(h, room.id)).lastSeq).toBe(1);
    const sender = await resume(h, room, room.host);
    expect(expectKind(await h.state.append({ ...request, sender }), 'appended').seq).toBe(2);
    expect(deliveredSeqs(h, room.id)).toEqual([1, 2]);
  });
}

/** The document without what a restart forgets. */
function lastingPart(document: SessionDocument): unknown {
  const seats = document.seats.map(({ id, role, name, userId, tokenHash, key, joinedAt, joinedSeq }) => ({
    ...{ id, role, name, userId, tokenHash, key, joinedAt, joinedSeq },
  }));
  return { ...document, seats };
}
