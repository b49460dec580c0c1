import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import type { SessionSnapshot } from '../../sessions/ports.ts';
import { lockSession } from '../../sessions/session.ts';
import type { Rule } from '../../sessions/session.ts';
import type { Suite } from './suite.conformance.ts';
import { decided, expectKind } from './outcome.conformance.ts';
import { counting, createRoom, join, newDocument, read, tryJoin } from './room.conformance.ts';
import { range, readLog, sendOk } from './message.conformance.ts';

export function changing({ test }: Suite): void {
  test('give the session as it was created', async (h) => {
    const document = newDocument(h, { metadata: { colour: 'blue' } });
    const seen: SessionSnapshot[] = [];
    const { snapshot } = expectKind(await h.state.create(document, (visible) => void seen.push(visible)), 'created');
    expect(snapshot).toMatchObject({ document, lastSeq: 0, durableSeq: 0, lastActivityAt: h.now() });
    expect(seen).toEqual([snapshot]);
    expect(await h.state.read(document.id)).toEqual(snapshot);
    expect(await readLog(h, document.id, { afterSeq: 0, limit: 10 })).toEqual({
      ...{ epoch: 1, lastSeq: 0, durableSeq: 0, firstSeq: 1, messages: [], messageBytes: [] },
    });
  });

  test('know nothing of a session that does not exist', async (h) => {
    const id = randomUUID();
    let seen = 0;
    expect(await h.state.change(id, counting, () => (seen += 1))).toEqual({ kind: 'no_such_session' });
    expect(seen).toBe(0);
    expect(await h.state.read(id)).toBeNull();
    expect(await h.state.readLog(id, { afterSeq: 0, limit: 10 })).toBeNull();
    expectKind(await h.state.touch(id, { seatId: randomUUID(), generation: 1 }), 'not_seated');
  });

  test('run every rule on the outcome of the one before', async (h) => {
    const room = await createRoom(h);
    const seen: number[] = [];
    const results = await Promise.all(
      range(1, 100).map(() => h.state.change(room.id, counting, (outcome) => void seen.push(outcome))),
    );
    expect(results.map(decided).sort((a, b) => a - b)).toEqual(range(1, 100));
    expect(seen).toEqual(range(1, 100));
    expect((await read(h, room.id)).document.metadata).toEqual({ count: 100 });
  });

  test('show a rule the time, the head and the last activity', async (h) => {
    const room = await createRoom(h);
    await sendOk(h, room, room.host);
    h.advance(5);
    const contexts: unknown[] = [];
    const look: Rule<null> = (_session, context) => {
      contexts.push({ ...context });
      return { kind: 'keep', outcome: null };
    };
    await h.state.change(room.id, look);
    expect(contexts.at(-1)).toEqual({ now: h.now(), lastSeq: 1, lastActivityAt: h.now() - 5 });
  });

  test('tell onVisible of a decision that keeps the session as it is', async (h) => {
    const room = await createRoom(h);
    const before = await read(h, room.id);
    const seen: unknown[] = [];
    const rule = lockSession(room.host, false);
    const result = await h.state.change(room.id, rule, (outcome, snapshot) => void seen.push({ outcome, snapshot }));
    expect(result).toEqual({ kind: 'decided', outcome: { kind: 'locked', changed: false }, snapshot: before });
    expect(seen).toEqual([{ outcome: { kind: 'locked', changed: false }, snapshot: before }]);
  });

  test('give the last seat to exactly one of many', async (h) => {
    const room = await createRoom(h, { capacity: 3 });
    await join(h, room);
    const outcomes = await Promise.all(range(1, 30).map(() => tryJoin(h, room)));
    expect(outcomes.filter(({ kind }) => kind === 'joined')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'session_full')).toHaveLength(29);
    expect((await read(h, room.id)).document.seats).toHaveLength(3);
  });

  test('leave a snapshot that was given out as it was', async (h) => {
    const room = await createRoom(h);
    await sendOk(h, room, room.host);
    const snapshot = await read(h, room.id);
    const { lastSeq, durableSeq, lastActivityAt } = snapshot;
    const copy = { receipts: [...snapshot.receipts], activity: [...snapshot.activity] };
    h.advance(1000);
    await sendOk(h, room, room.host);
    await h.state.recordReceipt(room.id, room.host, { read: 2 });
    await h.state.reportIdle(room.id, room.host);
    await join(h, room);
    expect(snapshot).toMatchObject({ lastSeq, durableSeq, lastActivityAt });
    expect({ receipts: [...snapshot.receipts], activity: [...snapshot.activity] }).toEqual(copy);
    expect(snapshot.document.seats).toHaveLength(1);
  });
}
