import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { TandemClient } from '../../client/client.ts';
import type { TandemSession } from '../../client/session.ts';
import type { ReceivedMessage } from '../../client/types.ts';
import { Client } from '../support/client.ts';
import { eventually } from '../support/eventually.ts';
import { stageInstances, stageStores } from '../support/instances-stage.ts';
import type { InstancesStage } from '../support/instances-stage.ts';
import { resumeOf } from '../support/seat.ts';
import type { Seat } from '../support/seat.ts';

/** What an instance says of a Redis that is gone for a moment. */
const LOSS = ['redis_lost', 'db_error', 'delivery_failed', 'archive_failed', 'internal_error'];

/** What a participant of the library sees: the sequence that holds, and what it was told on the way. */
class Reader {
  readonly seen = new Map<number, unknown>();
  readonly told: string[] = [];
  readonly session: TandemSession;

  constructor(session: TandemSession) {
    this.session = session;
    session.on('message', ({ seq, body }: ReceivedMessage) => {
      if (this.seen.has(seq)) this.told.push(`${seq} twice`);
      this.seen.set(seq, body);
    });
    session.on('reset', ({ afterSeq }) => {
      this.told.push('reset');
      for (const seq of this.seen.keys()) if (seq > afterSeq) this.seen.delete(seq);
    });
    session.on('gap', () => this.told.push('gap'));
    session.on('failed', ({ error }) => this.told.push(`failed ${error.code}`));
  }

  get bodies(): unknown[] {
    return [...this.seen].sort(([a], [b]) => a - b).map(([, body]) => body);
  }
}

/** Sends one message after the other, each until it is answered ok; comes back whenever its connection is gone. */
class Persistent {
  readonly seat: Seat;
  readonly accepted: { readonly id: string; readonly seq: number; readonly epoch: number }[] = [];
  /** Sends and handshakes that were refused. */
  refused = 0;
  slowestMs = 0;
  isOver = false;
  client: Client;
  readonly #index: number;

  constructor(seat: Seat, index: number) {
    this.seat = seat;
    this.client = seat.client;
    this.#index = index;
  }

  async talk({ urls }: InstancesStage): Promise<void> {
    for (let n = 0; !this.isOver;) {
      if (!this.client.socket.connected) {
        await this.#comeBack(urls[this.#index % 2] ?? '');
        continue;
      }
      const id = `persistent-${this.#index}-${n}`;
      const at = performance.now();
      const answer = await this.client.send('message:send', { id, body: n }).catch(() => null);
      // Its connection ended before the answer: the same again on the next.
      if (answer === null) continue;
      this.slowestMs = Math.max(this.slowestMs, performance.now() - at);
      if (answer.ok) {
        this.accepted.push({ id, seq: answer.seq, epoch: answer.epoch });
        n += 1;
      } else {
        this.refused += 1;
        if (answer.error.code !== 'UNAVAILABLE') throw new Error(`${id}: ${JSON.stringify(answer.error)}`);
      }
    }
  }

  async #comeBack(url: string): Promise<void> {
    this.client.close();
    this.client = new Client(url, { auth: resumeOf(this.seat, {}) });
    const error = await this.client.opened();
    if (error === null) return;
    this.refused += 1;
    if (error.message !== 'UNAVAILABLE') throw error;
  }
}

describe('when Redis loses what it had', () => {
  const stores = stageStores({ appendonly: false });
  const instances = stageInstances(stores, { count: 2, server: { errors: LOSS } });
  const clients: TandemClient[] = [];
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });

  function client(index: number): TandemClient {
    const made = new TandemClient({ url: instances.urls[index] ?? '' });
    clients.push(made);
    return made;
  }

  /** Resolves when the archive has the session up to that message. */
  async function archived(sessionId: string, seq: number): Promise<void> {
    const database = new pg.Client({ connectionString: instances.env['DATABASE_URL'] });
    await database.connect();
    try {
      await eventually(async () => {
        const { rows } = await database.query<{ last: string }>('select last_seq as last from sessions where id = $1', [
          sessionId,
        ]);
        expect(rows).toEqual([{ last: String(seq) }]);
      });
    } finally {
      await database.end();
    }
  }

  async function pairOfReaders(): Promise<[Reader, Reader]> {
    const host = new Reader(await client(0).create());
    const guest = new Reader(await client(1).join(host.session.info.code ?? ''));
    return [host, guest];
  }

  /** Both see the same: all of these, each once, in the order in which each of them was sent. */
  async function agree(readers: readonly Reader[], sent: ReadonlyMap<string, readonly string[]>): Promise<void> {
    const all = [...sent.values()].flat().sort();
    await eventually(async () => {
      for (const { bodies } of readers) expect([...bodies].sort()).toEqual(all);
      return Promise.resolve();
    }, 20_000);
    const [first, ...others] = readers.map(({ bodies }) => bodies);
    for (const other of others) expect(other).toEqual(first);
    for (const own of sent.values()) expect(first?.filter((body) => own.includes(String(body)))).toEqual(own);
    for (const { seen, told } of readers) {
      expect([...seen.keys()].sort((a, b) => a - b)).toEqual(all.map((_, index) => index + 1));
      expect(told.filter((what) => what !== 'reset')).toEqual([]);
    }
  }

  it('puts a session back under a new epoch, and the senders send again what was lost', async () => {
    const [host, guest] = await pairOfReaders();
    const sent = new Map<string, string[]>([
      ['host', []],
      ['guest', []],
    ]);
    const pending: Promise<unknown>[] = [];
    const send = (who: 'host' | 'guest', count: number) => {
      const reader = who === 'host' ? host : guest;
      for (let index = 0; index < count; index += 1) {
        const body = `${who} ${sent.get(who)?.length ?? 0}`;
        sent.get(who)?.push(body);
        pending.push(reader.session.send('text', body));
      }
    };
    send('host', 20);
    send('guest', 20);
    await Promise.all(pending.splice(0));
    await archived(host.session.id, 40);
    send('host', 15);
    send('guest', 15);
    await stores.redis.command('FLUSHALL');
    send('host', 10);
    send('guest', 10);
    await Promise.all(pending);
    await agree([host, guest], sent);
    expect(host.told).toContain('reset');
    expect(host.session.info.epoch).toBe(2);
  }, 60_000);

  it('notices that Redis came back with less than it had, and repairs it', async () => {
    const [host, guest] = await pairOfReaders();
    const sent = new Map<string, string[]>([
      ['host', []],
      ['guest', []],
    ]);
    const talk = (turns: number) => {
      const sends: Promise<unknown>[] = [];
      for (let turn = 0; turn < turns; turn += 1) {
        for (const [who, { session }] of Object.entries({ host, guest })) {
          const own = sent.get(who) ?? [];
          const body = `${who} ${own.length}`;
          own.push(body);
          sends.push(session.send('text', body));
        }
      }
      return Promise.all(sends);
    };
    await talk(5);
    await stores.redis.command('SAVE');
    // What comes now is archived in part, and Redis forgets all of it.
    await talk(10);
    await archived(host.session.id, 30);
    const last = talk(5);
    await stores.redis.kill();
    await stores.redis.restart();
    await last;
    await talk(5);
    await agree([host, guest], sent);
    expect(host.session.info.epoch).toBeGreaterThan(1);
    expect([...host.told, ...guest.told]).toContain('reset');
  }, 60_000);

  it('undoes neither a kick nor a close when an older state of it comes back, with nobody sending', async () => {
    const kicked = await instances.pair(0, 1);
    const closed = await instances.pair(0, 1);
    await stores.redis.command('SAVE');
    await kicked.host.client.do('session:kick', { participantId: kicked.guest.self.participantId });
    await closed.host.client.do('session:close', {});
    await stores.redis.kill();
    await stores.redis.restart();
    await eventually(async () => {
      await expect(instances.connect(1, { auth: resumeOf(kicked.guest) })).rejects.toThrow('RESUME_REJECTED');
      const reader = await instances.resume(1, closed.guest, { lastSeq: 0 });
      expect((await reader.next('session:resumed')).session).toMatchObject({ status: 'closed', epoch: 1 });
      const host = await instances.resume(0, kicked.host, { lastSeq: 0 });
      const { session, reset } = await host.next('session:resumed');
      expect({ reset, epoch: session.epoch, seats: session.participants.map(({ id }) => id) }).toEqual({
        reset: true,
        epoch: 2,
        seats: [kicked.host.self.participantId],
      });
    }, 20_000);
  }, 60_000);

  it('puts back a session that nobody is connected to', async () => {
    const seat = await instances.host(0);
    await seat.client.do('message:send', { id: 'sent-before-the-loss', body: 1 });
    await archived(seat.session.id, 1);
    seat.client.close();
    await stores.redis.command('FLUSHALL');
    // Another process of Redis behind the same address is what makes the instances look.
    await stores.redis.kill();
    await stores.redis.restart();
    await eventually(async () => {
      const names = (await stores.redis.command('KEYS', `*:d:${seat.session.id}`)) as string[];
      expect(names).toHaveLength(1);
    }, 20_000);
  }, 60_000);

  it('finds a session by its code that only the archive knows', async () => {
    const host = new Reader(await client(0).create());
    const { code } = host.session.info;
    await host.session.send('text', 'hello');
    await archived(host.session.id, 1);
    await stores.redis.command('FLUSHALL');
    const guest = new Reader(await client(1).join(code ?? ''));
    expect(guest.session.id).toBe(host.session.id);
    await guest.session.send('text', 'there you are');
    await agree(
      [host],
      new Map([
        ['host', ['hello']],
        ['guest', ['there you are']],
      ]),
    );
  }, 60_000);

  it('recognises a send that was archived before the loss', async () => {
    const seat = await instances.host(0);
    const send = { id: 'sent-before-the-loss', body: 1 };
    const first = await seat.client.do('message:send', send);
    await archived(seat.session.id, 1);
    await stores.redis.command('FLUSHALL');
    const again = await instances.resume(1, seat, { lastSeq: 1 });
    expect(await again.do('message:send', send)).toMatchObject({ seq: first.seq, duplicate: true });
    expect(await again.do('message:send', { id: 'sent-after-the-loss', body: 2 })).toMatchObject({ seq: 2, epoch: 2 });
  }, 60_000);

  it('lets a closed session be read, and knows what was sent to it', async () => {
    const { host, guest } = await instances.pair(0, 1);
    const send = { id: 'sent-before-the-close', body: 1 };
    const first = await host.client.do('message:send', send);
    await host.client.do('session:close', {});
    await archived(host.session.id, 1);
    guest.client.close();
    await stores.redis.command('FLUSHALL');
    // The connection of before goes on, too.
    expect(await host.client.do('message:send', send)).toMatchObject({ seq: first.seq, epoch: 1, duplicate: true });
    await stores.redis.command('FLUSHALL');
    const reader = await instances.resume(1, guest, { lastSeq: 0 });
    const { session, messages, reset } = await reader.next('session:resumed');
    expect({ status: session.status, epoch: session.epoch, reset }).toEqual({
      status: 'closed',
      epoch: 1,
      reset: false,
    });
    expect(messages.map(({ id }) => id)).toEqual([send.id]);
    const sender = await instances.resume(0, host, { lastSeq: 1, lastId: send.id });
    expect(await sender.do('message:send', send)).toMatchObject({ seq: first.seq, epoch: 1, duplicate: true });
    const refusal = await sender.refusal('message:send', { id: 'sent-after-the-close', body: 2 });
    expect(refusal.code).toBe('SESSION_CLOSED');
  }, 60_000);

  it('takes no word before it was compared with the archive, while everybody goes on sending', async () => {
    const paired = await instances.pair(0, 1);
    const alone = await instances.host(0);
    const sessions = [paired.host, alone].map(({ session }) => session.id);
    const say = async (from: number, to: number) => {
      for (const { client } of [paired.host, alone]) {
        for (let n = from; n <= to; n += 1) await client.do('message:send', { id: `known-to-all-${n}`, body: n });
      }
    };
    await say(1, 4);
    await stores.redis.command('SAVE');
    await say(5, 12);
    for (const id of sessions) await archived(id, 12);
    // Nobody here remembers how far this one was.
    alone.client.close();
    await stores.postgres.stopImmediate();

    const persistent = [paired.host, paired.guest, alone].map((seat, index) => new Persistent(seat, index));
    const talking = persistent.map((one) => one.talk(instances));
    await stores.redis.kill();
    await stores.redis.restart();
    const refusals = () => Math.min(...persistent.map(({ refused }) => refused));
    // As long as it takes for each of them to be refused by instances that have Redis again.
    await eventually(async () => {
      const clients = String(await stores.redis.command('CLIENT', 'LIST', 'TYPE', 'normal')).split('\n');
      expect(clients.filter((line) => / cmd=(?!client)/.test(line)).length).toBeGreaterThanOrEqual(2);
      return Promise.resolve();
    });
    const before = refusals();
    await eventually(() => {
      expect(refusals()).toBeGreaterThan(before + 5);
      return Promise.resolve();
    });
    expect(persistent.flatMap(({ accepted }) => accepted)).toEqual([]);
    expect(Math.max(...persistent.map(({ slowestMs }) => slowestMs))).toBeLessThan(2000);
    for (const id of sessions) {
      const [log = ''] = (await stores.redis.command('KEYS', `*:l:${id}`)) as string[];
      expect(await stores.redis.command('XLEN', log)).toBe(4);
    }

    const at = performance.now();
    await stores.postgres.restart();
    const restarted = performance.now();
    await eventually(() => {
      for (const { accepted } of persistent) expect(accepted).not.toEqual([]);
      return Promise.resolve();
    });
    expect(performance.now() - restarted).toBeLessThan(8000);
    expect(restarted - at).toBeLessThan(10_000);
    for (const one of persistent) one.isOver = true;
    await Promise.all(talking);
    for (const seat of [paired.host, alone]) {
      const own = persistent.filter(({ seat: { session } }) => session.id === seat.session.id);
      const [reader] = own;
      if (reader === undefined) throw new Error('somebody sends in each session');
      const accepted = own.flatMap((one) => one.accepted).sort((one, other) => one.seq - other.seq);
      // What was archived keeps its numbers, and each that follows is given once.
      expect(accepted.map(({ seq }) => seq)).toEqual(accepted.map((_, index) => 13 + index));
      expect(new Set(accepted.map(({ epoch }) => epoch))).toEqual(new Set([2]));
      const { messages } = await reader.client.do('message:history', { afterSeq: 0, limit: 200 });
      expect(messages.slice(0, 12).map(({ id }) => id)).toEqual(
        messages.slice(0, 12).map((_, n) => `known-to-all-${n + 1}`),
      );
      expect(messages.slice(12).map(({ id }) => id)).toEqual(accepted.map(({ id }) => id).slice(0, 188));
    }
    for (const { client } of persistent) client.close();
  }, 60_000);
});
