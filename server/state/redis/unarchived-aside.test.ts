import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { eventually } from '../../../test/support/eventually.ts';
import { createArchiver, type Archiver } from '../../jobs/archiver.ts';
import { DivergenceError, RefusedCommitError, type CommitBatch } from '../../sessions/ports.ts';
import { lockSession, type SeatHolder } from '../../sessions/session.ts';
import { PARTITIONS } from './keys.ts';
import { HORIZON_MS, messageOf, MINUTE, paired, RedisStage, type Instance } from './redis-stage.conformance.ts';
import { Unarchived } from './unarchived.ts';

const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);

let stage: RedisStage;
let here: Instance;
let refuse: (batch: CommitBatch) => Error | null;
let commits: CommitBatch[];
let alarms: { seq: number | null }[];
let mended: string[];

beforeEach(async () => {
  stage = await RedisStage.open();
  here = await stage.instance('here');
  [refuse, commits, alarms, mended] = [() => null, [], [], []];
});

afterEach(() => stage.close());

function source(): Unarchived {
  const { redis, keys, clock } = stage;
  return new Unarchived({ redis, keys, clock, hotMessages: 500, closedLifeMs: HORIZON_MS, owned: () => ALL });
}

const commit = (batch: CommitBatch): Promise<void> => {
  const error = refuse(batch);
  if (error !== null) return Promise.reject(error);
  commits.push(batch);
  return stage.archive.commit(batch);
};

function archiver(onDivergence?: (sessionId: string, epoch: number) => Promise<void>): Archiver {
  return createArchiver({
    source: source(),
    durable: { commit },
    onTurn: (_isWell, error) => error !== undefined && stage.faults.push(error),
    onPoison: (_id, _error, _epoch, seq) => alarms.push({ seq }),
    onMended: (sessionId) => mended.push(sessionId),
    ...(onDivergence === undefined ? {} : { onDivergence }),
  });
}

/** One round of an archiver, of any instance. */
async function round(...own: Parameters<typeof archiver>): Promise<void> {
  const one = archiver(...own);
  one.start();
  await one.stop();
}

const refusalOf = (id: string, reason = 'not that one (23514)') => {
  refuse = ({ messages }) => (messages.some((message) => message.id === id) ? new RefusedCommitError(reason) : null);
};

async function send(sessionId: string, sender: SeatHolder, ids: readonly string[]): Promise<void> {
  for (const id of ids) expect((await here.state.append(messageOf(sessionId, sender, id))).kind).toBe('appended');
}

const durableSeq = async (sessionId: string) => (await here.state.read(sessionId))?.durableSeq;

it('a message that is refused holds back what follows it, for longer each time, whatever comes meanwhile', async () => {
  const [room, other] = [await paired(stage, here, here), await paired(stage, here, here)];
  await send(room.sessionId, room.host, ['message-1', 'message-2', 'message-3', 'message-4']);
  refusalOf('message-3');
  await round();
  expect([await durableSeq(room.sessionId), alarms]).toEqual([2, [{ seq: 3 }]]);
  expect(await archiver().countAside()).toBe(1);
  expect(await source().take(10)).toEqual([]);

  for (const minutes of [1, 2, 4, 8, 10, 10]) {
    await here.state.change(room.sessionId, lockSession(room.host, minutes % 2 === 1));
    await here.state.append(messageOf(room.sessionId, room.host));
    // The others go their way.
    await here.state.append(messageOf(other.sessionId, other.host));
    stage.now += minutes * MINUTE - 1;
    commits = [];
    await round();
    expect(commits.flatMap(({ messages }) => messages).map(({ sessionId }) => sessionId)).toEqual([other.sessionId]);
    const before = commits.length;
    expect(await archiver().archive(room.sessionId)).toBe(false);
    expect(commits).toHaveLength(before);
    stage.now += 1;
    await round();
  }
  expect(alarms).toHaveLength(1);
  // The document is stored all the same.
  expect((await stage.archive.loadSession(room.sessionId, stage.now))?.document.locked).toBe(false);

  refusalOf('message-3', 'no such type (22P02)');
  stage.now += 10 * MINUTE;
  await round();
  expect(alarms).toEqual([{ seq: 3 }, { seq: 3 }]);

  refuse = () => null;
  stage.now += 10 * MINUTE;
  await round();
  expect(mended).toEqual([room.sessionId]);
  expect(await durableSeq(room.sessionId)).toBe(10);
  expect(await archiver().countAside()).toBe(0);
  expect(await archiver().archive(room.sessionId)).toBe(true);
});

it('the write-through of a session that is refused finds its fault as a round does, and then answers at once', async () => {
  const room = await paired(stage, here, here);
  await send(room.sessionId, room.host, ['message-1', 'message-2']);
  refusalOf('message-2');
  expect(await archiver().archive(room.sessionId)).toBe(false);
  expect([await durableSeq(room.sessionId), alarms]).toEqual([1, [{ seq: 2 }]]);
  const before = commits.length;
  expect(await archiver().archive(room.sessionId)).toBe(false);
  await round();
  expect(commits).toHaveLength(before);
});

it('a session that is put back from the archive is set aside no more, and what is not put back stays so', async () => {
  const room = await paired(stage, here, here);
  await send(room.sessionId, room.host, ['message-1', 'message-2']);
  await archiver().archive(room.sessionId);
  await send(room.sessionId, room.host, ['message-3', 'message-4']);
  // The first epoch is contradicted from here on.
  const contradicted = ({ sessions, messages }: CommitBatch) =>
    [...sessions.map(({ document }) => document), ...messages].some(({ epoch }) => epoch === 1);
  refuse = (batch) => (contradicted(batch) ? new DivergenceError('another epoch') : null);
  let putBack: Promise<void> = Promise.resolve();
  await round(() => (putBack = Promise.reject(new Error('the database is away'))));
  await expect(putBack).rejects.toThrow();
  expect(await source().release(room.sessionId)).toBe(false);
  expect(await archiver().countAside()).toBe(1);

  stage.now += MINUTE;
  await round((sessionId, epoch) => (putBack = here.state.replace(sessionId, epoch)));
  await putBack;
  await eventually(async () => expect(await archiver().countAside()).toBe(0));
  expect((await here.state.read(room.sessionId))?.document.epoch).toBe(2);
  expect([alarms.length, mended]).toEqual([1, [room.sessionId]]);
  const before = commits.length;
  await round();
  expect(commits.length).toBeGreaterThan(before);
});

it('what was set aside of an epoch that is over counts no more, whoever put the session back', async () => {
  const room = await paired(stage, here, here);
  await archiver().archive(room.sessionId);
  await send(room.sessionId, room.host, ['message-1']);
  refusalOf('message-1');
  await round();
  refuse = () => null;
  await here.state.replace(room.sessionId, 1);
  expect(await archiver().archive(room.sessionId)).toBe(true);
  expect([mended, await archiver().countAside()]).toEqual([[], 0]);
});

it('a session that nobody can read is set aside as well, and leaves nothing behind when it is gone', async () => {
  const room = await paired(stage, here, here);
  const { document } = stage.keys.session(room.sessionId);
  const text = String(await stage.command('GET', document));
  await stage.command('SET', document, '{', 'KEEPTTL');
  await round();
  stage.now += 30_000;
  await round();
  expect([alarms, await archiver().countAside()]).toEqual([[{ seq: null }], 1]);
  for (const name of await stage.names()) expect(Number(await stage.command('PTTL', name))).toBeGreaterThan(0);

  await stage.command('SET', document, text, 'KEEPTTL');
  stage.now += MINUTE;
  await round();
  expect([mended, await archiver().countAside()]).toEqual([[room.sessionId], 0]);

  await here.state.append(messageOf(room.sessionId, room.host));
  await stage.command('SET', document, '{', 'KEEPTTL');
  await round();
  await stage.command('DEL', document);
  stage.now += MINUTE;
  await round();
  expect(await archiver().countAside()).toBe(0);
});

it('two archivers of the same partitions never store a session at the same time, nor a message twice', async () => {
  const rooms = await Promise.all(Array.from({ length: 20 }, () => paired(stage, here, here)));
  const underWay = new Set<string>();
  const overlaps: string[] = [];
  let [isEven, stored] = [false, 0];
  const durable = {
    commit: async (batch: CommitBatch) => {
      const ids = batch.sessions.map(({ document }) => document.id);
      for (const id of ids) {
        if (underWay.has(id)) overlaps.push(id);
        underWay.add(id);
      }
      await stage.archive.commit(batch);
      stored += batch.messages.length;
      for (const id of ids) underWay.delete(id);
    },
  };
  const onPoison = (_id: string, error: unknown) => stage.faults.push(error);
  const both = [source(), source()].map((own) =>
    createArchiver({ source: own, durable, onTurn: () => undefined, onPoison }),
  );
  for (const one of both) one.start();
  for (let count = 0; count < 10; count += 1) {
    await Promise.all(rooms.map(({ sessionId, host }) => here.state.append(messageOf(sessionId, host))));
  }
  await eventually(async () => {
    for (const { sessionId } of rooms) expect(await durableSeq(sessionId)).toBe(10);
    isEven = true;
  });
  await Promise.all(both.map((one) => one.stop()));
  expect([isEven, overlaps, stored]).toEqual([true, [], 200]);
});

it('a look at nothing is one command for all partitions, and so is the number of those set aside', async () => {
  const { keys, clock } = stage;
  const asked: string[] = [];
  const redis: Pick<Instance['redis'], 'kind' | 'run'> = {
    kind: 'standalone',
    run: (script, names, values) => {
      asked.push(script.name);
      return stage.redis.run(script, names, values);
    },
  };
  const own = new Unarchived({ redis, keys, clock, hotMessages: 500, closedLifeMs: HORIZON_MS, owned: () => ALL });
  expect(await own.take(100)).toEqual([]);
  expect(await own.countAside()).toBe(0);
  expect(asked).toEqual(['find_waiting', 'count_set_aside']);
});
