import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createArchiver } from '../../jobs/archiver.ts';
import { reportOf } from '../conformance/reports.conformance.ts';
import { Recorder } from '../memory/recorder.conformance.ts';
import { slotOf } from './client-slots.ts';
import { claimDatabase } from './database-claim.ts';
import { Instances } from './instances.ts';
import { Keys, PARTITIONS, partitionOf } from './keys.ts';
import { RedisLimits } from './redis-limits.ts';
import { RedisReports } from './redis-reports.ts';
import { HORIZON_MS, messageOf, MINUTE, opened, paired, RedisStage } from './redis-stage.conformance.ts';
import { Unarchived } from './unarchived.ts';

describe('the keys of a session', () => {
  const keys = new Keys('tandem');

  it('lie in the slot of its partition, with the channels of its instances', () => {
    for (let count = 0; count < 200; count += 1) {
      const id = randomUUID();
      const { document, flat, log, sends, ended } = keys.session(id);
      const { due, unarchived, counts, held } = keys.partitionOf(id);
      const names = [document, flat, log, `${sends}480000`, ended, due, unarchived, counts, `${held}instance`];
      names.push(`${keys.channel(partitionOf(id))}instance`, `${keys.partitionOf(id).flat}${id}`);
      expect(new Set(names.map(slotOf)).size).toBe(1);
      expect(keys.partitionOf(id).flat + id).toBe(flat);
    }
  });

  it('fill all partitions evenly', () => {
    const filled = new Array<number>(PARTITIONS).fill(0);
    for (let count = 0; count < 6400; count += 1) {
      const partition = partitionOf(randomUUID());
      filled[partition] = (filled[partition] ?? 0) + 1;
    }
    expect(Math.min(...filled)).toBeGreaterThan(50);
    expect(Math.max(...filled)).toBeLessThan(150);
  });

  it('are where they were in every version of the server', () => {
    expect(partitionOf('01890a5d-ac96-774b-bcce-b302099a8057')).toBe(51);
    expect(keys.session('01890a5d-ac96-774b-bcce-b302099a8057').flat).toBe(
      'tandem:{p51}:s:01890a5d-ac96-774b-bcce-b302099a8057',
    );
  });

  it('keep a limit and its block in one slot, and a code beside the list of all', () => {
    for (const bucket of ['2001:db8::/64', 'user', 'a}b', '{a}']) {
      expect(slotOf(keys.limit('auth', bucket))).toBe(slotOf(`${keys.limit('auth', bucket)}:block`));
    }
    expect(slotOf(keys.code('BCD234'))).toBe(slotOf(keys.liveCodes));
  });

  it('know no partition but the 64', () => {
    expect(() => keys.partition(64)).toThrow(RangeError);
  });
});

describe('every key', () => {
  let stage: RedisStage;

  beforeEach(async () => {
    stage = await RedisStage.open();
  });

  afterEach(() => stage.close());

  it('ends by itself, whatever was done', async () => {
    const { keys, redis, clock } = stage;
    const [one, other] = [await stage.instance('one'), await stage.instance('other')];
    const room = await paired(stage, one, other);
    const limit = { name: 'messages_user', scope: 'user', points: 5, durationSeconds: 60 } as const;
    const limits = [{ info: limit, bucket: 'user', blockMs: 1000 }];
    await one.state.append({ ...messageOf(room.sessionId, room.host), limits });
    await other.state.append(messageOf(room.sessionId, room.guest));
    await other.state.recordReceipt(room.sessionId, room.guest, { read: 1 });
    await one.state.touch(room.sessionId, room.host, 'idle');
    const keyed = opened(stage, 'one', 2, { keyHash: 'key' });
    await one.state.create(keyed, () => undefined);
    const counted = new RedisLimits({
      redis,
      keys,
      failPolicy: 'closed',
      instanceCount: () => 1,
      now: () => stage.now,
      clock,
    });
    await counted.take(limits);
    await counted.recordFailure({ info: { ...limit, points: 1 }, bucket: 'address', blockMs: 300_000 });
    await claimDatabase(redis, keys, 'database');
    await new Instances(redis, keys).beat('one');
    await new Instances(redis, keys).beat('other');
    await new RedisReports({ redis, keys, now: () => stage.now }).put(reportOf('one'));

    stage.now += 6 * MINUTE;
    expect(await one.state.takeDue(10)).toHaveLength(2);
    const [seat] = keyed.seats;
    if (seat === undefined) throw new Error('there is a host');
    await one.state.change(keyed.id, (document) => ({
      kind: 'change',
      document: { ...document, seats: [], closed: { reason: 'empty', at: stage.now } },
      outcome: null,
      lasting: true,
      ended: [{ seat, reason: 'left', at: stage.now }],
    }));
    const names = await stage.names();
    expect(names.length).toBeGreaterThan(20);
    expect(await endless(names)).toEqual([]);

    const source = new Unarchived({
      ...{ redis, keys, clock, hotMessages: 0, closedLifeMs: HORIZON_MS },
      owned: () => Array.from({ length: PARTITIONS }, (_, partition) => partition),
    });
    const options = { source, durable: new Recorder(), onTurn: () => undefined, onPoison: () => undefined };
    for (const id of [room.sessionId, keyed.id]) expect(await createArchiver(options).archive(id)).toBe(true);
    await other.state.append(messageOf(room.sessionId, room.guest));
    expect(await endless(await stage.names())).toEqual([]);
    const { document, flat } = keys.session(keyed.id);
    for (const name of [document, flat])
      expect(Number(await stage.command('PTTL', name))).toBeLessThanOrEqual(HORIZON_MS);
  });

  it('of a session that is spoken in lives on without a change of its document', async () => {
    const instance = await stage.instance('one');
    const room = await paired(stage, instance, instance);
    await instance.state.append(messageOf(room.sessionId, room.host));
    const { document, flat, log } = stage.keys.session(room.sessionId);
    const { due, held } = stage.keys.partitionOf(room.sessionId);
    const names = [document, flat, log, due, `${held}one`];
    for (const name of names) await stage.command('PEXPIRE', name, '100000');
    stage.now += 4 * MINUTE;
    await instance.state.append(messageOf(room.sessionId, room.host));
    stage.now += 2 * MINUTE;
    // Its place in the list of deadlines has come, its deadline has not.
    expect(await instance.state.takeDue(10)).toEqual([]);
    for (const name of names) expect(Number(await stage.command('PTTL', name))).toBeGreaterThan(7 * 86_400_000);
  });

  async function endless(names: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (const name of names) if (Number(await stage.command('PTTL', name)) === -1) found.push(name);
    return found;
  }
});
