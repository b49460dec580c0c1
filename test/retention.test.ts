import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../server/config.ts';
import { startEmbeddedPostgres } from '../server/durable/embedded.ts';
import { createPool } from '../server/durable/pool.ts';
import { createSqlStore } from '../server/durable/sql-store.ts';
import { createServer, type Server } from '../server/server.ts';
import { Client } from './support/client.ts';
import { copyDataDirectory, type DataDirectory } from './support/data-directory.ts';
import { testEnvironment } from './support/environment.ts';
import { resumeOf } from './support/seat.ts';

const HOUR = 3_600_000;

describe('what retention has removed', () => {
  let data: DataDirectory;
  let server: Server;
  let url: string;
  const clients: Client[] = [];

  beforeEach(async () => {
    data = await copyDataDirectory();
    await start();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await server.stop();
    await data.remove();
  });

  async function start(): Promise<void> {
    // Without Redis: what is hot is what the database gives back.
    const loaded = loadConfig(testEnvironment(data.dir, { LOG_LEVEL: 'error' }));
    if (!loaded.ok) throw new Error(loaded.faults.join('\n'));
    server = createServer(loaded.config);
    url = `http://127.0.0.1:${(await server.start()).port}`;
  }

  async function connect(options: ConstructorParameters<typeof Client>[1] = {}): Promise<Client> {
    const client = new Client(url, options);
    clients.push(client);
    expect(await client.opened()).toBeNull();
    return client;
  }

  /** Of an open session all but the newest three go. */
  async function expireWhileStopped(): Promise<number> {
    const postgres = await startEmbeddedPostgres({ dataDir: data.dir, onEvent: () => {} });
    const pool = createPool(postgres.connection, { max: 1 });
    const now = Date.now() + HOUR;
    const expired = await createSqlStore(pool).expire({ olderThan: now, keepNewest: 3, now, atMost: 100 });
    await pool.end();
    await postgres.stop();
    return expired?.messages ?? 0;
  }

  it('is a gap for who resumes before it, and no part of the history', async () => {
    const host = await connect();
    const { session, self } = await host.do('session:create', {});
    for (let seq = 1; seq <= 8; seq += 1) await host.do('message:send', { id: `message-${seq}`, body: seq });
    await server.stop();
    expect(await expireWhileStopped()).toBe(5);
    await start();

    const seat = { client: host, session, self };
    const back = await connect({ auth: resumeOf(seat, { lastSeq: 2, lastId: 'message-2', durableSeq: 2 }) });
    const resumed = await back.next('session:resumed');
    expect(resumed).toMatchObject({ gap: { fromSeq: 3, toSeq: 5 }, reset: false, hasMore: false });
    expect(resumed.messages.map(({ seq }) => seq)).toEqual([6, 7, 8]);
    const newest = await back.do('message:history', { limit: 10 });
    expect([newest.messages.map(({ seq }) => seq), newest.hasMore, newest.lastSeq]).toEqual([[6, 7, 8], false, 8]);
    const first = await back.do('message:history', { afterSeq: 0, limit: 2 });
    expect([first.messages.map(({ seq }) => seq), first.hasMore]).toEqual([[6, 7], true]);
    expect(await back.do('message:send', { id: 'message-9', body: 9 })).toMatchObject({ seq: 9 });
    // Its message is gone, and so is what would tell that the client saw another one.
    const late = await connect({ auth: resumeOf(seat, { lastSeq: 4, lastId: 'message-4', durableSeq: 4 }) });
    expect(await late.next('session:resumed')).toMatchObject({ gap: { fromSeq: 5, toSeq: 5 }, reset: false });
  }, 60_000);
});
