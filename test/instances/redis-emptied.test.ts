import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { TandemClient } from '../../client/client.ts';
import type { TandemSession } from '../../client/session.ts';
import type { ReceivedMessage } from '../../client/types.ts';
import { eventually } from '../support/eventually.ts';
import { stageInstances, stageStores } from '../support/instances-stage.ts';

/** What an instance says of a Redis that is gone for a moment. */
const LOSS = ['redis_lost', 'db_error', 'archive_failed', 'internal_error'];

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
});
