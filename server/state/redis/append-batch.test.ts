import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../../test/support/eventually.ts';
import { startRedis, type RedisServer } from '../../../test/support/redis-server.ts';
import type { AppendRequest } from '../../sessions/ports.ts';
import type { SeatHolder } from '../../sessions/session.ts';
import { isUnavailable } from './client-errors.ts';
import { messageOf, paired, redisAt, RedisStage, type Instance } from './redis-stage.conformance.ts';

interface Room {
  readonly sessionId: string;
  readonly host: SeatHolder;
}

let server: RedisServer;
let stage: RedisStage;
let here: Instance;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

beforeEach(async () => {
  await server.command('FLUSHALL');
  stage = await RedisStage.open(redisAt(server.url));
  here = await stage.instance('here', {
    // One test takes its primary away, and the state says so.
    onFault: (error) => {
      if (!isUnavailable(error)) stage.faults.push(error);
    },
  });
});
afterEach(() => stage.close());

const roomsOf = (count: number): Promise<Room[]> =>
  Promise.all(Array.from({ length: count }, () => paired(stage, here, here)));
const sayingOf = ({ sessionId, host }: Room, id?: string) => messageOf(sessionId, host, id);

/** All in one turn; what became of each: the kind with its number, or the code or the text of its error. */
async function sent(requests: readonly AppendRequest[]): Promise<string[]> {
  const settled = await Promise.allSettled(requests.map((request) => here.state.append(request)));
  return settled.map((one) => {
    if (one.status === 'fulfilled') return 'seq' in one.value ? `${one.value.kind} ${one.value.seq}` : one.value.kind;
    const { code, message } = one.reason as Error & { code?: string }; // Errors alone.
    return code ?? message.replace(/ .*/, '');
  });
}

/** Ids of the log in their order; throws unless they are numbered without a hole and the head is the last. */
async function logged({ sessionId }: Room): Promise<string[]> {
  const page = await here.state.readLog(sessionId, { afterSeq: 0, limit: 1000 });
  expect(page?.messages.map(({ seq }) => seq)).toEqual(page?.messages.map((_, index) => index + 1));
  expect(page?.lastSeq).toBe(page?.messages.length);
  return page?.messages.map(({ id }) => id) ?? [];
}

async function backlog(rooms: readonly Room[]): Promise<number> {
  const keys = new Set(rooms.map(({ sessionId }) => stage.keys.partitionOf(sessionId).counts));
  const counts = await Promise.all([...keys].map((key) => stage.command('HGET', key, 'backlog')));
  return counts.reduce<number>((sum, count) => sum + Number(count), 0);
}

const corrupt = async ({ sessionId }: Room, part: 'log' | 'flat') => {
  const key = stage.keys.session(sessionId)[part];
  await stage.command('SET', key, 'no such thing');
};

describe('messages that are sent in one turn', () => {
  it('get their numbers in the order in which they were sent, in every session', async () => {
    const rooms = await roomsOf(3);
    const requests = Array.from({ length: 100 }, (_, index) => sayingOf(rooms[index % 3] as Room, `message-${index}`));
    const kinds = await sent(requests);
    expect(kinds).toEqual(requests.map((_, index) => `appended ${Math.floor(index / 3) + 1}`));
    for (const [room, { sessionId }] of rooms.entries()) {
      const own = requests.filter((request) => request.sessionId === sessionId).map(({ id }) => id);
      expect(await logged(rooms[room] as Room)).toEqual(own);
    }
    expect(here.heard).toHaveLength(100);
    expect(await backlog(rooms)).toBe(100);
  });

  it('are one when they are the same, however often they come', async () => {
    const [room] = (await roomsOf(1)) as [Room];
    const same = sayingOf(room, 'the-same');
    const other = messageOf(room.sessionId, room.host, 'the-same', 'another body');
    const kinds = await sent([...Array.from({ length: 40 }, () => same), other]);
    expect(kinds).toEqual(['appended 1', ...Array.from({ length: 39 }, () => 'duplicate 1'), 'id_reused']);
    expect(await logged(room)).toEqual(['the-same']);
    expect(here.heard).toHaveLength(1);
  });

  it.each([0, 1, 2])('concern their session alone when another is gone, at place %d', async (place) => {
    const rooms = await roomsOf(3);
    const { flat, log, document } = stage.keys.session((rooms[place] as Room).sessionId);
    for (const key of [flat, log, document]) await stage.command('DEL', key);
    const kinds = await sent(rooms.map((room) => sayingOf(room)));
    expect(kinds).toEqual([0, 1, 2].map((index) => (index === place ? 'no_such_session' : 'appended 1')));
    for (const [index, room] of rooms.entries()) if (index !== place) expect(await logged(room)).toHaveLength(1);
  });

  it.each([
    [0, 'log'],
    [1, 'log'],
    [2, 'log'],
    [0, 'flat'],
    [2, 'flat'],
  ] as const)(
    'concern their session alone when another is not what it should be: place %d, %s',
    async (place, part) => {
      const rooms = await roomsOf(3);
      await corrupt(rooms[place] as Room, part);
      for (const round of [1, 2]) {
        const kinds = await sent(rooms.map((room) => sayingOf(room)));
        expect(kinds).toEqual([0, 1, 2].map((index) => (index === place ? 'WRONGTYPE' : `appended ${round}`)));
      }
      for (const [index, room] of rooms.entries()) if (index !== place) expect(await logged(room)).toHaveLength(2);
      expect(await backlog(rooms.filter((_, index) => index !== place))).toBe(4);
    },
  );

  it('are not overtaken by those that went after them when the first one fails', async () => {
    const [broken, room] = (await roomsOf(2)) as [Room, Room];
    await corrupt(broken, 'log');
    // More than go together: the last ones are under way before it is known that the first ones had trouble.
    const own = Array.from({ length: 70 }, (_, index) => sayingOf(room, `message-${index}`));
    const kinds = await sent([sayingOf(broken), ...own]);
    expect(kinds).toEqual(['WRONGTYPE', ...own.map((_, index) => `appended ${index + 1}`)]);
    expect(await logged(room)).toEqual(own.map(({ id }) => id));
  });

  it('are refused whole by a full memory, and repetitions among them are answered all the same', async () => {
    const rooms = (await roomsOf(2)) as [Room, Room];
    const [known, other] = rooms.map((room) => sayingOf(room)) as [AppendRequest, AppendRequest];
    await sent([known, other]);
    await server.command('CONFIG', 'SET', 'maxmemory', '1');
    try {
      const kinds = await sent([sayingOf(rooms[0]), known, sayingOf(rooms[1]), other, sayingOf(rooms[0])]);
      expect(kinds).toEqual(['UNAVAILABLE', 'duplicate 1', 'UNAVAILABLE', 'duplicate 1', 'UNAVAILABLE']);
      expect(await sent([known, sayingOf(rooms[1])])).toEqual(['duplicate 1', 'UNAVAILABLE']);
    } finally {
      await server.command('CONFIG', 'SET', 'maxmemory', '0');
    }
    for (const room of rooms) expect(await logged(room)).toHaveLength(1);
    expect(await backlog(rooms)).toBe(2);
    expect(await sent(rooms.map((room) => sayingOf(room)))).toEqual(['appended 2', 'appended 2']);
  });

  it('keep their order with a Redis that has forgotten the script', async () => {
    const [room] = (await roomsOf(1)) as [Room];
    await server.command('SCRIPT', 'FLUSH');
    const requests = Array.from({ length: 70 }, (_, index) => sayingOf(room, `message-${index}`));
    expect(await sent(requests)).toEqual(requests.map((_, index) => `appended ${index + 1}`));
    expect(await logged(room)).toEqual(requests.map(({ id }) => id));
  });

  it.each([0, 1])(
    'are refused by a primary that is none any more, and it is left: the new one at place %d',
    async (place) => {
      const rooms = (await roomsOf(2)) as [Room, Room];
      const known = sayingOf(rooms[0]);
      await sent([known]);
      let isLost = false;
      const watched = here.redis.onLost(() => (isLost = true));
      // Of a primary that does not exist; it goes on answering what only reads.
      await server.command('REPLICAOF', '127.0.0.1', '1');
      const requests = [known, sayingOf(rooms[1])];
      const kinds = await sent(place === 0 ? requests.reverse() : requests);
      expect(kinds[place]).toBe('UNAVAILABLE');
      expect(['UNAVAILABLE', 'duplicate 1']).toContain(kinds[1 - place]);
      await eventually(() => (isLost ? Promise.resolve() : Promise.reject(new Error('still there'))));
      await server.command('REPLICAOF', 'NO', 'ONE');
      await eventually(async () => expect(await sent([known])).toEqual(['duplicate 1']));
      expect(await sent(rooms.map((room) => sayingOf(room)))).toEqual(['appended 2', 'appended 1']);
      watched();
    },
  );
});
