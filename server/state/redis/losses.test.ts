import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../../test/support/eventually.ts';
import { plainRedis } from '../../../test/support/redis-server.ts';
import { createArchiver } from '../../jobs/archiver.ts';
import type { StoredHead } from '../../sessions/ports.ts';
import { closeByHost, kickParticipant, lockSession, resumeSeat } from '../../sessions/session.ts';
import { createRedis, type Redis } from './client.ts';
import { PARTITIONS, partitionOf } from './keys.ts';
import type { RedisStateOptions } from './redis-state.ts';
import {
  HORIZON_MS,
  messageOf,
  MINUTE,
  opened,
  paired,
  redisAt,
  RedisStage,
  type Instance,
} from './redis-stage.conformance.ts';
import { asideOf, Unarchived } from './unarchived.ts';

const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);

let server: Awaited<ReturnType<typeof plainRedis>>;
let stage: RedisStage;
let one: Instance;
let other: Instance;
/** What the first instance is told of epochs and changes, in order. */
let told: string[];

beforeAll(async () => {
  server = await plainRedis();
});
afterAll(() => server.stop());

beforeEach(async () => {
  stage = await RedisStage.open(redisAt(server.url));
  told = [];
  const own: Partial<RedisStateOptions> = { onNewEpoch: () => told.push('a new epoch') };
  [one, other] = [await stage.instance('one', own), await stage.instance('other')];
});

afterEach(() => stage.close());

async function archived(sessionId: string): Promise<void> {
  const source = new Unarchived({
    ...{ redis: stage.redis, keys: stage.keys, clock: stage.clock, hotMessages: 500, closedLifeMs: HORIZON_MS },
    owned: () => ALL,
  });
  const options = { source, durable: stage.archive, onTurn: () => undefined, onPoison: () => undefined };
  expect(await createArchiver(options).archive(sessionId)).toBe(true);
}

/** Redis has nothing of the session any more; `isAll`: nor of any other. */
async function lose(sessionId: string, isAll = false): Promise<void> {
  const names = (await stage.names()).filter((name) => !name.endsWith(':kept'));
  for (const name of names) if (isAll || name.includes(sessionId)) await stage.redis.send(['UNLINK', name], name);
}

/** What Redis has of the session now; gives what brings it back to that. */
async function kept(sessionId: string): Promise<() => Promise<void>> {
  const names = (await stage.names()).filter((name) => name.includes(sessionId));
  for (const name of names) await stage.redis.send(['COPY', name, `${name}:kept`, 'REPLACE'], name);
  return async () => {
    for (const name of await stage.names()) {
      if (name.includes(sessionId) && !name.endsWith(':kept')) await stage.redis.send(['UNLINK', name], name);
    }
    for (const name of names) await stage.redis.send(['COPY', `${name}:kept`, name, 'REPLACE'], name);
  };
}

/** As the archive has it. */
async function epochAndHead(sessionId: string) {
  const snapshot = await one.state.read(sessionId);
  return { epoch: snapshot?.document.epoch, lastSeq: snapshot?.lastSeq };
}

async function said(instance: Instance, sessionId: string, holder: { seatId: string; generation: number }, n: number) {
  for (let count = 0; count < n; count += 1) {
    expect((await instance.state.append(messageOf(sessionId, holder))).kind).toBe('appended');
  }
}

async function* heads(...list: readonly StoredHead[]): AsyncGenerator<readonly StoredHead[]> {
  yield await Promise.resolve(list);
}

/** What happens without our asking. */
function seen(check: () => void): Promise<void> {
  return eventually(() => {
    check();
    return Promise.resolve();
  });
}

describe('a session that Redis lost', () => {
  it('is left by those who know its old epoch before a change under the new one is told', async () => {
    const { sessionId, host } = await paired(stage, one, one);
    await archived(sessionId);
    await lose(sessionId);
    expect((await other.state.change(sessionId, lockSession(host, true))).kind).toBe('decided');
    const seat = { seatId: host.seatId, tokenHash: 'another', userId: null, instance: 'one' };
    await one.state.change(sessionId, resumeSeat(seat, HORIZON_MS), (_, { document }) =>
      told.push(`epoch ${document.epoch}`),
    );
    expect(told).toEqual(['a new epoch', 'epoch 2']);
  });

  it('is not left again by those who came back to it before the rest was put back', async () => {
    const { sessionId, host } = await paired(stage, one, one);
    await said(one, sessionId, host, 1);
    await archived(sessionId);
    const seat = { seatId: host.seatId, tokenHash: `token of ${host.seatId}`, userId: null, instance: 'one' };
    const resumed = () => one.state.change(sessionId, resumeSeat(seat, HORIZON_MS), () => told.push('resumed'));
    await lose(sessionId, true);
    const putBack = await one.state.compare(heads({ id: sessionId, epoch: 1, lastSeq: 1, version: 0 }));
    await resumed();
    await putBack();
    expect(told.splice(0)).toEqual(['a new epoch', 'resumed']);
    await lose(sessionId, true);
    const look = one.state.takeMovedHeads();
    await resumed();
    await look;
    expect(told.at(-1)).toBe('resumed');
    expect((await epochAndHead(sessionId)).epoch).toBe(3);
  });

  it('goes on without what came of it before its turn', async () => {
    const { sessionId, host } = await paired(stage, one, other);
    await said(other, sessionId, host, 1);
    await archived(sessionId);
    const ahead = (seq: number) => `1 ${seq} ${stage.now} 1 ${host.seatId} ${sessionId} {"id":"ahead-${seq}"`;
    for (const seq of [3, 4]) await stage.redis.publish(`${stage.keys.channel(null)}one`, ahead(seq));
    // It comes by the same way, behind them.
    await one.state.probe();
    await lose(sessionId);
    const returning = { seatId: host.seatId, tokenHash: `token of ${host.seatId}`, userId: null, instance: 'one' };
    const resumed = await one.state.change(sessionId, resumeSeat(returning, HORIZON_MS));
    expect(resumed).toMatchObject({ outcome: { kind: 'resumed' }, snapshot: { document: { epoch: 2 }, lastSeq: 1 } });
    await said(one, sessionId, { ...host, generation: 2_000_001 }, 1);
    expect(one.heard.map(({ message }) => message.seq)).toEqual([1, 2]);
    await one.state.takeMovedHeads();
    expect(await epochAndHead(sessionId)).toEqual({ epoch: 2, lastSeq: 2 });
  });

  it('waits for the archive with nothing, once what was left of it is replaced', async () => {
    const { sessionId, host } = await paired(stage, one, one);
    await said(one, sessionId, host, 2);
    await archived(sessionId);
    await said(one, sessionId, host, 3);
    const backlog = async () => {
      await one.state.refreshCounts([partitionOf(sessionId)]);
      return one.state.counts().backlog;
    };
    expect(await backlog()).toBe(3);
    await other.state.replace(sessionId, 1);
    expect(await backlog()).toBe(0);
    expect((await one.state.read(sessionId))?.lastSeq).toBe(2);
  });

  it('is found by a key whose name was not lost', async () => {
    const document = opened(stage, 'one', 2, { keyHash: 'key' });
    await one.state.create(document, () => undefined);
    await archived(document.id);
    await lose(document.id);
    expect(await one.state.findByKey('key')).toBe(document.id);
    await lose(document.id);
    stage.now += 3000;
    const repeated = opened(stage, 'one', 2, { keyHash: 'key' });
    expect(await one.state.create(repeated, () => undefined)).toEqual({ kind: 'key_taken', sessionId: document.id });
  });
});

describe('a session of which an older state came back', () => {
  /** Two put back under epoch 2 what Redis had lost under epoch 1, and Redis comes back with that. */
  async function rolledBackToAnEpochBefore() {
    const { sessionId, host } = await paired(stage, one, one);
    await said(one, sessionId, host, 3);
    await archived(sessionId);
    const rollBack = await kept(sessionId);
    await lose(sessionId);
    await one.state.change(sessionId, lockSession(host, true));
    const seat = (await one.state.read(sessionId))?.document.seats.find(({ id }) => id === host.seatId);
    const returning = { seatId: host.seatId, tokenHash: seat?.tokenHash ?? '', userId: null, instance: 'one' };
    const resume = () => one.state.change(sessionId, resumeSeat(returning, HORIZON_MS));
    expect(await resume()).toMatchObject({ outcome: { kind: 'resumed' }, snapshot: { document: { epoch: 2 } } });
    await rollBack();
    expect(await epochAndHead(sessionId)).toEqual({ epoch: 1, lastSeq: 3 });
    told = [];
    return { sessionId, host, resume };
  }

  it.each([
    ['the comparison', (id: string) => one.state.compare(heads({ id, epoch: 2, lastSeq: 3, version: 0 }))],
    ['a look at the heads', () => one.state.takeMovedHeads()],
    ['an archive that contradicts it', (id: string) => other.state.replace(id, 2)],
  ])(
    'goes on under an epoch above all that were seen, by %s',
    async (_by, notice: (id: string) => Promise<unknown>) => {
      const { sessionId } = await rolledBackToAnEpochBefore();
      await notice(sessionId);
      expect(await epochAndHead(sessionId)).toEqual({ epoch: 3, lastSeq: 3 });
    },
  );

  it('is not changed or appended to by those who know the later epoch', async () => {
    const first = await rolledBackToAnEpochBefore();
    const resumed = await first.resume();
    expect(resumed).toMatchObject({ outcome: { kind: 'resumed' }, snapshot: { document: { epoch: 3 } } });
    expect(told).toEqual(['a new epoch']);
    const { sessionId, host } = await rolledBackToAnEpochBefore();
    await expect(one.state.append(messageOf(sessionId, { ...host, generation: 2_000_001 }))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    expect(await epochAndHead(sessionId)).toEqual({ epoch: 3, lastSeq: 3 });
  });

  it('is put back above the archive by one who knows nothing of the epoch that was lost', async () => {
    const { sessionId, host } = await paired(stage, one, one);
    await archived(sessionId);
    await lose(sessionId);
    await other.state.change(sessionId, lockSession(host, true));
    await lose(sessionId);
    // Two were seen of it by now, and this one knows the first.
    await one.state.takeMovedHeads();
    expect(await epochAndHead(sessionId)).toEqual({ epoch: 3, lastSeq: 0 });
  });

  it('goes on under one epoch when many notice the same loss', async () => {
    const { sessionId, host } = await paired(stage, one, other);
    await archived(sessionId);
    await lose(sessionId);
    await Promise.all([
      ...[one, other].map(({ state }) => state.takeMovedHeads()),
      ...[one, other].map(({ state }) => state.change(sessionId, lockSession(host, true))),
    ]);
    expect((await epochAndHead(sessionId)).epoch).toBe(2);
  });

  it('is put back when only a change of it is gone', async () => {
    const { sessionId, host, guest } = await paired(stage, one, one);
    const rollBack = await kept(sessionId);
    await one.state.change(sessionId, kickParticipant(host, guest.seatId));
    await archived(sessionId);
    await rollBack();
    await one.state.takeMovedHeads();
    expect(told).toEqual(['a new epoch']);
    const document = (await one.state.read(sessionId))?.document;
    expect(document).toMatchObject({ epoch: 2, seats: [{ id: host.seatId }] });
    expect(document?.seats).toHaveLength(1);
  });

  it('is closed again, and what was taken for the archive before is given out again', async () => {
    const { sessionId, host } = await paired(stage, one, one);
    const quiet = await paired(stage, one, one);
    const rollBack = await kept(sessionId);
    const { due, unarchived } = stage.keys.partitionOf(sessionId);
    await one.state.change(sessionId, closeByHost(host));
    await archived(sessionId);
    await rollBack();
    await stage.command('ZADD', due, String(stage.now + MINUTE), sessionId);
    await stage.command('HSET', asideOf({ unarchived }), sessionId, '1 1 0 a-reason');
    const lease = stage.keys.partitionOf(quiet.sessionId).unarchived;
    await stage.command('ZADD', lease, String(stage.now + MINUTE), quiet.sessionId);
    await one.state.compare(heads());
    expect((await one.state.read(sessionId))?.document.closed).toMatchObject({ reason: 'closed' });
    for (const index of [due, unarchived]) expect(await stage.command('ZSCORE', index, sessionId)).toBeNull();
    expect(await stage.command('HLEN', asideOf({ unarchived }))).toBe(0);
    expect(Number(await stage.command('ZSCORE', lease, quiet.sessionId))).toBe(stage.now);
  });
});

it('a key that only the archive knows leads to its session while Redis is being filled again', async () => {
  let isWhole = true;
  const late = await stage.instance('late', { isWhole: () => isWhole });
  const document = opened(stage, 'late', 2, { keyHash: 'key' });
  await late.state.create(document, () => undefined);
  await archived(document.id);
  await lose(document.id, true);
  expect(await late.state.findByKey('key')).toBeNull();
  isWhole = false;
  const repeated = opened(stage, 'late', 2, { keyHash: 'key' });
  expect(await late.state.create(repeated, () => undefined)).toEqual({ kind: 'key_taken', sessionId: document.id });
  expect(await late.state.findByKey('key')).toBe(document.id);
});

it('a session that is lost in the middle of a change is put back for it', async () => {
  const redis = createRedis(redisAt(server.url));
  await redis.start();
  let stores = 0;
  const run: Redis['run'] = async (script, ...call) => {
    if (script.name === 'store_session' && (stores += 1) === 1) await lose(sessionId);
    return redis.run(script, ...call);
  };
  const changer = await stage.instance('changer', { redis: { ...redis, run } });
  const { sessionId, host } = await paired(stage, one, one);
  await archived(sessionId);
  const locked = await changer.state.change(sessionId, (session, context) =>
    lockSession({ ...host, generation: session.seats[0]?.generation ?? 0 }, true)(session, context),
  );
  expect(locked).toMatchObject({ kind: 'decided', outcome: { kind: 'locked' }, snapshot: { document: { epoch: 2 } } });
  await redis.close();
});

it('a session that is being made is not taken for one that was lost', async () => {
  const redis = createRedis(redisAt(server.url));
  await redis.start();
  let isStoring: () => void = () => undefined;
  const storing = new Promise<void>((resolve) => (isStoring = resolve));
  let go: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (go = resolve));
  const run: Redis['run'] = async (script, ...call) => {
    if (script.name === 'store_session') {
      isStoring();
      await held;
    }
    return redis.run(script, ...call);
  };
  const maker = await stage.instance('maker', { redis: { ...redis, run }, onNewEpoch: () => told.push('lost') });
  const making = maker.state.create(opened(stage, 'maker'), () => undefined);
  await storing;
  expect(await maker.state.takeMovedHeads()).toEqual([]);
  expect({ told, asked: stage.archive.loads }).toEqual({ told: [], asked: [] });
  go();
  expect((await making).kind).toBe('created');
  await redis.close();
});

describe('a closed session that Redis lost', () => {
  async function closedAndLost() {
    const { sessionId, host, guest } = await paired(stage, one, other);
    const sent = messageOf(sessionId, host);
    await one.state.append(sent);
    await one.state.change(sessionId, closeByHost(host));
    await archived(sessionId);
    const document = (await one.state.read(sessionId))?.document;
    await lose(sessionId, true);
    const seat = document?.seats.find(({ id }) => id === guest.seatId);
    return { sessionId, sent, guest: { seatId: guest.seatId, tokenHash: seat?.tokenHash ?? '' } };
  }
  const resume = (sessionId: string, seat: { seatId: string; tokenHash: string }) =>
    one.state.change(sessionId, resumeSeat({ ...seat, userId: null, instance: 'one' }, HORIZON_MS));

  it('is read again under its own epoch until the horizon, and is nobody’s work', async () => {
    const { sessionId, guest } = await closedAndLost();
    const resumed = await resume(sessionId, guest);
    expect(resumed).toMatchObject({ kind: 'decided', outcome: { kind: 'reading' } });
    expect(resumed).toMatchObject({ snapshot: { document: { epoch: 1 }, lastSeq: 1, durableSeq: 1 } });
    expect(await one.state.readLog(sessionId, { afterSeq: 0, limit: 10 })).toMatchObject({ epoch: 1, lastSeq: 1 });
    const { due, unarchived } = stage.keys.partitionOf(sessionId);
    for (const index of [due, unarchived]) expect(await stage.command('EXISTS', index)).toBe(0);
    const lifeMs = Number(await stage.command('PTTL', stage.keys.session(sessionId).document));
    expect(lifeMs).toBeGreaterThan(HORIZON_MS - MINUTE);
    expect(lifeMs).toBeLessThanOrEqual(HORIZON_MS + MINUTE);
    await one.state.refreshCounts(ALL);
    expect(one.state.counts()).toMatchObject({ sessions: { waiting: 0, paired: 0 }, backlog: 0 });
    await lose(sessionId, true);
    stage.now += HORIZON_MS;
    expect(await resume(sessionId, guest)).toEqual({ kind: 'no_such_session' });
  });

  it('knows what was sent to it', async () => {
    const { sessionId, sent } = await closedAndLost();
    expect(await one.state.append(sent)).toMatchObject({ kind: 'duplicate', seq: 1, epoch: 1 });
    expect(await one.state.append({ ...sent, id: 'another-message' })).toEqual({ kind: 'session_closed' });
    await lose(sessionId, true);
    const { sender, id, fingerprint } = sent;
    const found = await one.state.findSend(sessionId, sender.seatId, id, fingerprint);
    expect(found).toMatchObject({ kind: 'duplicate', seq: 1 });
  });

  it('is closed again where Redis took it for open', async () => {
    const { sessionId, host } = await paired(stage, one, other);
    await archived(sessionId);
    await one.state.change(sessionId, lockSession(host, true));
    const document = (await one.state.read(sessionId))?.document;
    if (document === undefined) throw new Error('there is a session');
    const closed = { ...document, closed: { reason: 'closed', at: stage.now } } as const;
    await stage.archive.commit({
      sessions: [{ document: closed, changedSeatIds: [], lastActivityAt: stage.now, version: 9 }],
      ...{ ended: [], messages: [], receipts: [] },
    });
    await other.state.replace(sessionId, 1);
    expect((await one.state.read(sessionId))?.document.closed).toEqual(closed.closed);
    await one.state.refreshCounts(ALL);
    expect(one.state.counts()).toMatchObject({ sessions: { waiting: 0, paired: 0 }, participants: { online: 0 } });
  });
});

describe('a change of another instance whose events did not come', () => {
  it('is looked for when a message shows it', async () => {
    const { sessionId, host, guest } = await paired(stage, one, one);
    await other.state.change(sessionId, kickParticipant(host, guest.seatId));
    await said(one, sessionId, host, 1);
    await seen(() => expect(one.changes).toHaveLength(1));
    expect(one.changes[0]?.snapshot.document.seats.map(({ id }) => id)).toEqual([host.seatId]);
    // What is known is not looked for again: the next change is the next that is told.
    await said(one, sessionId, host, 1);
    await other.state.change(sessionId, lockSession(host, true));
    await said(one, sessionId, host, 1);
    await seen(() => expect(one.changes).toHaveLength(2));
    expect(one.changes[1]?.snapshot.document.locked).toBe(true);
  });

  it('is not hidden by a change of this one', async () => {
    const { sessionId, host, guest } = await paired(stage, one, one);
    await other.state.change(sessionId, kickParticipant(host, guest.seatId));
    await one.state.change(sessionId, lockSession(host, true));
    await seen(() => expect(one.changes).toHaveLength(1));
    expect(one.changes[0]?.snapshot.document.seats.map(({ id }) => id)).toEqual([host.seatId]);
  });

  it('is made good when the other says that it may not have told, also of what was seen before', async () => {
    const { sessionId, host } = await paired(stage, one, one);
    await other.state.change(sessionId, lockSession(host, true));
    await said(one, sessionId, host, 1);
    await seen(() => expect(one.changes).toMatchObject([{ mayHaveMissed: false }]));
    other.state.eventsLost();
    await seen(() => expect(one.changes).toMatchObject([{ mayHaveMissed: false }, { mayHaveMissed: true }]));
    expect(one.changes[1]?.snapshot.document.locked).toBe(true);
  });
});
