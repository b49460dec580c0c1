import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { plainRedis, startRedis } from '../../../test/support/redis-server.ts';
import { createArchiver, type Archiver } from '../../jobs/archiver.ts';
import { TandemError } from '../../../protocol/errors.ts';
import type { UnarchivedSession } from '../../sessions/ports.ts';
import { leaveSession, lockSession } from '../../sessions/session.ts';
import { Instances } from './instances.ts';
import { PARTITIONS } from './keys.ts';
import {
  HORIZON_MS,
  join,
  messageOf,
  opened,
  paired,
  redisAt,
  RedisStage,
  type Instance,
} from './redis-stage.conformance.ts';
import { Unarchived } from './unarchived.ts';

const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);
/** As `unarchived.ts` has it. */
const TAKEN_MS = 10_000;

let stage: RedisStage;
let here: Instance;
let server: { readonly url: string; stop(): Promise<void> };

async function open(started = plainRedis()): Promise<void> {
  server = await started;
  stage = await RedisStage.open(redisAt(server.url));
  here = await stage.instance('here');
}

afterEach(async () => {
  await stage.close();
  await server.stop();
});

function source(hotMessages = 500): Unarchived {
  const { redis, keys, clock } = stage;
  return new Unarchived({ redis, keys, clock, hotMessages, closedLifeMs: HORIZON_MS, owned: () => ALL });
}

function archiverOver(unarchived: Unarchived): Archiver {
  return createArchiver({
    ...{ source: unarchived, durable: stage.archive, onTurn: () => undefined },
    onPoison: (_, error) => stage.faults.push(error),
  });
}

async function seen(unarchived: Unarchived, sessionId: string, messages = 500): Promise<UnarchivedSession> {
  const session = await unarchived.read(sessionId, messages);
  if (session === null) throw new Error('there is a session');
  return session;
}

const isMarked = async (sessionId: string) =>
  (await stage.command('ZSCORE', stage.keys.partitionOf(sessionId).unarchived, sessionId)) !== null;

const backlogOf = async (sessionId: string) =>
  Number(await stage.command('HGET', stage.keys.partitionOf(sessionId).counts, 'backlog'));

describe('what is settled', () => {
  beforeEach(() => open());

  it('goes only when nothing came since it was read', async () => {
    const room = await paired(stage, here, here);
    const unarchived = source();
    const between: (() => Promise<unknown>)[] = [
      () => here.state.append(messageOf(room.sessionId, room.host)),
      () => here.state.recordReceipt(room.sessionId, room.guest, { read: 1 }),
      () => here.state.change(room.sessionId, lockSession(room.host, true)),
      () => here.state.change(room.sessionId, leaveSession(room.guest)),
    ];
    for (const come of between) {
      const before = await seen(unarchived, room.sessionId);
      await come();
      expect(await unarchived.settle(before)).toBe('more');
      expect(await isMarked(room.sessionId)).toBe(true);
    }
    expect(await unarchived.settle(await seen(unarchived, room.sessionId))).toBe('done');
    expect(await isMarked(room.sessionId)).toBe(false);
  });

  it('takes with it the seats that ended by then, and no others, however often it is settled', async () => {
    const document = opened(stage, 'here', 5);
    await here.state.create(document, () => undefined);
    const guests = [await join(document, here), await join(document, here)];
    const unarchived = source();
    const [first = '', second = ''] = guests;
    await here.state.change(document.id, leaveSession({ seatId: first, generation: 1 }));
    const [one, other] = [await seen(unarchived, document.id), await seen(unarchived, document.id)];
    expect(one.ended.map(({ seat: { id } }) => id)).toEqual([first]);
    expect(await unarchived.settle(one)).toBe('done');
    await here.state.change(document.id, leaveSession({ seatId: second, generation: 1 }));
    // Another archiver had read the same, and comes late.
    expect(await unarchived.settle(other)).toBe('more');
    expect((await seen(unarchived, document.id)).ended.map(({ seat: { id } }) => id)).toEqual([second]);
    await archiverOver(unarchived).archive(document.id);
    expect((await seen(unarchived, document.id)).ended).toEqual([]);
  });

  it('moves the durable head without a step back or a hole, and counts what is left', async () => {
    const room = await paired(stage, here, here);
    const unarchived = source();
    const requests = Array.from({ length: 8 }, () => messageOf(room.sessionId, room.host));
    for (const request of requests.slice(0, 5)) await here.state.append(request);
    const early = await seen(unarchived, room.sessionId);
    for (const request of requests.slice(5)) await here.state.append(request);
    for (const request of requests) expect((await here.state.append(request)).kind).toBe('duplicate');
    expect(await backlogOf(room.sessionId)).toBe(8);
    const late = await seen(unarchived, room.sessionId);
    const durableSeq = async () => (await here.state.read(room.sessionId))?.durableSeq;
    expect(await unarchived.settle(late)).toBe('done');
    expect([await durableSeq(), await backlogOf(room.sessionId)]).toEqual([8, 0]);
    for (const again of [early, late, early]) await unarchived.settle(again);
    expect([await durableSeq(), await backlogOf(room.sessionId)]).toEqual([8, 0]);
  });

  it('is nothing when the session is of another epoch by now', async () => {
    const room = await paired(stage, here, here);
    const before = await seen(source(), room.sessionId);
    await stage.command('HSET', stage.keys.session(room.sessionId).flat, 'epoch', '2');
    expect(await source().settle(before)).toBe('gone');
    expect(await isMarked(room.sessionId)).toBe(true);
  });

  it('leaves in the log what is to stay there, and never takes what is not archived', async () => {
    const room = await paired(stage, here, here);
    const unarchived = source(3);
    for (let count = 0; count < 10; count += 1) await here.state.append(messageOf(room.sessionId, room.host));
    const before = await seen(unarchived, room.sessionId, 4);
    expect(before.messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    expect(await unarchived.settle(before)).toBe('more');
    const seqs = async () => {
      const page = await here.state.readLog(room.sessionId, { afterSeq: 0, limit: 100 });
      return page?.messages.map(({ seq }) => seq);
    };
    expect(await seqs()).toEqual([5, 6, 7, 8, 9, 10]);
    expect(await unarchived.settle(await seen(unarchived, room.sessionId))).toBe('done');
    expect(await seqs()).toEqual([8, 9, 10]);
  });
});

describe('what is read', () => {
  beforeEach(() => open());

  it('is bounded in bytes, and at least one message', async () => {
    const room = await paired(stage, here, here);
    for (let count = 0; count < 120; count += 1) {
      await here.state.append(messageOf(room.sessionId, room.host, `message-${String(count)}`, 'x'.repeat(16_000)));
    }
    const unarchived = source();
    const { messages } = await seen(unarchived, room.sessionId);
    expect(messages.length).toBeGreaterThan(20);
    expect(messages.length).toBeLessThan(40);
    expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, index) => index + 1));
    expect((await seen(unarchived, room.sessionId, 1)).messages).toHaveLength(1);
    await archiverOver(unarchived).archive(room.sessionId);
    expect(await backlogOf(room.sessionId)).toBe(0);
  });

  it('is all there is, over pages of the log', async () => {
    const room = await paired(stage, here, here);
    await Promise.all(Array.from({ length: 230 }, () => here.state.append(messageOf(room.sessionId, room.host))));
    for (const most of [49, 50, 51, 100, 229, 230, 500]) {
      const { messages } = await seen(source(), room.sessionId, most);
      expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: Math.min(most, 230) }, (_, at) => at + 1));
    }
  });

  it('takes the mark of a session that is gone with it', async () => {
    const room = await paired(stage, here, here);
    await stage.command('DEL', stage.keys.session(room.sessionId).document);
    expect(await source().read(room.sessionId, 500)).toBeNull();
    expect(await isMarked(room.sessionId)).toBe(false);
  });
});

describe('what is taken', () => {
  beforeEach(() => open());

  it('is left to whoever took it, and comes again when nobody settled it', async () => {
    const room = await paired(stage, here, here);
    stage.now += 500;
    const unarchived = source();
    expect(await unarchived.take(10)).toEqual([{ sessionId: room.sessionId, sinceMs: 500 }]);
    expect(await unarchived.take(10)).toEqual([]);
    stage.now += TAKEN_MS;
    expect((await unarchived.take(10)).map(({ sessionId }) => sessionId)).toEqual([room.sessionId]);
  });

  it('is of the partitions of this instance alone', async () => {
    const room = await paired(stage, here, here);
    const { redis, keys, clock } = stage;
    const options = { redis, keys, clock, hotMessages: 500, closedLifeMs: HORIZON_MS };
    const owned = ALL.filter((partition) => keys.partition(partition) !== keys.partitionOf(room.sessionId));
    expect(await new Unarchived({ ...options, owned: () => owned }).take(10)).toEqual([]);
    expect(await new Unarchived({ ...options, owned: () => [] }).take(10)).toEqual([]);
  });
});

describe('what is stored', () => {
  beforeEach(() => open());

  it('is told of the whole deployment where more than messages changed, and is taken from nobody by that', async () => {
    const [quiet, busy] = [await paired(stage, here, here), await paired(stage, here, here)];
    const unarchived = source();
    const taken = async () => (await unarchived.take(100)).map(({ sessionId }) => sessionId);
    expect((await unarchived.changed(100)).sort()).toEqual([quiet.sessionId, busy.sessionId].sort());
    expect(await unarchived.changed(1)).toHaveLength(1);
    expect((await taken()).sort()).toEqual([quiet.sessionId, busy.sessionId].sort());
    // Also while somebody has taken them.
    expect(await unarchived.changed(100)).toHaveLength(2);
    for (const { sessionId } of [quiet, busy]) await unarchived.settle(await seen(unarchived, sessionId));
    expect(await unarchived.changed(100)).toEqual([]);
    await here.state.append(messageOf(busy.sessionId, busy.host));
    await here.state.recordReceipt(busy.sessionId, busy.guest, { read: 1 });
    expect(await isMarked(busy.sessionId)).toBe(true);
    expect(await unarchived.changed(100)).toEqual([]);
    await here.state.change(busy.sessionId, leaveSession(busy.guest));
    expect(await unarchived.changed(100)).toEqual([busy.sessionId]);
  });

  it('is of a session what changed: with a message alone neither its seats nor their receipts go again', async () => {
    const room = await paired(stage, here, here);
    const { sessionId, host, guest } = room;
    const archiver = archiverOver(source());
    const stored = async () => {
      expect(await archiver.archive(sessionId)).toBe(true);
      const { sessions = [], receipts = [], messages = [] } = stage.archive.batches.at(-1) ?? {};
      return [sessions.length, receipts.length, messages.length];
    };
    await here.state.append(messageOf(sessionId, host));
    expect(await stored()).toEqual([1, 0, 1]);
    await here.state.append(messageOf(sessionId, host));
    expect(await stored()).toEqual([0, 0, 1]);
    await here.state.append(messageOf(sessionId, host));
    await here.state.recordReceipt(sessionId, guest, { read: 2 });
    expect(await stored()).toEqual([0, 1, 1]);
    await here.state.append(messageOf(sessionId, host));
    await here.state.change(sessionId, lockSession(host, true));
    expect(await stored()).toEqual([1, 0, 1]);
    // Nothing else says which epoch this is of.
    await here.state.recordReceipt(sessionId, guest, { read: 4 });
    expect(await stored()).toEqual([1, 1, 0]);
    await here.state.append(messageOf(sessionId, host));
    await here.state.change(sessionId, leaveSession(guest));
    expect(await stored()).toEqual([1, 0, 1]);
    expect((await stage.archive.loadSession(sessionId, stage.now))?.document.seats).toHaveLength(1);
  });
});

describe('a Redis that is full', () => {
  beforeEach(() => open(startRedis({ maxmemory: '100mb', maxmemoryPolicy: 'noeviction' })));

  it('refuses sends whole, looks alive, and is emptied by the archive', async () => {
    const room = await paired(stage, here, here);
    for (let count = 0; count < 200; count += 1) {
      await here.state.append(messageOf(room.sessionId, room.host, `message-${String(count)}`, 'x'.repeat(8000)));
    }
    const closed = opened(stage, 'here');
    await here.state.create(closed, () => undefined);
    const admin = await RedisStage.open(redisAt(server.url));
    // As much as it holds now, and no more.
    const used = Number(/used_memory:(\d+)/.exec(String(await admin.redis.send(['INFO', 'memory'])))?.[1]);
    await admin.redis.send(['CONFIG', 'SET', 'maxmemory', String(used - 200_000)]);
    await expect(here.state.append(messageOf(room.sessionId, room.host))).rejects.toThrow(TandemError);
    await expect(here.state.create(opened(stage, 'here'), () => undefined)).rejects.toThrow(TandemError);
    expect((await here.state.read(room.sessionId))?.lastSeq).toBe(200);
    expect(await backlogOf(room.sessionId)).toBe(200);

    await new Instances(stage.redis, stage.keys).beat('here');
    stage.now += 6 * 60_000;
    expect((await here.state.takeDue(10)).length).toBe(2);
    stage.now += TAKEN_MS;
    const unarchived = source(0);
    expect((await unarchived.take(10)).length).toBe(2);
    expect(await archiverOver(unarchived).archive(room.sessionId)).toBe(true);
    expect(await here.state.append(messageOf(room.sessionId, room.host))).toMatchObject({ kind: 'appended', seq: 201 });
    await admin.close();
  });
});
