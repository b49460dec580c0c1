import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { leaveSession } from '../../sessions/session.ts';
import { PARTITIONS, partitionOf } from './keys.ts';
import { PartitionTallies } from './partition-tallies.ts';
import { messageOf, opened, paired, RedisStage, type Instance } from './redis-stage.conformance.ts';

const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);

let stage: RedisStage;
let one: Instance;

beforeEach(async () => {
  stage = await RedisStage.open();
  one = await stage.instance('one');
});

afterEach(() => stage.close());

it('instances that share the partitions count everything once', async () => {
  for (let count = 0; count < 6; count += 1) await paired(stage, one, one);
  await one.state.create(opened(stage, 'one'), () => undefined);
  const shares = [0, 1, 2].map((rest) => ALL.filter((partition) => partition % 3 === rest));
  const sums = { waiting: 0, paired: 0, online: 0 };
  for (const share of shares) {
    const tallies = new PartitionTallies(stage.redis, stage.keys);
    await tallies.refresh(share);
    const { sessions, participants } = tallies.counts();
    sums.waiting += sessions.waiting;
    sums.paired += sessions.paired;
    sums.online += participants.online;
  }
  expect(sums).toEqual({ waiting: 1, paired: 6, online: 13 });
});

it('what is closed and left counts no more', async () => {
  const room = await paired(stage, one, one);
  for (const holder of [room.guest, room.host]) await one.state.change(room.sessionId, leaveSession(holder));
  await one.state.refreshCounts(ALL);
  expect(one.state.counts()).toMatchObject({
    sessions: { waiting: 0, paired: 0 },
    participants: { online: 0, away: 0 },
  });
});

it('the backlog of all is told from the partitions at hand, and refuses sends but no repetition', async () => {
  const full = await stage.instance('full', { maxBacklog: 3 });
  const room = await paired(stage, full, full);
  const requests = Array.from({ length: 3 }, () => messageOf(room.sessionId, room.host));
  for (const request of requests) expect((await full.state.append(request)).kind).toBe('appended');
  await full.state.refreshCounts(ALL);
  expect(full.state.isBacklogFull).toBe(true);
  await expect(full.state.append(messageOf(room.sessionId, room.host))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  for (const [index, request] of requests.entries()) {
    expect(await full.state.append(request)).toMatchObject({ kind: 'duplicate', seq: index + 1 });
  }
  const half = [partitionOf(room.sessionId), ...ALL.filter((at) => at !== partitionOf(room.sessionId)).slice(0, 31)];
  const tallies = new PartitionTallies(stage.redis, stage.keys);
  await tallies.refresh(half);
  expect(tallies.backlog).toBe(6);
  await tallies.refresh([]);
  expect(tallies.backlog).toBe(0);
});
