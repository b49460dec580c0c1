import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../../test/support/eventually.ts';
import { plainRedis } from '../../../test/support/redis-server.ts';
import { createArchiver } from '../../jobs/archiver.ts';
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
import { Unarchived } from './unarchived.ts';

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
  const names = await stage.names();
  for (const name of names) if (isAll || name.includes(sessionId)) await stage.redis.send(['UNLINK', name], name);
}

async function said(instance: Instance, sessionId: string, holder: { seatId: string; generation: number }, n: number) {
  for (let count = 0; count < n; count += 1) {
    expect((await instance.state.append(messageOf(sessionId, holder))).kind).toBe('appended');
  }
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
