import { afterAll, afterEach, beforeAll } from '@jest/globals';
import type { CommandPayload } from '../../protocol/commands.ts';
import { Client } from './client.ts';
import type { ClientOptions } from './client.ts';
import { emptyDataDirectory } from './data-directory.ts';
import type { DataDirectory } from './data-directory.ts';
import type { Environment } from './environment.ts';
import { eventually } from './eventually.ts';
import { startPostgres } from './postgres-server.ts';
import type { PostgresServer } from './postgres-server.ts';
import { startRedis } from './redis-server.ts';
import type { RedisServer, RedisServerOptions } from './redis-server.ts';
import { resumeOf } from './seat.ts';
import type { Seat } from './seat.ts';
import { startServer } from './server.ts';
import type { ServerOptions } from './server.ts';
import { spawnServer } from './spawned-server.ts';
import type { SpawnedServer } from './spawned-server.ts';
import { codeOf } from './stage.ts';
import { startTcpProxy } from './tcp-proxy.ts';
import type { TcpProxy } from './tcp-proxy.ts';

/** One Redis and one Postgres for the tests of a file. */
export interface Stores {
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  /** What makes the environment of a deployment: a database and a key prefix of its own. */
  deployment(): Promise<Environment>;
  /** Runs before the stores end, whichever comes first. */
  before(end: () => Promise<void>): void;
}

export interface InstancesOptions {
  count?: number;
  env?: Environment;
  server?: ServerOptions;
  /** Between each instance and Redis stands a proxy of its own. */
  proxied?: boolean;
  /** Each instance is a process of its own, of the built server. */
  spawned?: boolean;
}

/** Several instances of one deployment, for the tests of a block, and clients that are gone after each test. */
export interface InstancesStage {
  readonly urls: readonly string[];
  /** What each of them was started with, but for its proxy. */
  readonly env: Environment;
  /** One to each instance, in their order. */
  readonly proxies: readonly TcpProxy[];
  readonly processes: readonly SpawnedServer[];
  /** Resolves when every instance says that it has all that it needs: what the next test counts on after an outage. */
  areReady(): Promise<void>;
  /** In the place of one that ended. */
  startAgain(index: number): Promise<void>;
  /** Where nothing is said, the clients take the instances in turn. */
  connect(index: number, options?: ClientOptions): Promise<Client>;
  host(index: number, payload?: CommandPayload<'session:create'>): Promise<Seat>;
  guest(index: number, code: string | null, payload?: Omit<CommandPayload<'session:join'>, 'code'>): Promise<Seat>;
  pair(hosts: number, guests: number, payload?: CommandPayload<'session:create'>): Promise<{ host: Seat; guest: Seat }>;
  /** The seat on a connection to that instance; what it missed is in its `session:resumed`. */
  resume(index: number, seat: Seat, position?: Parameters<typeof resumeOf>[1]): Promise<Client>;
}

export function stageStores(options: RedisServerOptions = { appendonly: 'always' }): Stores {
  let stores: { redis: RedisServer; postgres: PostgresServer } | undefined;
  let deployments = 0;
  const ends: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    const [redis, postgres] = await Promise.all([startRedis(options), startPostgres()]);
    stores = { redis, postgres };
  }, 60_000);
  afterAll(async () => {
    try {
      for (const end of ends) await end();
    } finally {
      await Promise.all([stores?.redis.stop(), stores?.postgres.stop()]);
    }
  }, 60_000);

  function running(): { redis: RedisServer; postgres: PostgresServer } {
    if (stores === undefined) throw new Error('the stores start before the first test of the file, not earlier');
    return stores;
  }
  return {
    get redis() {
      return running().redis;
    },
    get postgres() {
      return running().postgres;
    },
    deployment: async () => ({
      REDIS_URL: running().redis.url,
      REDIS_KEY_PREFIX: `deployment-${(deployments += 1)}`,
      DATABASE_URL: await running().postgres.createDatabase(),
      DATABASE_SSL: 'false',
      // Tens of servers share one Postgres of 100 connections.
      DATABASE_POOL_MAX: '4',
    }),
    before: (end) => {
      ends.push(end);
    },
  };
}

interface Instance {
  readonly url: string;
  readonly process: SpawnedServer | null;
  stop(): Promise<void>;
}

/** Call it in a `describe`, after `stageStores`. */
export function stageInstances(
  stores: Stores,
  { count = 3, env = {}, server = {}, proxied = false, spawned = false }: InstancesOptions = {},
): InstancesStage {
  const instances: Instance[] = [];
  const proxies: TcpProxy[] = [];
  const clients = new Set<Client>();
  let deployment: Environment = {};

  const start = async (index: number): Promise<Instance> => {
    const proxy = proxies[index];
    const link: Environment = proxy === undefined ? {} : { REDIS_URL: `redis://${proxy.host}:${proxy.port}` };
    const own = { ...deployment, ...link };
    return spawned ? startProcess(own) : { process: null, ...(await startServer(own, server)) };
  };

  beforeAll(async () => {
    deployment = { ...(await stores.deployment()), ...env };
    const { host, port } = stores.redis;
    for (let index = 0; proxied && index < count; index += 1) proxies.push(await startTcpProxy({ host, port }));
    // The first makes the tables; the others have nothing to wait for.
    instances.push(await start(0));
    instances.push(...(await Promise.all(Array.from({ length: count - 1 }, (_, index) => start(index + 1)))));
  }, 60_000);
  afterEach(() => {
    for (const client of clients) client.close();
    clients.clear();
  });
  const end = async (): Promise<void> => {
    const ended = await Promise.allSettled(instances.splice(0).map((instance) => instance.stop()));
    await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
    for (const outcome of ended) if (outcome.status === 'rejected') throw outcome.reason;
  };
  stores.before(end);
  afterAll(end, 60_000);

  function at(index: number): Instance {
    const instance = instances[index];
    if (instance === undefined) throw new Error(`there is no instance ${index}, or it starts before the first test`);
    return instance;
  }

  async function connect(index: number, options: ClientOptions = {}): Promise<Client> {
    const client = new Client(at(index).url, options);
    clients.add(client);
    const error = await client.opened();
    if (error !== null) throw new Error(`the connection was refused: ${error.message}`, { cause: error });
    return client;
  }

  const host: InstancesStage['host'] = async (index, payload = {}) => {
    const client = await connect(index);
    return { client, ...(await client.do('session:create', payload)) };
  };
  const guest: InstancesStage['guest'] = async (index, code, payload = {}) => {
    const client = await connect(index);
    return { client, ...(await client.do('session:join', { ...payload, code: codeOf(code) })) };
  };

  return {
    get urls() {
      return instances.map(({ url }) => url);
    },
    get env() {
      return deployment;
    },
    proxies,
    get processes() {
      return instances.flatMap(({ process }) => (process === null ? [] : [process]));
    },
    areReady: async () => {
      for (const { url } of instances) {
        await eventually(async () => {
          const answer = await fetch(`${url}/health/ready`);
          if (answer.status !== 200) throw new Error(`${url} is not ready: ${await answer.text()}`);
          await answer.body?.cancel();
        });
      }
    },
    startAgain: async (index) => {
      await at(index).stop();
      instances[index] = await start(index);
    },
    connect,
    host,
    guest,
    pair: async (hosts, guests, payload = {}) => {
      const first = await host(hosts, payload);
      const second = await guest(guests, first.session.code);
      await first.client.next('session:paired');
      await second.client.next('session:paired');
      return { host: first, guest: second };
    },
    resume: (index, seat, position = {}) => connect(index, { auth: resumeOf(seat, position) }),
  };
}

async function startProcess(env: Environment): Promise<Instance> {
  const data: DataDirectory = await emptyDataDirectory();
  const process = await spawnServer(data.dir, env);
  return {
    url: process.url,
    process,
    stop: async () => {
      // One that is frozen takes no other signal.
      process.signal('SIGCONT');
      if (process.isRunning()) await process.kill9();
      await data.remove();
    },
  };
}
