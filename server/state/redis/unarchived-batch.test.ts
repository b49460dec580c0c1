import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startRedis, type RedisServer } from '../../../test/support/redis-server.ts';
import type { UnarchivedSession } from '../../sessions/ports.ts';
import type { SeatHolder } from '../../sessions/session.ts';
import { PARTITIONS } from './keys.ts';
import { HORIZON_MS, messageOf, paired, redisAt, RedisStage, type Instance } from './redis-stage.conformance.ts';
import { Unarchived } from './unarchived.ts';

const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);
/** As `unarchived.ts` has them. */
const [BYTES, BYTES_TOGETHER] = [512 * 1024, 1024 * 1024];

interface Room {
  readonly sessionId: string;
  readonly host: SeatHolder;
}

let server: RedisServer;
let stage: RedisStage;
let here: Instance;
let unarchived: Unarchived;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

beforeEach(async () => {
  await server.command('FLUSHALL');
  stage = await RedisStage.open(redisAt(server.url));
  here = await stage.instance('here');
  const { redis, keys, clock } = stage;
  unarchived = new Unarchived({ redis, keys, clock, hotMessages: 500, closedLifeMs: HORIZON_MS, owned: () => ALL });
});
afterEach(() => stage.close());

async function roomsOf(count: number, messages: number): Promise<Room[]> {
  const rooms = await Promise.all(Array.from({ length: count }, () => paired(stage, here, here)));
  const requests = rooms.flatMap(({ sessionId, host }) =>
    Array.from({ length: messages }, () => messageOf(sessionId, host)),
  );
  await Promise.all(requests.map((request) => here.state.append(request)));
  return rooms;
}

const readAll = (rooms: readonly Room[]) =>
  Promise.allSettled(rooms.map(({ sessionId }) => unarchived.read(sessionId, 500)));

function readOf(outcome: PromiseSettledResult<UnarchivedSession | null> | undefined): UnarchivedSession {
  if (outcome?.status !== 'fulfilled' || outcome.value === null) throw new Error('there is a session');
  return outcome.value;
}

async function backlog(): Promise<number> {
  const counts = await Promise.all(
    ALL.map((partition) => stage.command('HGET', stage.keys.partition(partition).counts, 'backlog')),
  );
  return counts.reduce<number>((sum, count) => sum + Number(count), 0);
}

const isMarked = async ({ sessionId }: Room) =>
  (await stage.command('ZSCORE', stage.keys.partitionOf(sessionId).unarchived, sessionId)) !== null;

describe('sessions that are archived in one turn', () => {
  it('are read each by itself, and settled as if they were alone', async () => {
    const rooms = await roomsOf(34, 3);
    expect(await backlog()).toBe(102);
    const sessions = (await readAll(rooms)).map(readOf);
    expect(sessions.map(({ sessionId, messages }) => [sessionId, messages.length])).toEqual(
      rooms.map(({ sessionId }) => [sessionId, 3]),
    );
    expect(sessions.map(({ document }) => document.id)).toEqual(rooms.map(({ sessionId }) => sessionId));
    const [late, ...others] = rooms as [Room, ...Room[]];
    await here.state.append(messageOf(late.sessionId, late.host));
    // Another archiver has the same ones.
    const outcomes = await Promise.all([...sessions, ...sessions].map((session) => unarchived.settle(session)));
    const expected = ['more', ...others.map(() => 'done')];
    expect(outcomes).toEqual([...expected, ...expected]);
    expect(await backlog()).toBe(1);
    expect([await isMarked(late), ...(await Promise.all(others.map(isMarked)))]).toEqual([
      true,
      ...others.map(() => false),
    ]);
  });

  it.each([0, 1, 2])('concern themselves alone when one is gone or broken, at place %d', async (place) => {
    const rooms = await roomsOf(3, 2);
    const broken = rooms[place] as Room;
    const sessions = (await readAll(rooms)).map(readOf);
    await stage.command('SET', stage.keys.session(broken.sessionId).ended, 'no such thing');
    const whole = [0, 1, 2].map((index) => index !== place);
    const reads = await readAll(rooms);
    expect(reads.map(({ status }) => status === 'fulfilled')).toEqual(whole);
    const settled = await Promise.allSettled(sessions.map((session) => unarchived.settle(session)));
    expect(settled.map((one) => one.status === 'fulfilled' && one.value === 'done')).toEqual(whole);
    expect(await backlog()).toBe(0);
    const { flat, document } = stage.keys.session(broken.sessionId);
    for (const key of [flat, document]) await stage.command('DEL', key);
    const again = await readAll(rooms);
    expect(
      again.map((one) => (one.status === 'fulfilled' ? (one.value?.messages.length ?? null) : one.status)),
    ).toEqual([0, 1, 2].map((index) => (index === place ? null : 0)));
    expect(await unarchived.settle(sessions[place] as UnarchivedSession)).toBe('gone');
  });

  it('bring so many bytes together, and of each its share', async () => {
    const rooms = await roomsOf(10, 0);
    const body = 'x'.repeat(16_000);
    const requests = rooms.flatMap(({ sessionId, host }) =>
      Array.from({ length: 34 }, () => messageOf(sessionId, host, undefined, body)),
    );
    await Promise.all(requests.map((request) => here.state.append(request)));
    const counts = (await readAll(rooms)).map((outcome) => readOf(outcome).messages.length);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(Math.floor(BYTES_TOGETHER / rooms.length / body.length));
    expect(Math.max(...counts) * body.length).toBeLessThanOrEqual(BYTES);
    const bytes = counts.reduce((sum, count) => sum + count, 0) * body.length;
    // The first goes out at once, and the others while it is under way.
    expect(bytes).toBeLessThanOrEqual(BYTES + BYTES_TOGETHER + rooms.length * body.length);
    expect(bytes).toBeGreaterThan(BYTES_TOGETHER / 2);
  });
});
