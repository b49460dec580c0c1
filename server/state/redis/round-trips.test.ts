import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '../../../test/support/eventually.ts';
import { startRedis, type RedisServer } from '../../../test/support/redis-server.ts';
import type { LimitRequest } from '../../../protocol/limits.ts';
import { createArchiver } from '../../jobs/archiver.ts';
import { newInstanceId } from './instance-id.ts';
import { PARTITIONS } from './keys.ts';
import { loadScript } from './script.ts';
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

const MESSAGES = 50;
/** What connections say by themselves. */
const OWN = new Set(['ping', 'info', 'config|resetstat']);

let server: RedisServer;
let stage: RedisStage;
let instances: Instance[];

beforeAll(async () => {
  server = await startRedis();
  stage = await RedisStage.open(redisAt(server.url));
  instances = await Promise.all(Array.from({ length: 3 }, () => stage.instance(newInstanceId())));
});

afterAll(async () => {
  await stage.close();
  await server.stop();
});

/** How often Redis ran each command meanwhile, within scripts too. */
async function commandsDuring(work: () => Promise<void>): Promise<ReadonlyMap<string, number>> {
  await server.command('CONFIG', 'RESETSTAT');
  await work();
  const stats = String(await server.command('INFO', 'commandstats'));
  const counts = [...stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)].map(
    ([, name = '', calls]) => [name, Number(calls)] as const,
  );
  return new Map(counts.filter(([name]) => !OWN.has(name)));
}

const limit = (name: 'messages_user' | 'messages_ip', scope: 'user' | 'ip'): LimitRequest => {
  return { info: { name, scope, points: 1000, durationSeconds: 60 }, bucket: randomUUID(), blockMs: 0 };
};

async function room(size: number): Promise<{ sender: Instance; send: (count: number) => Promise<void> }> {
  const [sender, ...others] = instances.slice(0, size);
  if (sender === undefined) throw new Error('there are instances');
  const document = opened(stage, sender.id, 5);
  await sender.state.create(document, () => undefined);
  for (const other of others) await join(document, other);
  const holder = { seatId: document.seats[0]?.id ?? '', generation: 1 };
  const limits = [limit('messages_user', 'user'), limit('messages_ip', 'ip')];
  const send = async (count: number) => {
    const requests = Array.from({ length: count }, () => ({ ...messageOf(document.id, holder), limits }));
    for (const request of requests) expect((await sender.state.append(request)).kind).toBe('appended');
  };
  return { sender, send };
}

it.each([1, 2, 3])('a message to %d instances is one round trip, and a publish to each of the others', async (size) => {
  const { send } = await room(size);
  await send(1);
  const counts = await commandsDuring(() => send(MESSAGES));
  expect(counts.get('evalsha')).toBe(MESSAGES);
  expect(counts.get('publish') ?? 0).toBe(MESSAGES * (size - 1));
  // As the head of append_message.lua has it: seven, three for each limit, and the publishes. The tests have a clock.
  const { evalsha = 0, ...inside } = Object.fromEntries(counts);
  const calls = Object.values(inside).reduce((sum, count) => sum + count, 0);
  // Each sixteenth looks what of a limit is over, and each 32nd whether the archive knows.
  const rare = 2 * Math.floor(MESSAGES / 16) + Math.floor(MESSAGES / 32);
  expect(calls).toBe(evalsha * (7 + 3 * 2 + (size - 1)) + rare);
});

it('a repetition, a refusal and an activity are one round trip', async () => {
  const [one, other] = instances;
  if (one === undefined || other === undefined) throw new Error('there are instances');
  const { sessionId, host, guest } = await paired(stage, one, other);
  const request = messageOf(sessionId, host);
  await one.state.append(request);
  const counts = await commandsDuring(async () => {
    expect((await one.state.append(request)).kind).toBe('duplicate');
    expect((await one.state.append({ ...request, id: randomUUID(), sender: { ...host, generation: 0 } })).kind).toBe(
      'not_seated',
    );
    expect((await one.state.touch(sessionId, host)).kind).toBe('touched');
    expect((await other.state.recordReceipt(sessionId, guest, { read: 1 })).kind).toBe('recorded');
  });
  expect(counts.get('evalsha')).toBe(4);
  expect(counts.get('publish') ?? 0).toBe(0);
});

it('what a sender sends after the scripts were forgotten keeps its order', async () => {
  const [one] = instances;
  if (one === undefined) throw new Error('there is an instance');
  const { sessionId, host } = await paired(stage, one, one);
  await server.command('SCRIPT', 'FLUSH');
  const answers = Array.from({ length: 300 }, () => one.state.append(messageOf(sessionId, host)));
  const seqs = (await Promise.all(answers)).map((answer) => (answer.kind === 'appended' ? answer.seq : null));
  expect(seqs).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
});

it('a server that was restarted knows the scripts whose order counts before anybody asks', async () => {
  const own = await startRedis();
  const other = await RedisStage.open(redisAt(own.url));
  try {
    const instance = await other.instance('one');
    const knows = async () => own.command('SCRIPT', 'EXISTS', loadScript('append_message').sha1);
    expect(await knows()).toEqual([1]);
    const recovered = new Promise<void>((resolve) => void instance.redis.onRecovered(resolve));
    await own.restart();
    await recovered;
    await eventually(async () => expect(await knows()).toEqual([1]));
  } finally {
    await other.close();
    await own.stop();
  }
});

it('an idle session of two takes less than 2 KiB of Redis, wherever they are', async () => {
  const sessions = 400;
  const [one, other] = instances;
  if (one === undefined || other === undefined) throw new Error('there are instances');
  const used = async () => {
    const told = await server.command('INFO', 'memory');
    return Number(/used_memory_dataset:(\d+)/.exec(String(told))?.[1]);
  };
  const source = new Unarchived({
    ...{ redis: stage.redis, keys: stage.keys, clock: stage.clock, hotMessages: 500, closedLifeMs: HORIZON_MS },
    owned: () => Array.from({ length: PARTITIONS }, (_, partition) => partition),
  });
  const options = { source, durable: stage.archive, onTurn: () => undefined, onPoison: () => undefined };
  // What every partition has.
  for (let count = 0; count < 200; count += 1) await paired(stage, one, other);
  const before = await used();
  const ids: string[] = [];
  for (let count = 0; count < sessions; count += 1) ids.push((await paired(stage, one, other)).sessionId);
  const archiver = createArchiver(options);
  for (const id of ids) expect(await archiver.archive(id)).toBe(true);
  const { flat } = stage.keys.session(ids[0] ?? '');
  // The names of this test are longer than those of a deployment: the flat fields, the document and the code have one each.
  const longerNames = 3 * (flat.indexOf(':{') - 'tandem'.length);
  const each = ((await used()) - before) / sessions - longerNames;
  expect(each).toBeGreaterThan(500);
  expect(each).toBeLessThan(2048);
  expect(await stage.command('OBJECT', 'ENCODING', flat)).toBe('listpack');
});
