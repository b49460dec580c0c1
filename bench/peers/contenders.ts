import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { LIMITS } from '../../protocol/limits.ts';
import { startPostgres, type PostgresServer } from '../../test/support/postgres-server.ts';
import { startRedis, type RedisServer } from '../../test/support/redis-server.ts';
import type { Closers } from '../closers.ts';
import { parentOf } from '../engine/process-usage.ts';
import type { Options } from '../options.ts';
import { startServer, type RunningServer } from '../server-process.ts';
import type { Workspace } from '../workspace.ts';

export const CONTENDER_NAMES = ['tandem', 'alone', 'classic', 'sharded', 'guarded'] as const;
export type ContenderName = (typeof CONTENDER_NAMES)[number];

/** What a reader is shown: the letters are those of bench/README.md. */
export const LABELS: Record<ContenderName, string> = {
  tandem: 'Tandem',
  alone: '(a) Socket.IO alone',
  classic: '(b) Socket.IO, classic adapter',
  sharded: '(c) Socket.IO, sharded adapter',
  guarded: '(d) (b), limits and session in Redis',
};

/** A limit that is on, checked and counted for every message, and that no load reaches. */
const HIGH_LIMITS = Object.fromEntries(
  Object.keys(LIMITS).map((name) => [`RATE_LIMIT_${name.toUpperCase()}_POINTS`, '1000000']),
);

/** What Postgres has by default, where the servers of the tests are smaller and take less care. */
const POSTGRES_AS_INSTALLED = { shared_buffers: '128MB', fsync: 'on', full_page_writes: 'on' };

/** What contenders share: one Redis configuration for all, one Postgres, and the processor of servers. */
export interface Field {
  readonly options: Options;
  readonly workspace: Workspace;
  readonly postgres: PostgresServer;
  readonly postgresPid: number;
  readonly serverCpus: string | null;
}

/** Servers that run, over a Redis of their own that holds nothing else. */
export interface Contender {
  readonly servers: readonly RunningServer[];
  readonly redis: RedisServer;
  readonly databaseUrl: string | null;
}

export async function openField(
  options: Options,
  workspace: Workspace,
  serverCpus: string | null,
  closers: Closers,
): Promise<Field> {
  const postgres = await startPostgres({ settings: POSTGRES_AS_INSTALLED });
  closers.add(() => postgres.stop());
  return { options, workspace, postgres, postgresPid: await postmasterOf(postgres.url), serverCpus };
}

/** Starts so many servers of one contender. `own` are variables of Tandem on top. */
export async function startContender(
  field: Field,
  name: ContenderName,
  count: number,
  closers: Closers,
  own: Record<string, string> = {},
): Promise<Contender> {
  const redis = await startRedis({ appendonly: field.options.appendfsync });
  closers.add(() => redis.stop());
  const databaseUrl = name === 'tandem' ? await field.postgres.createDatabase() : null;
  const servers: RunningServer[] = [];
  for (let index = 0; index < count; index += 1) {
    const server = await startOne(field, name, redis.url, databaseUrl, own);
    closers.add(() => server.stop());
    servers.push(server);
  }
  return { servers, redis, databaseUrl };
}

async function startOne(
  field: Field,
  name: ContenderName,
  redisUrl: string,
  databaseUrl: string | null,
  own: Record<string, string>,
): Promise<RunningServer> {
  const { workspace } = field;
  const cwd = workspace.newDataDirectory();
  await mkdir(cwd, { recursive: true });
  const isTandem = name === 'tandem';
  return startServer({
    script: isTandem ? field.options.serverScript : scriptOf(name),
    cwd,
    env: {
      PATH: process.env['PATH'] ?? '',
      REDIS_URL: redisUrl,
      ...(isTandem && { ...tandemEnvironment(cwd, databaseUrl ?? ''), ...own }),
    },
    readyPath: isTandem ? '/health/ready' : null,
    signal: workspace.signal,
    cpus: field.serverCpus,
  });
}

function scriptOf(name: Exclude<ContenderName, 'tandem'>): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url));
}

/** Every limit is on. What is not named is at its default: nobody's guarantee is switched off. */
function tandemEnvironment(dataDirectory: string, databaseUrl: string): Record<string, string> {
  return {
    ...HIGH_LIMITS,
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: dataDirectory,
    LOG_DIR: '-',
    LOG_FORMAT: 'json',
    JWT_SECRET: 'a-secret-of-the-bench-alone-a-secret-of-the-bench-alone',
    DATABASE_URL: databaseUrl,
    DATABASE_SSL: 'false',
  };
}

/** A backend is a child of the server. */
async function postmasterOf(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    return parentOf(rows[0]?.pid ?? 0) ?? 0;
  } finally {
    await client.end();
  }
}
