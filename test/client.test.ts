import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyDataDirectory } from './support/data-directory.ts';
import { startServer } from './support/server.ts';
import type { RunningServer } from './support/server.ts';
import { spawnServer } from './support/spawned-server.ts';
import { TandemClient } from '../client/client.ts';
import type { TandemSession } from '../client/session.ts';
import type { ReceivedMessage, SeatStorage } from '../client/types.ts';

const OPEN_LIMITS = {
  RATE_LIMIT_MESSAGES_USER_POINTS: '0',
  RATE_LIMIT_MESSAGES_IP_POINTS: '0',
  RATE_LIMIT_MESSAGES_CONNECTION_POINTS: '0',
  RATE_LIMIT_CONNECTIONS_IP_POINTS: '0',
  RATE_LIMIT_COMMANDS_CONNECTION_POINTS: '0',
};

/** A storage of one tab. */
class MemoryStorage implements SeatStorage {
  readonly items = new Map<string, string>();
  get length(): number {
    return this.items.size;
  }
  key(index: number): string | null {
    return [...this.items.keys()][index] ?? null;
  }
  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }
  removeItem(key: string): void {
    this.items.delete(key);
  }
}

/** Everything that a session hands out, and a way to wait for some of it. */
class Reader {
  readonly bodies: unknown[] = [];
  readonly seqs: number[] = [];
  #wake: () => void = () => undefined;

  constructor(session: TandemSession) {
    session.on('message', (message: ReceivedMessage) => {
      this.bodies.push(message.body);
      this.seqs.push(message.seq);
      this.#wake();
    });
  }

  async has(count: number): Promise<void> {
    while (this.bodies.length < count) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

describe('TandemClient on a real server', () => {
  let server: RunningServer;
  let clients: TandemClient[];

  beforeEach(async () => {
    server = await startServer(OPEN_LIMITS);
    clients = [];
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    await server.stop();
  });

  function client(storage: SeatStorage | null = null): TandemClient {
    const made = new TandemClient({ url: server.url, storage });
    clients.push(made);
    return made;
  }

  async function pair(encrypt = false): Promise<[TandemSession, TandemSession]> {
    const host = await client().create({ name: 'Ada', encrypt });
    const guest = await client().join(host.link() ?? '', { name: 'Bob' });
    return [host, guest];
  }

  it('pairs by code, and both see one order', async () => {
    const [host, guest] = await pair();
    const readers = [new Reader(host), new Reader(guest)];
    const sent = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? host : guest).send('text', `m${n}`));
    await Promise.all(sent);
    for (const reader of readers) {
      await reader.has(20);
      expect(reader.seqs).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
    }
    expect(readers[0]?.bodies).toEqual(readers[1]?.bodies);
    expect(host.queue).toEqual([]);
  });

  it('holds messages until somebody listens', async () => {
    const [host, guest] = await pair();
    await host.send('text', 'early');
    await host.send('text', 'still early');
    const reader = new Reader(guest);
    await reader.has(2);
    expect(reader.bodies).toEqual(['early', 'still early']);
  });

  it('goes on after a reload: nothing twice, and the queue of before is sent', async () => {
    const storage = new MemoryStorage();
    const host = await client().create();
    const before = client(storage);
    const guest = await before.join(host.info.code ?? '');
    const first = new Reader(guest);
    await host.send('text', 'one');
    await first.has(1);
    before.close();
    const lost = guest.send('text', 'written while away');
    lost.catch(() => undefined);
    await host.send('text', 'two');
    const again = client(storage).restore();
    if (again === null) throw new Error('the seat was not stored');
    const second = new Reader(again);
    await second.has(2);
    expect(second.bodies).toEqual(['two', 'written while away']);
    expect(again.participantId).toBe(guest.participantId);
  });

  it('sends what was written while its server was gone, over a reload too, once and in order', async () => {
    const data = await copyDataDirectory();
    let spawned = await spawnServer(data.dir);
    const { url, port } = spawned;
    try {
      const storage = new MemoryStorage();
      const there = (at: SeatStorage | null): TandemClient => {
        const made = new TandemClient({ url, storage: at });
        clients.push(made);
        return made;
      };
      const bob = await there(null).create();
      const first = there(storage);
      const ada = await first.join(bob.info.code ?? '');
      await ada.send('text', 'Before');
      const atBob = new Reader(bob);
      await atBob.has(1);
      await spawned.kill9();
      for (const text of ['One', 'Two', 'Three']) ada.send('text', text).catch(() => undefined);
      first.close();
      const again = there(storage).restore();
      if (again === null) throw new Error('the seat was not stored');
      const four = again.send('text', 'Four');
      const five = bob.send('text', 'Five, by Bob');
      spawned = await spawnServer(data.dir, { PORT: String(port) });
      await Promise.all([four, five]);
      await atBob.has(6);
      const ofAda = atBob.bodies.filter((body) => body !== 'Five, by Bob');
      expect(ofAda).toEqual(['Before', 'One', 'Two', 'Three', 'Four']);
      expect(atBob.seqs).toEqual([1, 2, 3, 4, 5, 6]);
    } finally {
      if (spawned.isRunning()) await spawned.kill9();
      await data.remove();
    }
  });

  it('reports what was delivered and read', async () => {
    const [host, guest] = await pair();
    new Reader(guest);
    const read = new Promise<void>((resolve) => {
      host.on('changed', () => {
        if (host.info.participants.some(({ id, read }) => id === guest.participantId && read === 1)) resolve();
      });
    });
    guest.on('message', ({ seq }) => guest.markRead(seq));
    await host.send('text', 'look');
    await read;
  });

  it('encrypts: the server sees ciphertext, the other side plaintext, and a code alone is refused', async () => {
    const [host, guest] = await pair(true);
    const reader = new Reader(guest);
    await host.send('text', { secret: 'tulip' });
    await reader.has(1);
    expect(reader.bodies).toEqual([{ secret: 'tulip' }]);
    const heard = new Promise((resolve) => guest.on('signal', resolve));
    await host.signal('cursor', { x: 1 });
    expect(await heard).toMatchObject({ type: 'cursor', body: { x: 1 } });
    const open = await client().create({ encrypt: true });
    await expect(client().join(open.info.code ?? '')).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('hands a seat over to another device', async () => {
    const [host, guest] = await pair();
    const ended = new Promise((resolve) => guest.on('ended', resolve));
    const there = await client().takeOver(guest.handOver());
    expect(await ended).toMatchObject({ reason: 'replaced', canResume: true });
    expect(there.participantId).toBe(guest.participantId);
    const reader = new Reader(there);
    await host.send('text', 'moved?');
    await reader.has(1);
    guest.resumeHere();
    const back = new Reader(guest);
    await back.has(1);
    expect(back.bodies).toEqual(['moved?']);
  });

  it('tells in types what cannot be done', async () => {
    const [host] = await pair();
    await expect(client().join('BCDFGH')).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' });
    await expect(client().join('nonsense!')).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    await expect(host.send('text', undefined as never)).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    await expect(host.send('NOT A TYPE', 1)).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    await host.send('text', 'a', { id: 'same-id-1' });
    await expect(host.send('text', 'b', { id: 'same-id-1' })).rejects.toMatchObject({ code: 'ID_REUSED' });
    expect(await host.send('text', 'a', { id: 'same-id-1' })).toMatchObject({ duplicate: true, seq: 1 });
    const left = await host.leave();
    expect(left).toEqual({ isConfirmed: true });
    await expect(host.send('text', 'after')).rejects.toMatchObject({ code: 'NOT_IN_SESSION' });
  });

  it('gives an opening up when it is told to', async () => {
    const giveUp = new AbortController();
    const nowhere = new TandemClient({ url: 'http://127.0.0.1:1', storage: null });
    clients.push(nowhere);
    const asked = nowhere.create({ signal: giveUp.signal });
    giveUp.abort();
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  });
});
