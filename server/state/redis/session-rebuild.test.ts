import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TandemError } from '../../../protocol/errors.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { plainRedis } from '../../../test/support/redis-server.ts';
import { createArchiver } from '../../jobs/archiver.ts';
import { RefusedCommitError, type ArchiveOutcome, type CommitBatch } from '../../sessions/ports.ts';
import { closeByHost, lockSession, resumeSeat, SERVER, type Rule } from '../../sessions/session.ts';
import { PARTITIONS } from './keys.ts';
import { HORIZON_MS, messageOf, paired, redisAt, RedisStage, type Instance } from './redis-stage.conformance.ts';
import { Unarchived } from './unarchived.ts';

const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);

let server: Awaited<ReturnType<typeof plainRedis>>;
let stage: RedisStage;
let here: Instance;
let there: Instance;
/** Runs between the archive's last look at what Redis has and the new epoch. */
let beforeEpoch: () => Promise<void>;
/** What the database says to a commit. */
let refusal: Error | null;
let loads: number;
let isAway: boolean;
/** Whether the database has no such session. */
let isForgotten: boolean;

beforeAll(async () => {
  server = await plainRedis();
});
afterAll(() => server.stop());

beforeEach(async () => {
  stage = await RedisStage.open(redisAt(server.url));
  beforeEpoch = () => Promise.resolve();
  refusal = null;
  [loads, isAway, isForgotten] = [0, false, false];
  const durable = Object.assign(Object.create(stage.archive) as typeof stage.archive, {
    commit: async (batch: CommitBatch) => {
      if (refusal !== null) throw refusal;
      await stage.archive.commit(batch);
    },
    loadSession: (sessionId: string, now: number) => {
      loads += 1;
      if (isAway) return Promise.reject(new TandemError('UNAVAILABLE'));
      return isForgotten ? Promise.resolve(null) : stage.archive.loadSession(sessionId, now);
    },
    raiseEpoch: async (sessionId: string, epoch: number) => {
      await beforeEpoch();
      return stage.archive.raiseEpoch(sessionId, epoch);
    },
  });
  const source = new Unarchived({
    ...{ redis: stage.redis, keys: stage.keys, clock: stage.clock, hotMessages: 500, closedLifeMs: HORIZON_MS },
    owned: () => ALL,
  });
  const archiver = createArchiver({ source, durable, onTurn: () => undefined, onPoison: () => undefined });
  const store = (sessionId: string): Promise<ArchiveOutcome> => archiver.archiveRest(sessionId);
  const archive = { durable, store, now: () => stage.now };
  here = await stage.instance('here', { archive });
  there = await stage.instance('there', { archive });
});

afterEach(() => stage.close());

const flatOf = (sessionId: string) => stage.keys.session(sessionId).flat;

async function outcomeOf(work: Promise<{ kind: string }>): Promise<string> {
  try {
    return (await work).kind;
  } catch (error) {
    if (error instanceof TandemError) return error.code;
    throw error;
  }
}

/** Whatever generation the seat has by then. */
function lockedBy(seatId: string): Rule<unknown> {
  return (document, context) => {
    const generation = document.seats.find(({ id }) => id === seatId)?.generation ?? 0;
    return lockSession({ seatId, generation }, true)(document, context);
  };
}

/** Ids that the archive has, in their order, and then those that wait for it. */
async function idsOf(sessionId: string): Promise<string[]> {
  const stored = await stage.archive.readMessages(sessionId, { afterSeq: 0, limit: 100 });
  const page = await here.state.readLog(sessionId, { afterSeq: stored.length, limit: 100 });
  return [...stored, ...(page?.messages ?? [])].map(({ id }) => id);
}

describe('while a session is put back', () => {
  it('nothing is answered that would be thrown away with what is replaced', async () => {
    const { sessionId, host, guest } = await paired(stage, here, there);
    const [first, late] = [messageOf(sessionId, host), messageOf(sessionId, SERVER)];
    await here.state.append(first);
    const meanwhile: string[] = [];
    beforeEpoch = async () => {
      // Of the other rebuild that this brings about, too, nothing may come in between.
      beforeEpoch = () => Promise.resolve();
      meanwhile.push(await outcomeOf(there.state.append(late)));
      meanwhile.push(await outcomeOf(there.state.change(sessionId, lockSession(guest, true))));
    };
    await here.state.replace(sessionId, 1);
    expect(meanwhile[0]).toBe('UNAVAILABLE');
    expect(await outcomeOf(there.state.append(first))).toBe('duplicate');
    expect(await outcomeOf(there.state.append(late))).toBe('appended');
    expect(await idsOf(sessionId)).toEqual([first.id, late.id]);
    expect((await here.state.read(sessionId))?.document.epoch).toBeGreaterThan(1);
  });

  it('a change is refused or made under the new epoch, and never undone', async () => {
    const { sessionId, host } = await paired(stage, here, there);
    let changed = '';
    beforeEpoch = async () => {
      beforeEpoch = () => Promise.resolve();
      changed = await outcomeOf(there.state.change(sessionId, lockedBy(host.seatId)));
    };
    await here.state.replace(sessionId, 1);
    const isLocked = (await here.state.read(sessionId))?.document.locked;
    expect([changed, isLocked]).toEqual(changed === 'decided' ? ['decided', true] : ['UNAVAILABLE', false]);
  });

  it('nothing is thrown away that the database could not take, and the session goes on', async () => {
    const { sessionId, host } = await paired(stage, here, there);
    const [first, second] = [messageOf(sessionId, host), messageOf(sessionId, host)];
    await here.state.append(first);
    refusal = new RefusedCommitError('no room (53100)');
    await expect(here.state.replace(sessionId, 1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await outcomeOf(there.state.append(second))).toBe('appended');
    expect((await here.state.read(sessionId))?.document.epoch).toBe(1);
    refusal = null;
    await here.state.replace(sessionId, 1);
    expect((await here.state.read(sessionId))?.document.epoch).toBe(2);
    expect(await idsOf(sessionId)).toEqual([first.id, second.id]);
  });

  it('by one who died, whoever comes next does it', async () => {
    const { sessionId, host, guest } = await paired(stage, here, there);
    const first = messageOf(sessionId, host);
    await here.state.append(first);
    await stage.command('HINCRBY', flatOf(sessionId), 'rb', '1');
    const next = messageOf(sessionId, guest);
    expect(await outcomeOf(there.state.append(next))).toBe('UNAVAILABLE');
    expect((await here.state.read(sessionId))?.document.epoch).toBe(2);
    await stage.command('HINCRBY', flatOf(sessionId), 'rb', '1');
    expect(await outcomeOf(there.state.change(sessionId, lockedBy(host.seatId)))).toBe('decided');
    expect((await here.state.read(sessionId))?.document.epoch).toBe(3);
    expect(await idsOf(sessionId)).toEqual([first.id]);
  });

  it('no receipt is taken back', async () => {
    const { sessionId, host, guest } = await paired(stage, here, there);
    await here.state.append(messageOf(sessionId, host));
    await stage.command('HINCRBY', flatOf(sessionId), 'rb', '1');
    expect(await outcomeOf(there.state.recordReceipt(sessionId, guest, { read: 1 }))).toBe('UNAVAILABLE');
    await stage.command('HDEL', flatOf(sessionId), 'rb');
    expect(await outcomeOf(there.state.recordReceipt(sessionId, guest, { read: 1 }))).toBe('recorded');
  });

  it('one that nobody can put back any more is not held for good', async () => {
    const { sessionId, host } = await paired(stage, here, there);
    await here.state.append(messageOf(sessionId, host));
    await stage.command('HINCRBY', flatOf(sessionId), 'rb', '1');
    isForgotten = true;
    expect(await outcomeOf(there.state.change(sessionId, lockedBy(host.seatId)))).toBe('decided');
    expect(await stage.command('HGET', flatOf(sessionId), 'rb')).toBeNull();
  });

  it('that fails, the look that noticed it ends, although others have moved', async () => {
    const [moved, behind] = [await paired(stage, here, here), await paired(stage, here, here)];
    await here.state.append(messageOf(behind.sessionId, behind.host));
    await here.state.append(messageOf(moved.sessionId, moved.host));
    await stage.command('HSET', flatOf(behind.sessionId), 'seq', '0');
    isAway = true;
    here.state.suspect();
    await eventually(() => {
      expect(stage.faults).toHaveLength(1);
      return Promise.resolve();
    });
    // A loop that begins anew at once would look again with each round trip.
    for (let count = 0; count < 200; count += 1) await stage.command('GET', 'nothing');
    expect(loads).toBe(1);
    expect(stage.faults.splice(0)).toMatchObject([{ code: 'UNAVAILABLE' }]);
  });

  it('a closed one is read again, under its own epoch, however often that is begun', async () => {
    const { sessionId, host } = await paired(stage, here, there);
    await here.state.change(sessionId, closeByHost(host));
    const seat = { seatId: host.seatId, tokenHash: `token of ${host.seatId}`, userId: null, instance: 'there' };
    for (const instance of [there, here, there]) {
      await stage.command('HINCRBY', flatOf(sessionId), 'rb', '1');
      expect(await outcomeOf(instance.state.change(sessionId, resumeSeat(seat, HORIZON_MS)))).toBe('decided');
    }
    expect((await here.state.read(sessionId))?.document).toMatchObject({ epoch: 1, closed: { reason: 'closed' } });
  });
});

it('somebody whose resume Redis has lost is told to repeat, and not that there is no seat', async () => {
  const { sessionId, host } = await paired(stage, here, there);
  const names = (await stage.names()).filter((name) => name.includes(sessionId));
  for (const name of names) await stage.redis.send(['COPY', name, `${name}:kept`, 'REPLACE'], name);
  const seat = { seatId: host.seatId, tokenHash: `token of ${host.seatId}`, userId: null, instance: 'here' };
  const { outcome } = (await here.state.change(sessionId, resumeSeat(seat, HORIZON_MS))) as {
    outcome: { seat: { generation: number } };
  }; // The seat is there.
  const { generation } = outcome.seat;
  for (const name of names) await stage.redis.send(['COPY', `${name}:kept`, name, 'REPLACE'], name);
  const sent = messageOf(sessionId, { ...host, generation });
  expect(await outcomeOf(here.state.append(sent))).toBe('UNAVAILABLE');
  expect((await here.state.read(sessionId))?.document.epoch).toBe(2);
});
