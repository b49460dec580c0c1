import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { TandemError } from '../../protocol/errors.ts';
import { createArchiver } from '../../server/jobs/archiver.ts';
import { closeWhenDue } from '../../server/sessions/deadlines.ts';
import type { Timings } from '../../server/sessions/deadlines.ts';
import { fingerprintOf } from '../../server/sessions/fingerprint.ts';
import type { LimitRequest } from '../../server/sessions/ports.ts';
import { joinSession, openSession } from '../../server/sessions/session.ts';
import type { NewSeat } from '../../server/sessions/session.ts';
import { createRedis } from '../../server/state/redis/client.ts';
import { Keys, PARTITIONS } from '../../server/state/redis/keys.ts';
import { RedisState } from '../../server/state/redis/redis-state.ts';
import { Unarchived } from '../../server/state/redis/unarchived.ts';
import { eventually } from '../support/eventually.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';
import type { Study } from './study.ts';

const SESSIONS = 1_000_000;
/** Sessions end by themselves so soon, and what is left of them is forgotten as soon after that; in a short run sooner. */
const LIFE_MS = 2_000;
const SHORT_LIFE_MS = 500;
const SHORT_RUN = 10_000;
const MADE_AT_ONCE = 32;
/** As the sweeper of a server takes them. */
const CLOSED_AT_ONCE = 200;
/** Not more live at a time, however fast they are made. */
const MOST_OPEN = 20_000;
/** One in so many is joined, and talked in: the others expire with nobody in them but who made them. */
const PAIRED = 10;
const SAMPLES = 20;
/** Parts of the run that are compared. */
const EARLY = [0, 0.4] as const;
const LATE = [0.6, 1] as const;
const MOST_GROWTH = 0.05;
const ATTEMPTS = 60;
const RETRY_MS = 500;
const INSTANCE = 'the only one';
const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);
const LIMIT: Omit<LimitRequest, 'bucket'> = {
  info: { name: 'messages_user', scope: 'user', points: 10, durationSeconds: 1 },
  blockMs: 0,
};

interface Sample {
  readonly made: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly redisBytes: number;
}

/** The state code of one instance over a real Redis, with an archive that takes everything and keeps nothing. */
export const million: Study = {
  name: 'MILLION',
  what: 'sessions are made and expire, a million of them: nothing may be left of them in the process or in Redis',
  async run({ count, say }) {
    const server = await startRedis();
    try {
      return await runOn(server, count ?? SESSIONS, say);
    } finally {
      await server.stop();
    }
  },
};

async function runOn(server: RedisServer, wanted: number, say: (line: string) => void): Promise<boolean> {
  const faults: unknown[] = [];
  const lifeMs = wanted < SHORT_RUN ? SHORT_LIFE_MS : LIFE_MS;
  const timings = timingsOf(lifeMs);
  const stage = await openState(server, lifeMs, (error) => faults.push(error));
  const { state, archiver } = stage;
  const samples: Sample[] = [];
  const look = async (when: string): Promise<Sample> => {
    const taken = await sample(server, made);
    const { rssBytes, heapBytes, redisBytes } = taken;
    say(`${when}: resident ${mib(rssBytes)}, heap ${mib(heapBytes)}, Redis ${mib(redisBytes)}`);
    return taken;
  };
  let [made, closed, isMaking] = [0, 0, true];
  const closing = (async () => {
    while (isMaking || closed < made) {
      const due = await patiently(() => state.takeDue(CLOSED_AT_ONCE));
      await Promise.all(
        due.map(async ({ sessionId }) => {
          const result = await patiently(() => state.change(sessionId, closeWhenDue(timings)));
          // A close whose answer did not come is found done when it is repeated.
          const isOver = result.kind !== 'decided' || result.snapshot.document.closed !== null;
          if (isOver) closed += 1;
        }),
      );
      if (due.length < CLOSED_AT_ONCE) await delay(20);
    }
  })();
  archiver.start();
  const startedAt = performance.now();
  const before = process.cpuUsage();
  let begun = 0;
  const make = async (): Promise<void> => {
    while (begun < wanted) {
      begun += 1;
      while (made - closed > MOST_OPEN) await delay(5);
      await makeOne(state, lifeMs, begun % PAIRED === 0);
      made += 1;
      // A short run says nothing of the slope, and a look is a whole collection.
      const isDue = wanted >= SHORT_RUN && made % Math.ceil(wanted / SAMPLES) === 0;
      if (isDue) samples.push(await look(`${made} made`));
    }
  };
  await Promise.all(Array.from({ length: MADE_AT_ONCE }, make));
  isMaking = false;
  await closing;
  const left = await eventually(async () => {
    const names = await sessionKeys(server);
    if (names.length > 0) throw new Error(`${names.length} keys of sessions are left, such as ${names[0] ?? ''}`);
    return Number(await server.command('DBSIZE'));
  }, 60_000);
  await look('all expired');
  const { user, system } = process.cpuUsage(before);
  await stage.close();

  const [rss, heap] = [growth(samples, wanted, 'rssBytes'), growth(samples, wanted, 'heapBytes')];
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  say(
    `${made} sessions made and ${closed} expired in ${seconds} s, ${((user + system) / 1e6).toFixed(0)} s of processor time; ` +
      `highest of the last two fifths against the first two: resident ${percent(rss)}, heap ${percent(heap)}; ` +
      `keys of sessions in Redis: 0, other keys: ${left} (counts of the ${PARTITIONS} partitions)`,
  );
  for (const fault of faults.slice(0, 5)) say(`fault: ${String(fault)}`);
  // A run that is over before its pools have grown says nothing of the slope.
  const isFlat = wanted < SESSIONS / 10 || (rss <= MOST_GROWTH && heap <= MOST_GROWTH);
  return isFlat && faults.length === 0 && closed === wanted && left <= PARTITIONS;
}

/**
 * By how much of itself the highest of the late part is above the highest of the early one. The highest, because Node.js
 * gives memory back when it likes: between two looks the same work takes 150 MiB or 230.
 */
function growth(samples: readonly Sample[], wanted: number, what: 'rssBytes' | 'heapBytes'): number {
  const highest = ([from, to]: readonly [number, number]): number =>
    Math.max(...samples.filter(({ made }) => made > from * wanted && made <= to * wanted).map((one) => one[what]));
  return highest(LATE) / highest(EARLY) - 1;
}

function timingsOf(lifeMs: number): Timings {
  return { graceMs: 60_000, idleWarningMs: 60_000, idleTimeoutMs: lifeMs, ttlMs: 3_600_000 };
}

async function openState(server: RedisServer, lifeMs: number, onFault: (error: unknown) => void) {
  const redis = createRedis({
    topology: { kind: 'standalone', host: server.host, port: server.port },
    ...{ username: null, password: null, database: 0, tls: null },
  });
  await redis.start();
  const keys = new Keys('tandem');
  const nothing = () => Promise.resolve(null);
  const state = new RedisState({
    ...{
      redis,
      keys,
      instanceId: INSTANCE,
      onFault,
      timings: timingsOf(lifeMs),
      retryHorizonMs: lifeMs,
      clusterLimits: null,
    },
    subscriber: redis.createSubscriber(),
    onFault: (error) => {
      if (!(error instanceof TandemError) || error.code !== 'UNAVAILABLE') onFault(error);
    },
    onAppended: () => undefined,
    onMessage: () => undefined,
    onChangedElsewhere: () => undefined,
    onNewEpoch: () => undefined,
    archive: {
      durable: {
        ...{ raiseEpoch: nothing, loadSession: nothing, findByCode: nothing, findByKey: nothing },
        recentSends: () => Promise.resolve([]),
        closedAmong: () => Promise.resolve([]),
      },
      store: () => Promise.resolve('stored'),
      now: Date.now,
    },
  });
  await state.start();
  const source = new Unarchived({
    ...{ redis, keys, hotMessages: 500, closedLifeMs: lifeMs, owned: () => ALL, clock: () => '' },
  });
  const archiver = createArchiver({
    source,
    durable: { commit: () => Promise.resolve() },
    // What it could not do for the same reason it tries again by itself.
    onTurn: () => undefined,
    onPoison: (_sessionId, error) => onFault(error),
  });
  const close = async (): Promise<void> => {
    await archiver.stop();
    await state.stop();
    await redis.close();
  };
  return { state, archiver, close };
}

async function makeOne(state: RedisState, lifeMs: number, isPaired: boolean): Promise<void> {
  const now = Date.now();
  const code = { value: randomUUID().replaceAll('-', '').toUpperCase(), expiresAt: now + lifeMs };
  const wishes = { capacity: 2, approval: false, shareHistory: false, metadata: {} };
  const document = openSession({ id: randomUUID(), now, code, ...wishes }, newcomer());
  const created = await patiently(() => state.create(document, () => undefined));
  // The key leads to the session where a create was repeated whose answer did not come.
  if (created.kind === 'code_taken') throw new Error('a session was not made: its code is taken');
  if (!isPaired) return;
  const guest = newcomer();
  const joined = await patiently(() => state.change(document.id, joinSession(code.value, guest, lifeMs)));
  if (joined.kind !== 'decided' || joined.outcome.kind !== 'joined') return; // It took so long that the code is dead.
  const sender = { seatId: guest.id, generation: 1 };
  for (const id of ['message-1', 'message-2']) {
    const [type, bodyJson] = ['text', JSON.stringify(id)];
    const limits = [{ ...LIMIT, bucket: guest.id }];
    const content = { type, body: id, bodyJson, fingerprint: fingerprintOf(type, bodyJson) };
    await patiently(() => state.append({ sessionId: document.id, sender, id, limits, ...content }));
  }
}

/** A machine that is busy with other work leaves a command unanswered now and then: it is repeated, as a client would. */
async function patiently<T>(act: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof TandemError) || error.code !== 'UNAVAILABLE' || attempt === ATTEMPTS) throw error;
      await delay(RETRY_MS);
    }
  }
}

function newcomer(): NewSeat {
  const id = randomUUID();
  // As a create and a join with a key: that one has a name in Redis too.
  return { id, name: null, userId: null, tokenHash: `token of ${id}`, keyHash: `key of ${id}`, instance: INSTANCE };
}

/** All but the counts of the partitions. */
async function sessionKeys(server: RedisServer): Promise<string[]> {
  const names: string[] = [];
  for (let cursor = '0'; ;) {
    // By the protocol of Redis, version 2.
    const [next, found] = (await server.command('SCAN', cursor, 'COUNT', '10000')) as [string, string[]];
    names.push(...found.filter((name) => !/\}:counts$/.test(name)));
    if (next === '0') return names;
    cursor = next;
  }
}

async function sample(server: RedisServer, made: number): Promise<Sample> {
  collectGarbage();
  const { rss: rssBytes, heapUsed: heapBytes } = process.memoryUsage();
  const info = String(await server.command('INFO', 'memory'));
  return { made, rssBytes, heapBytes, redisBytes: Number(/^used_memory:(\d+)/m.exec(info)?.[1]) };
}

/** What nobody holds any more is no growth. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)(); // As V8 gives it with that flag.
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

function percent(part: number): string {
  return `${part >= 0 ? '+' : ''}${(100 * part).toFixed(1)} %`;
}
