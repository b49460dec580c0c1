import { afterAll, afterEach, beforeAll } from '@jest/globals';
import type { CommandPayload } from '../../protocol/commands.ts';
import type { WireError } from '../../protocol/errors.ts';
import type { Session } from '../../protocol/session.ts';
import { Client } from './client.ts';
import type { ClientOptions } from './client.ts';
import type { Environment } from './environment.ts';
import { startServer } from './server.ts';
import type { RunningServer } from './server.ts';
import type { Seat } from './seat.ts';

/** One server for the tests of a block, and clients that are gone after each test. */
export interface Stage {
  readonly url: string;
  readonly port: number;
  connect(options?: ClientOptions): Promise<Client>;
  /** The `connect_error` of a handshake that must be refused. */
  connectRefusal(options?: ClientOptions): Promise<{ message: string; data: WireError | undefined }>;
  /** A client that may not be connected yet. */
  client(options?: ClientOptions): Client;
  host(payload?: CommandPayload<'session:create'>): Promise<Seat>;
  guest(code: string | null, payload?: Omit<CommandPayload<'session:join'>, 'code'>): Promise<Seat>;
  pair(payload?: CommandPayload<'session:create'>): Promise<{ host: Seat; guest: Seat }>;
}

/** Call it in a `describe`: it starts the server before its tests and stops it after them. */
export function stageServer(env: Environment = {}, overrides: { now?: () => number } = {}): Stage {
  let server: RunningServer | undefined;
  const clients = new Set<Client>();

  beforeAll(async () => {
    server = await startServer(env, overrides);
  });
  afterEach(() => {
    for (const client of clients) client.close();
    clients.clear();
  });
  afterAll(async () => {
    await server?.stop();
  });

  function running(): RunningServer {
    if (server === undefined) throw new Error('the server starts before the first test of the block, not earlier');
    return server;
  }

  function client(options: ClientOptions = {}): Client {
    const made = new Client(running().url, options);
    clients.add(made);
    return made;
  }

  async function connect(options: ClientOptions = {}): Promise<Client> {
    const made = client(options);
    const error = await made.opened();
    if (error !== null) {
      throw new Error(`the connection was refused: ${error.message} ${JSON.stringify(error.data)}`, { cause: error });
    }
    return made;
  }

  async function connectRefusal(
    options: ClientOptions = {},
  ): Promise<{ message: string; data: WireError | undefined }> {
    const error = await client(options).opened();
    if (error === null) throw new Error('the connection was expected to be refused');
    return { message: error.message, data: error.data };
  }

  async function host(payload: CommandPayload<'session:create'> = {}): Promise<Seat> {
    const made = await connect();
    return { client: made, ...(await made.do('session:create', payload)) };
  }

  async function guest(code: string | null, payload: Omit<CommandPayload<'session:join'>, 'code'> = {}): Promise<Seat> {
    const made = await connect();
    return { client: made, ...(await made.do('session:join', { ...payload, code: codeOf(code) })) };
  }

  return {
    get url() {
      return running().url;
    },
    get port() {
      return running().port;
    },
    client,
    connect,
    connectRefusal,
    host,
    guest,
    pair: async (payload = {}) => {
      const first = await host(payload);
      const second = await guest(first.session.code);
      await first.client.next('session:paired');
      await second.client.next('session:paired');
      return { host: first, guest: second };
    },
  };
}

/** The code of a session that can be joined. */
export function codeOf(session: Pick<Session, 'code'> | string | null): string {
  const code = typeof session === 'object' ? (session?.code ?? null) : session;
  if (code === null) throw new Error('expected a session with a code, received one without');
  return code;
}
