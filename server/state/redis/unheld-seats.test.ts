import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { plainRedis } from '../../../test/support/redis-server.ts';
import { TandemError } from '../../../protocol/errors.ts';
import { joinSession, retakeSeat, type NewSeat } from '../../sessions/session.ts';
import { createRedis, type Redis } from './client.ts';
import { HORIZON_MS, newcomer, opened, redisAt, RedisStage, type Instance } from './redis-stage.conformance.ts';
import { UnheldSeats } from './unheld-seats.ts';

let server: Awaited<ReturnType<typeof plainRedis>>;
let stage: RedisStage;
let redis: Redis;
let one: Instance;
/** The next store of a session: its answer is lost, or it never arrives. */
let fault: 'answer_lost' | 'never_arrived' | null;

beforeEach(async () => {
  server = await plainRedis();
  stage = await RedisStage.open(redisAt(server.url));
  redis = createRedis(redisAt(server.url));
  await redis.start();
  fault = null;
  const run: Redis['run'] = async (script, ...call) => {
    const now = script.name === 'store_session' ? fault : null;
    if (now !== null) fault = null;
    if (now === 'never_arrived') throw new TandemError('UNAVAILABLE');
    const reply = await redis.run(script, ...call);
    if (now === 'answer_lost') throw new TandemError('UNAVAILABLE');
    return reply;
  };
  one = await stage.instance('one', { redis: { ...redis, run } });
});

afterEach(async () => {
  await stage.close();
  await redis.close();
  await server.stop();
});

async function joinInVain(): Promise<{ sessionId: string; seat: NewSeat }> {
  const document = opened(stage, 'one');
  await one.state.create(document, () => undefined);
  const seat = newcomer('one', { keyHash: 'key' });
  fault = 'answer_lost';
  const join = one.state.change(document.id, joinSession(document.code?.value ?? '', seat, HORIZON_MS));
  await expect(join).rejects.toThrow(TandemError);
  return { sessionId: document.id, seat };
}

const presences = async (sessionId: string) =>
  (await one.state.read(sessionId))?.document.seats.map(({ presence }) => presence);

it('a seat that was taken without a word to its participant is away, and not online for ever', async () => {
  const { sessionId } = await joinInVain();
  expect(await presences(sessionId)).toEqual(['online', 'online']);
  await one.state.takeMovedHeads();
  expect(await presences(sessionId)).toEqual(['online', 'away']);
});

it('a seat that was taken again meanwhile stays', async () => {
  const { sessionId, seat } = await joinInVain();
  const again = await one.state.change(sessionId, retakeSeat({ ...seat, tokenHash: 'another' }, HORIZON_MS));
  expect(again).toMatchObject({ kind: 'decided', outcome: { kind: 'retaken' } });
  await one.state.takeMovedHeads();
  await one.state.takeMovedHeads();
  expect(await presences(sessionId)).toEqual(['online', 'online']);
});

it('the host of a session whose creation was not answered is away, and one that was not made is nowhere', async () => {
  for (const kind of ['answer_lost', 'never_arrived'] as const) {
    const document = opened(stage, 'one');
    fault = kind;
    await expect(one.state.create(document, () => undefined)).rejects.toThrow(TandemError);
    await one.state.takeMovedHeads();
    expect(await presences(document.id)).toEqual(kind === 'answer_lost' ? ['away'] : undefined);
  }
});

it('is looked after until Redis was there for a while, and stops no other when its session is broken', async () => {
  let now = 0;
  const seats = new UnheldSeats('one', () => now);
  const documents = [opened(stage, 'one'), opened(stage, 'one')];
  for (const document of documents) seats.note(null, document);
  const [broken, other] = documents.map(({ id }) => id);
  now = 3_600_000;
  await expect(seats.release(() => Promise.reject(new TandemError('UNAVAILABLE')))).rejects.toThrow(TandemError);
  let asked: string[] = [];
  const drop = (sessionId: string) => {
    asked.push(sessionId);
    return sessionId === broken ? Promise.reject(new SyntaxError('no document')) : Promise.resolve();
  };
  await expect(seats.release(drop)).rejects.toThrow(SyntaxError);
  for (const [passed, expected] of [
    [0, [other]],
    [30_000, [other]],
    [1, []],
  ] as const) {
    now += passed;
    asked = [];
    await seats.release(drop);
    expect(asked).toEqual(expected);
  }
});
