import { expect } from '@jest/globals';
import { dropConnection, leaveSession } from '../../sessions/session.ts';
import type { Suite } from './suite.conformance.ts';
import { expectKind, failure, turn } from './outcome.conformance.ts';
import { close, counting, createRoom, ignore, newDocument, pair, read, resume } from './room.conformance.ts';
import { findSend, message, range, sendOk } from './message.conformance.ts';

export function operating({ test, testWith }: Suite): void {
  test('tell once of each head that moved', async (h) => {
    const [moved, still] = [await createRoom(h), await createRoom(h)];
    expect(await h.state.takeMovedHeads()).toEqual([]);
    await sendOk(h, moved, moved.host);
    await sendOk(h, moved, moved.host);
    const heads = await h.state.takeMovedHeads();
    expect(heads).toHaveLength(1);
    expect(heads).toMatchObject([{ sessionId: moved.id, epoch: 1, lastSeq: 2 }]);
    expect(await h.state.takeMovedHeads()).toEqual([]);
    await sendOk(h, still, still.host);
    await sendOk(h, moved, moved.host);
    const next = await h.state.takeMovedHeads();
    expect(new Map(next.map(({ sessionId, lastSeq }) => [sessionId, lastSeq]))).toEqual(
      new Map([
        [moved.id, 3],
        [still.id, 1],
      ]),
    );
  });

  testWith(['hold', 'refused'], 'tell of a head that moved before a write failed', async (h) => {
    const room = await createRoom(h);
    await sendOk(h, room, room.host);
    h.failNextCommit('refused');
    await failure(h.state.append(message(room, room.host)));
    await read(h, room.id);
    expect(await h.state.takeMovedHeads()).toMatchObject([{ sessionId: room.id, lastSeq: 1 }]);
    expect(await h.state.takeMovedHeads()).toEqual([]);
    await sendOk(h, room, room.host);
    h.failNextCommit('refused');
    await failure(h.state.append(message(room, room.host)));
    const early = await h.state.takeMovedHeads();
    await read(h, room.id);
    expect([...early, ...(await h.state.takeMovedHeads())]).toMatchObject([{ sessionId: room.id, lastSeq: 2 }]);
  });

  testWith(['hold'], 'count how long the oldest write has been waiting', async (h) => {
    const room = await createRoom(h);
    h.holdCommits();
    const first = h.state.append(message(room, room.host));
    await h.commitHeld();
    h.advance(700);
    const second = h.state.append(message(room, room.host));
    h.advance(300);
    expect(h.state.counts()).toMatchObject({ backlog: 2, oldestWriteAgeMs: 1000 });
    h.releaseCommits();
    await Promise.all([first, second]);
    expect(h.state.counts()).toMatchObject({ backlog: 0, oldestWriteAgeMs: 0 });
  });

  test('count sessions by status and participants by presence', async (h) => {
    expect(h.state.counts()).toEqual({
      sessions: { waiting: 0, paired: 0 },
      participants: { online: 0, away: 0 },
      backlog: 0,
      oldestWriteAgeMs: 0,
    });
    const { room, guest } = await pair(h);
    await createRoom(h);
    const closed = await createRoom(h);
    await close(h, closed);
    expect(h.state.counts()).toMatchObject({
      sessions: { waiting: 1, paired: 1 },
      participants: { online: 3, away: 0 },
    });
    await h.state.change(room.id, dropConnection(guest));
    expect(h.state.counts().participants).toEqual({ online: 2, away: 1 });
    const back = await resume(h, room, guest);
    expect(h.state.counts().participants).toEqual({ online: 3, away: 0 });
    await h.state.change(room.id, leaveSession(back));
    expect(h.state.counts()).toMatchObject({
      sessions: { waiting: 2, paired: 0 },
      participants: { online: 2, away: 0 },
    });
  });

  test('let a probe pass without a trace', async (h) => {
    const room = await createRoom(h);
    await sendOk(h, room, room.host);
    await h.state.takeMovedHeads();
    const [before, counts] = [await read(h, room.id), h.state.counts()];
    await Promise.all([h.state.probe(), h.state.probe()]);
    expect(await read(h, room.id)).toEqual(before);
    expect(h.state.counts()).toEqual(counts);
    expect(await h.state.takeMovedHeads()).toEqual([]);
    expect(h.deliveries).toHaveLength(1);
  });

  test('refuse everything after the stop, which may be called twice', async (h) => {
    const room = await createRoom(h);
    await Promise.all([h.state.stop(), h.state.stop()]);
    await h.state.stop();
    for (const call of [
      () => h.state.append(message(room, room.host)),
      () => h.state.create(newDocument(h), ignore),
      () => h.state.change(room.id, counting),
      () => h.state.recordReceipt(room.id, room.host, { read: 0 }),
      () => h.state.touch(room.id, room.host),
    ]) {
      expect(await failure(call())).toMatchObject({ code: 'UNAVAILABLE' });
    }
    await expect(h.state.probe()).rejects.toThrow();
    expect(h.deliveries).toEqual([]);
  });

  testWith(['hold'], 'store what was decided before they stop', async (h) => {
    const room = await createRoom(h);
    h.holdCommits();
    const request = message(room, room.host);
    const answer = h.state.append(request);
    await h.commitHeld();
    let isStopped = false;
    const stopped = h.state.stop().then(() => (isStopped = true));
    await turn();
    expect(isStopped).toBe(false);
    h.releaseCommits();
    expect(expectKind(await answer, 'appended').seq).toBe(1);
    await stopped;
    await h.restart();
    expect((await read(h, room.id)).lastSeq).toBe(1);
    expectKind(await findSend(h, request), 'duplicate');
  });

  testWith(['hold'], 'count what waits to be stored', async (h) => {
    const room = await createRoom(h);
    h.holdCommits();
    const answers = range(1, 3).map(() => h.state.append(message(room, room.host)));
    await h.commitHeld();
    expect(h.state.counts().backlog).toBeGreaterThan(0);
    h.releaseCommits();
    await Promise.all(answers);
    expect(h.state.counts().backlog).toBe(0);
  });
}
