import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { releaseSeats } from '../../sessions/instance-seats.ts';
import { dropConnection, resumeSeat } from '../../sessions/session.ts';
import { Instances } from './instances.ts';
import { PARTITIONS } from './keys.ts';
import { HORIZON_MS, paired, RedisStage, type Instance } from './redis-stage.conformance.ts';

const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);

let stage: RedisStage;
let one: Instance;
let other: Instance;
let instances: Instances;

beforeEach(async () => {
  stage = await RedisStage.open();
  [one, other] = [await stage.instance('one'), await stage.instance('other')];
  instances = new Instances(stage.redis, stage.keys);
});

afterEach(() => stage.close());

it('count their heartbeats, and see those of all', async () => {
  await instances.beat('one');
  await instances.beat('other');
  expect(await instances.beat('one')).toEqual(
    new Map([
      ['one', 2],
      ['other', 1],
    ]),
  );
});

it('are known to have left, and to be back', async () => {
  await instances.beat('one');
  await instances.leave('one');
  expect((await instances.beat('other')).get('one')).toBeLessThan(0);
  await instances.beat('one');
  expect((await instances.beat('one')).get('one')).toBeGreaterThan(0);
});

it('are known to hold a session for as long as one of its seats is theirs', async () => {
  const room = await paired(stage, one, other);
  expect(await instances.heldBy('one', ALL)).toEqual([room.sessionId]);
  expect(await instances.heldBy('other', ALL)).toEqual([room.sessionId]);
  await other.state.change(room.sessionId, dropConnection(room.guest));
  expect(await instances.heldBy('other', ALL)).toEqual([]);
  const snapshot = await one.state.read(room.sessionId);
  const seat = snapshot?.document.seats[1];
  if (seat === undefined) throw new Error('the guest has a seat');
  const request = { seatId: seat.id, tokenHash: seat.tokenHash, userId: null, instance: 'one' };
  await one.state.change(room.sessionId, resumeSeat(request, HORIZON_MS));
  await one.state.change(room.sessionId, dropConnection(room.host));
  expect(await instances.heldBy('one', ALL)).toEqual([room.sessionId]);
});

it('are forgotten when nothing counts on them any more', async () => {
  const room = await paired(stage, one, other);
  await instances.beat('other');
  expect(await instances.forget('other')).toBe(false);
  await one.state.change(room.sessionId, releaseSeats('other'));
  expect(await instances.forget('other')).toBe(true);
  expect(await instances.beat('one')).toEqual(new Map([['one', 1]]));
});

it('are forgotten although a session that they held is gone, or knows nothing of them', async () => {
  const room = await paired(stage, one, other);
  const { document, flat } = stage.keys.session(room.sessionId);
  await stage.command('SADD', `${stage.keys.partition(3).held}other`, randomUUID());
  await stage.command('DEL', flat, document);
  await instances.beat('other');
  expect(await instances.forget('other')).toBe(true);
  expect((await stage.names()).filter((name) => name.endsWith(':held:other'))).toEqual([]);
});
