import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from './support/client.ts';
import { copyDataDirectory } from './support/data-directory.ts';
import { Random, seedOfRun } from './support/random.ts';
import { resumeOf } from './support/seat.ts';
import type { Seat } from './support/seat.ts';
import { spawnServer } from './support/spawned-server.ts';
import type { SpawnedServer } from './support/spawned-server.ts';
import { Talker, violationsOf } from './support/talker.ts';

/** Each costs a start of the server; every run has other moments. */
const ROUNDS = 8;
const seed = seedOfRun();

/** Somebody who takes a seat in the moment of the crash, and repeats that with its key when no answer came. */
class Newcomer {
  readonly #payload: { key: string; name: string };
  #seat: Pick<Seat, 'session' | 'self'> | null = null;

  constructor(name: string) {
    this.#payload = { key: `key-of-${name}`.padEnd(16, '-'), name };
  }

  async arrive(url: string): Promise<void> {
    const client = new Client(url);
    try {
      if ((await client.opened()) !== null) return;
      const answer = await client.send('session:create', this.#payload).catch(() => null);
      if (answer?.ok === true) this.#seat = answer;
    } finally {
      client.close();
    }
  }

  /** After the restart: an acknowledged seat is there, any other is to be had. */
  async check(url: string): Promise<string> {
    const client = new Client(url, this.#seat === null ? {} : { auth: resumeOf(this.#seat) });
    try {
      const refused = await client.opened();
      if (refused !== null) return refused.message;
      if (this.#seat !== null) return (await client.next('session:resumed')).session.status;
      return (await client.do('session:create', this.#payload)).session.status;
    } finally {
      client.close();
    }
  }
}

describe(`kill -9 at random moments, seed ${seed}`, () => {
  let data: Awaited<ReturnType<typeof copyDataDirectory>>;
  let server: SpawnedServer | undefined;
  const talkers: Talker[] = [];

  beforeEach(async () => {
    data = await copyDataDirectory();
  });
  afterEach(async () => {
    for (const { client } of talkers) client.close();
    if (server?.isRunning() === true) await server.kill9();
    await data.remove();
  });

  async function seatOn(url: string, code: string | null): Promise<Seat> {
    const client = new Client(url);
    expect(await client.opened()).toBeNull();
    const answer =
      code === null ? await client.do('session:create', { capacity: 3 }) : await client.do('session:join', { code });
    return { client, session: answer.session, self: answer.self };
  }

  async function seatTalkers(url: string): Promise<void> {
    for (const pair of ['one', 'two']) {
      const host = await seatOn(url, null);
      const guests = [await seatOn(url, host.session.code), await seatOn(url, host.session.code)];
      for (const [n, seat] of [host, ...guests].entries()) talkers.push(new Talker(`talker-${pair}-${n}`, seat));
    }
  }

  it(`loses, doubles and reorders nothing in ${ROUNDS} rounds`, async () => {
    const random = new Random(seed);
    server = await spawnServer(data.dir);
    await seatTalkers(server.url);
    const newcomers: Newcomer[] = [];

    for (let round = 0; round < ROUNDS; round += 1) {
      const running = server;
      const newcomer = new Newcomer(`newcomer-${round}`);
      newcomers.push(newcomer);
      // The fault's own schedule: after so many answers, and then some time that no answer decides.
      const acksBeforeKill = 1 + random.below(150);
      const arrivalAt = Math.max(1, acksBeforeKill - random.below(8));
      const killDelayMs = random.below(15);
      let acks = 0;
      let arrival = Promise.resolve();
      let killed = Promise.resolve();
      const onAck = () => {
        acks += 1;
        if (acks === arrivalAt) arrival = newcomer.arrive(running.url);
        if (acks === acksBeforeKill) killed = delay(killDelayMs).then(() => running.kill9());
      };
      await Promise.all(talkers.map((talker) => talker.talk(onAck)));
      await Promise.all([arrival, killed]);
      expect({ seed, round, isRunning: running.isRunning() }).toEqual({ seed, round, isRunning: false });

      server = await spawnServer(data.dir);
      const { url } = server;
      await Promise.all(talkers.map((talker) => talker.comeBack(url)));
      expect({ seed, round, newcomer: await newcomer.check(url) }).toEqual({ seed, round, newcomer: 'waiting' });
    }

    for (const sessionId of new Set(talkers.map((talker) => talker.sessionId))) {
      const members = talkers.filter((talker) => talker.sessionId === sessionId);
      const logs = await Promise.all(members.map((talker) => talker.readLog()));
      for (const log of logs) expect(log).toEqual(logs[0]);
      expect({ seed, violations: violationsOf(logs[0] ?? [], members) }).toEqual({ seed, violations: [] });
      expect(logs[0]?.length).toBeGreaterThan(ROUNDS);
    }
    const { url } = server;
    for (const newcomer of newcomers) expect(await newcomer.check(url)).toBe('waiting');
    expect(await server.sigterm()).toBe(0);
  }, 240_000);
});
