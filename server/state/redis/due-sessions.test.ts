import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { dropConnection } from '../../sessions/session.ts';
import { DueSessions } from './due-sessions.ts';
import { partitionOf } from './keys.ts';
import { messageOf, MINUTE, opened, paired, RedisStage, TIMINGS, type Instance } from './redis-stage.conformance.ts';
import { SessionStore, type HeldSession } from './session-store.ts';

let stage: RedisStage;
let one: Instance;
let store: SessionStore;

beforeEach(async () => {
  stage = await RedisStage.open();
  one = await stage.instance('one');
  store = new SessionStore({ redis: stage.redis, keys: stage.keys, timings: TIMINGS, clock: stage.clock });
});

afterEach(() => stage.close());

/** Deadlines as `take` sees them; `between` runs between its look at a session and what it concludes. */
function looking(between: () => Promise<unknown> = () => Promise.resolve(), onFault = (_: unknown): void => undefined) {
  const read = async (sessionId: string): Promise<HeldSession | null> => {
    const held = await store.read(sessionId);
    await between();
    return held;
  };
  const { redis, keys, clock } = stage;
  return new DueSessions({ redis, keys, store: { read }, timings: TIMINGS, clock, onFault });
}

const placeOf = async (sessionId: string) => {
  const score = await stage.command('ZSCORE', stage.keys.partitionOf(sessionId).due, sessionId);
  return score === null ? null : Number(score);
};

it('a connection that is lost while the session is looked at is not forgotten for the session’s own deadline', async () => {
  const room = await paired(stage, one, one);
  stage.now += 4 * MINUTE;
  await one.state.append(messageOf(room.sessionId, room.host));
  stage.now += MINUTE;
  const lost = looking(() => one.state.change(room.sessionId, dropConnection(room.guest)));
  await lost.take(10, [partitionOf(room.sessionId)]);
  stage.now += TIMINGS.graceMs;
  await one.state.append(messageOf(room.sessionId, room.host));
  const due = await looking().take(10, [partitionOf(room.sessionId)]);
  expect(due).toMatchObject([{ deadline: { kind: 'timeout', seatId: room.guest.seatId } }]);
});

it('a word while a warned session is looked at puts the next warning where it belongs', async () => {
  const room = await paired(stage, one, one);
  const partition = [partitionOf(room.sessionId)];
  stage.now += 5 * MINUTE;
  expect(await looking().take(10, partition)).toMatchObject([{ deadline: { kind: 'warn' } }]);
  await stage.command('ZADD', stage.keys.partitionOf(room.sessionId).due, '0', room.sessionId);
  await looking(() => one.state.append(messageOf(room.sessionId, room.host))).take(10, partition);
  stage.now += 5 * MINUTE;
  expect(await looking().take(10, partition)).toMatchObject([{ deadline: { kind: 'warn', at: stage.now } }]);
});

it('a change that was computed before a word takes no warning away', async () => {
  const room = await paired(stage, one, one);
  stage.now += 5 * MINUTE;
  expect(await one.state.takeDue(10)).toMatchObject([{ deadline: { kind: 'warn' } }]);
  const before = await store.read(room.sessionId);
  await one.state.append(messageOf(room.sessionId, room.host));
  const document = before?.snapshot.document;
  if (before === null || document === undefined) throw new Error('there is a session');
  const stored = await store.store({ before, document: { ...document, locked: true }, lasting: true, ended: [] });
  expect(stored.kind).toBe('stored');
  expect(await placeOf(room.sessionId)).toBe(stage.now + TIMINGS.idleWarningMs);
});

it('no more are taken than are asked for, and all of them in the end', async () => {
  const all = new Set<string>();
  for (let count = 0; count < 30; count += 1) {
    const document = opened(stage, 'one');
    await one.state.create(document, () => undefined);
    all.add(document.id);
  }
  stage.now += 5 * MINUTE;
  const partitions = Array.from({ length: 64 }, (_, partition) => partition);
  const due = looking();
  const seen: string[] = [];
  for (let round = 0; round < 5; round += 1) {
    const taken = await due.take(7, partitions);
    expect(taken.length).toBe(Math.min(7, all.size - seen.length));
    seen.push(...taken.map(({ sessionId }) => sessionId));
    // What was not handed out was not taken either.
    for (const id of all) if (!seen.includes(id)) expect(await placeOf(id)).toBe(stage.now);
  }
  expect(new Set(seen)).toEqual(all);
});

it('what is not due makes room for what is', async () => {
  const document = opened(stage, 'one');
  await one.state.create(document, () => undefined);
  const partition = partitionOf(document.id);
  const { due } = stage.keys.partition(partition);
  for (let count = 0; count < 20; count += 1) await stage.command('ZADD', due, '0', `gone-${String(count)}`);
  stage.now += 5 * MINUTE;
  const taken = await looking().take(5, [partition]);
  expect(taken.map(({ sessionId }) => sessionId)).toEqual([document.id]);
  expect(await stage.command('ZCARD', due)).toBe(1);
});

it('a closed session, and one that is gone, leave the list', async () => {
  const [closed, gone] = [opened(stage, 'one'), opened(stage, 'one')];
  for (const document of [closed, gone]) await one.state.create(document, () => undefined);
  const { document, flat } = stage.keys.session(gone.id);
  await stage.command('DEL', document);
  // As after a look at a session that was open by then.
  await one.state.change(closed.id, (session) => ({
    ...{ kind: 'change', outcome: null, lasting: true, ended: [] },
    document: { ...session, closed: { reason: 'closed', at: stage.now } },
  }));
  for (const { id } of [closed, gone]) await stage.command('ZADD', stage.keys.partitionOf(id).due, '0', id);
  expect(await looking().take(10, [partitionOf(closed.id), partitionOf(gone.id)])).toEqual([]);
  expect([await placeOf(closed.id), await placeOf(gone.id)]).toEqual([null, null]);
  expect(await stage.command('EXISTS', flat)).toBe(1);
});

it('a session that nobody can read stops no other', async () => {
  const documents = [opened(stage, 'one'), opened(stage, 'one'), opened(stage, 'one')];
  for (const document of documents) await one.state.create(document, () => undefined);
  const [broken, ...others] = documents.map(({ id }) => id);
  await stage.command('SET', stage.keys.session(broken ?? '').document, 'no document', 'KEEPTTL');
  stage.now += 5 * MINUTE;
  const faults: unknown[] = [];
  const due = looking(undefined, (error) => faults.push(error));
  const taken = await due.take(
    10,
    documents.map(({ id }) => partitionOf(id)),
  );
  expect(new Set(taken.map(({ sessionId }) => sessionId))).toEqual(new Set(others));
  expect(faults).toHaveLength(1);
});
