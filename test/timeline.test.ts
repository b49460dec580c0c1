import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../server/config.ts';
import { startEmbeddedPostgres } from '../server/durable/embedded.ts';
import type { EmbeddedPostgres } from '../server/durable/embedded.ts';
import { createServer } from '../server/server.ts';
import type { Server } from '../server/server.ts';
import { Client } from './support/client.ts';
import { copyDataDirectory } from './support/data-directory.ts';
import type { DataDirectory } from './support/data-directory.ts';
import { eventually } from './support/eventually.ts';
import { limit, testEnvironment } from './support/environment.ts';
import { inHaste } from './support/hasty-wasm.ts';
import { resumeOf } from './support/seat.ts';
import type { Seat } from './support/seat.ts';
import { codeOf } from './support/stage.ts';
import { readTimelines } from './support/timeline.ts';
import type { TimelineReader, Told } from './support/timeline.ts';

const POINTS = 3;
const ENV = limit('messages_user', { points: POINTS });

describe('the timeline of a session', () => {
  const clients: Client[] = [];
  let data: DataDirectory;
  let database: EmbeddedPostgres;
  let timelines: TimelineReader;
  let server: Server;
  let url: string;

  const open = async () => {
    database = await inHaste(() => startEmbeddedPostgres({ dataDir: data.dir, onEvent: () => undefined }));
    timelines = readTimelines(database.connection);
  };
  beforeAll(async () => {
    data = await copyDataDirectory();
    await open();
    const loaded = loadConfig(testEnvironment(data.dir, { LOG_LEVEL: 'error', ...ENV }));
    if (!loaded.ok) throw new Error(loaded.faults.join('\n'));
    server = createServer(loaded.config, {
      startDatabase: () => Promise.resolve(database),
      isOverloaded: () => false,
      stdout: new Writable({ write: (_chunk, _encoding, done) => done() }),
    });
    url = `http://127.0.0.1:${(await inHaste(() => server.start())).port}`;
  }, 60_000);
  afterAll(async () => {
    for (const client of clients) client.close();
    await timelines.close();
    await server.stop();
    await database.stop();
    await data.remove();
  });

  async function connect(auth = {}): Promise<Client> {
    const client = new Client(url, { auth });
    clients.push(client);
    const error = await client.opened();
    if (error !== null) throw new Error(`the connection was refused: ${error.message}`, { cause: error });
    return client;
  }

  async function pair(): Promise<{ host: Seat; guest: Seat }> {
    const [first, second] = [await connect(), await connect()];
    const host = { client: first, ...(await first.do('session:create', {})) };
    const guest = { client: second, ...(await second.do('session:join', { code: codeOf(host.session) })) };
    return { host, guest };
  }

  /** Gone without a word, and back. */
  async function comeBack({ host, guest }: { host: Seat; guest: Seat }, lastSeq: number): Promise<Client> {
    await guest.client.drop();
    await host.client.next('session:presence', ({ presence }) => presence === 'away');
    guest.client = await connect(resumeOf(guest, { lastSeq }));
    await guest.client.next('session:resumed');
    return guest.client;
  }

  async function refusals(client: Client, times: number): Promise<number> {
    let refused = 0;
    for (let n = 0; n < times; n += 1) {
      const answer = await client.sendLoose('message:send', { id: `message-${n}`, body: n });
      if (!answer.ok) refused += 1;
    }
    return refused;
  }

  function beginningOf({ host, guest }: { host: Seat; guest: Seat }): Told[] {
    return [
      ['created', null, null],
      ['joined', host.self.participantId, null],
      ['joined', guest.self.participantId, null],
      ['paired', null, null],
    ];
  }

  it('has a resume, a reset, a limit and a kick in their order, and keeps them when it is closed', async () => {
    const seats = await pair();
    const { host, guest } = seats;
    const { participantId } = guest.self;
    await comeBack(seats, 0);
    const client = await comeBack(seats, 99);
    expect(await refusals(client, 90 + POINTS)).toBe(90);
    await host.client.do('session:kick', { participantId });
    const lived: Told[] = [
      ...beginningOf(seats),
      ['away', participantId, null],
      ['resumed', participantId, null],
      ['away', participantId, null],
      ['resumed', participantId, 'reset'],
      ['limited', participantId, 'messages_user', 90],
      ['left', participantId, 'kicked'],
      ['code_changed', null, null],
    ];
    // Stored while it counts, and again when it has.
    await eventually(async () => expect(await timelines.of(host.session.id)).toEqual(lived));
    await host.client.do('session:close', {});
    await host.client.next('session:closed');
    expect(await timelines.of(host.session.id)).toEqual([...lived, ['closed', null, 'closed']]);
  });

  it('has what happened just before a stop', async () => {
    const seats = await pair();
    const { host, guest } = seats;
    await comeBack(seats, 0);
    expect(await refusals(guest.client, POINTS + 2)).toBe(2);
    await timelines.close();
    await server.stop();
    await open();
    const { participantId } = guest.self;
    expect(await timelines.of(host.session.id)).toEqual([
      ...beginningOf(seats),
      ['away', participantId, null],
      ['resumed', participantId, null],
      ['limited', participantId, 'messages_user', 2],
    ]);
  }, 30_000);
});
