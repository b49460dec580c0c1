import { describe, expect, it } from '@jest/globals';
import { connectPostgres } from '../../server/durable/postgres.ts';
import { Client } from '../support/client.ts';
import { limit } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { externalPostgres } from '../support/external-postgres.ts';
import { stageInstances, stageStores } from '../support/instances-stage.ts';
import type { InstancesStage } from '../support/instances-stage.ts';
import { resumeOf } from '../support/seat.ts';
import type { Seat } from '../support/seat.ts';
import { readTimelines } from '../support/timeline.ts';

type Pair = Awaited<ReturnType<InstancesStage['pair']>>;

const stores = stageStores();

describe('an instance that dies, and one that stands still', () => {
  const stage = stageInstances(stores, { spawned: true, env: limit('messages_user', { points: 5 }) });

  it('leave their participants away within 15 s, told once; what was frozen has its seats again', async () => {
    const orphans = await Promise.all([stage.pair(0, 1), stage.pair(0, 1), stage.pair(1, 0)]);
    const both = await stage.pair(1, 1);
    const frozen = await stage.pair(0, 2);
    const [, dying, freezing] = stage.processes;
    await Promise.all(orphans.map(({ guest }) => guest.client.do('message:send', { id: 'before-the-end', body: 1 })));
    freezing?.signal('SIGSTOP');
    const at = performance.now();
    await dying?.kill9();

    const returned: Client[] = [];
    const staying = orphans.map(({ host, guest }, n) =>
      n < 2 ? { here: host, gone: guest } : { here: guest, gone: host },
    );
    await Promise.all([
      ...staying.map(async ({ here, gone }) => {
        const presence = await here.client.next('session:presence', undefined, 16_000);
        expect(presence).toEqual({ participantId: gone.self.participantId, presence: 'away' });
      }),
      frozen.host.client.next('session:presence', ({ presence }) => presence === 'away', 16_000),
    ]);
    expect(performance.now() - at).toBeLessThan(15_000);
    freezing?.signal('SIGCONT');
    const { participantId } = frozen.guest.self;
    expect(await frozen.host.client.next('session:presence')).toEqual({ participantId, presence: 'online' });
    await frozen.host.client.do('message:send', { id: 'are-you-there', body: 1 });
    await frozen.guest.client.next('message:new', ({ id }) => id === 'are-you-there');
    await frozen.guest.client.do('message:send', { id: 'here-i-am-again', body: 2 });
    expect(await frozen.host.client.next('message:new')).toMatchObject({ id: 'here-i-am-again' });

    for (const [n, { here, gone }] of staying.entries()) {
      const { messages: before } = await here.client.do('message:history', {});
      await here.client.do('message:send', { id: 'while-away', body: 2 });
      // One that stood still takes nobody until it has caught up.
      const back = await eventually(() => stage.resume(n % 2 === 0 ? 2 : 0, gone));
      returned.push(back);
      const resumed = await back.next('session:resumed');
      expect(resumed.messages.map(({ id }) => id)).toEqual(['before-the-end', 'while-away']);
      expect(resumed.messages.slice(0, before.length)).toEqual(before);
      expect(await here.client.next('session:presence')).toMatchObject({ presence: 'online' });
      await here.client.barrier();
      expect(here.client.received('session:presence').map(({ presence }) => presence)).toEqual(['away', 'online']);
    }
    const host = await stage.resume(0, both.host);
    const { session } = await host.next('session:resumed');
    expect(session.participants.map(({ presence }) => presence)).toEqual(['online', 'away']);
    expect(frozen.host.client.received('session:presence')).toHaveLength(2);
    await leaveTheirTrace(stage, orphans[0], returned[0]);
  }, 60_000);
});

/** The guest, who is back from the instance that died, hits a limit, is kicked, and the session ends. */
async function leaveTheirTrace(stage: InstancesStage, { host, guest }: Pair, back: Client | undefined): Promise<void> {
  const { id } = host.session;
  const { participantId } = guest.self;
  const timelines = readTimelines(connectPostgres(externalPostgres(stage.env['DATABASE_URL'] ?? '')).connection);
  try {
    let refused = 0;
    for (let n = 0; n < 20; n += 1) {
      if ((await back?.send('message:send', { id: `too-many-${n}`, body: n }))?.ok === false) refused += 1;
    }
    expect(refused).toBeGreaterThan(10);
    const limited = (refusals: number) => ['limited', participantId, 'messages_user', refusals];
    const lived = [
      ['created', null, null],
      ['joined', host.self.participantId, null],
      ['joined', participantId, null],
      ['paired', null, null],
      ['away', participantId, null],
      ['resumed', participantId, null],
      limited(refused),
    ];
    // Two instances' clocks are not compared: what follows comes when this is stored.
    await eventually(async () => expect(await timelines.of(id)).toEqual(lived));
    await host.client.do('session:kick', { participantId });
    await host.client.do('session:close', {});
    expect(await timelines.with(id, 'closed')).toEqual([
      ...lived,
      ['left', participantId, 'kicked'],
      ['code_changed', null, null],
      ['closed', null, 'closed'],
    ]);
  } finally {
    await timelines.close();
  }
}

describe('a rolling restart under load', () => {
  const stage = stageInstances(stores, { spawned: true, env: { DRAIN_TIMEOUT: '10s' } });

  it('costs no send, and nobody waits for 5 s', async () => {
    const pairs = await Promise.all([stage.pair(0, 1), stage.pair(1, 2), stage.pair(2, 0)]);
    let isOver = false;
    const rovers = pairs.flatMap(({ host, guest }, n) => [new Rover(stage, host, n), new Rover(stage, guest, n + 1)]);
    const talking = Promise.all(rovers.map((rover) => rover.talk(() => isOver)));
    const codes: (number | null)[] = [];
    for (const index of [0, 1, 2]) {
      const process = stage.processes[index];
      codes.push((await process?.sigterm()) ?? null);
      await stage.startAgain(index);
    }
    isOver = true;
    await talking;
    expect(codes).toEqual([0, 0, 0]);
    expect(Math.max(...rovers.map(({ worstPauseMs }) => worstPauseMs))).toBeLessThan(5000);
    for (const { host, guest } of pairs) {
      const log = await idsOf(stage, host);
      for (const rover of rovers.filter(({ seat }) => seat === host || seat === guest)) {
        const own = log.filter((id) => id.startsWith(rover.prefix));
        expect(own).toEqual(rover.acknowledged);
        expect(own.length).toBeGreaterThan(20);
      }
      expect(new Set(log).size).toBe(log.length);
    }
  }, 90_000);
});

/** Sends one message after the other, each until it is answered; goes to the next instance when its own is gone. */
class Rover {
  readonly seat: Seat;
  readonly acknowledged: string[] = [];
  readonly prefix: string;
  worstPauseMs = 0;
  readonly #stage: InstancesStage;
  #index: number;

  constructor(stage: InstancesStage, seat: Seat, index: number) {
    this.#stage = stage;
    this.seat = seat;
    this.#index = index % 3;
    this.prefix = `of-${seat.self.participantId.slice(-12)}-`;
  }

  async talk(isOver: () => boolean): Promise<void> {
    let client = this.seat.client;
    for (let n = 0, at = performance.now(); !isOver(); n += 1, at = performance.now()) {
      const id = `${this.prefix}${n}`;
      for (;;) {
        const answer = client.socket.connected
          ? await client.send('message:send', { id, body: n }).catch(() => null)
          : null;
        if (answer?.ok === true) break;
        if (answer !== null && !answer.error.retryable) throw new Error(`${id}: ${JSON.stringify(answer.error)}`);
        if (!client.socket.connected) client = await this.#elsewhere(client);
      }
      this.acknowledged.push(id);
      this.worstPauseMs = Math.max(this.worstPauseMs, performance.now() - at);
    }
    client.close();
  }

  async #elsewhere(before: Client): Promise<Client> {
    before.close();
    for (;;) {
      this.#index = (this.#index + 1) % 3;
      const url = this.#stage.urls[this.#index];
      if (url === undefined) continue;
      const client = new Client(url, { auth: resumeOf(this.seat) });
      const error = await client.opened();
      if (error === null) return client;
      client.close();
      // Its message is an error code when the server said no; anything else is an instance that is not there.
      if (/^[A-Z_]+$/.test(error.message)) throw error;
    }
  }
}

async function idsOf(stage: InstancesStage, seat: Seat): Promise<string[]> {
  const client = await stage.resume(0, seat);
  const ids: string[] = [];
  for (let afterSeq = 0, hasMore = true; hasMore;) {
    const page = await client.do('message:history', { afterSeq, limit: 200 });
    ids.push(...page.messages.map(({ id }) => id));
    afterSeq = page.messages.at(-1)?.seq ?? afterSeq;
    hasMore = page.hasMore;
  }
  return ids;
}
