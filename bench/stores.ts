import { mkdir } from 'node:fs/promises';
import { testEnvironment } from '../test/support/environment.ts';
import { startPostgres } from '../test/support/postgres-server.ts';
import { startRedis, type RedisServer } from '../test/support/redis-server.ts';
import type { Closers } from './closers.ts';
import { startServer, type RunningServer } from './server-process.ts';
import type { Workspace } from './workspace.ts';

export interface Stores {
  readonly redis: RedisServer;
  readonly databaseUrl: string;
}

/** A Redis that forces each write to disk, and a Postgres with one empty database, for one or several servers. */
export async function startStores(closers: Closers): Promise<Stores> {
  const redis = await startRedis({ appendonly: 'always' });
  closers.add(() => redis.stop());
  const postgres = await startPostgres();
  closers.add(() => postgres.stop());
  return { redis, databaseUrl: await postgres.createDatabase() };
}

/** One of perhaps several servers over such stores, all limits off. `own` are variables on top. */
export async function startInstance(
  script: string,
  workspace: Workspace,
  { redis, databaseUrl }: Stores,
  own: Record<string, string> = {},
): Promise<RunningServer> {
  const dataDirectory = workspace.newDataDirectory();
  await mkdir(dataDirectory, { recursive: true });
  const env = testEnvironment(dataDirectory, {
    PATH: process.env['PATH'] ?? '',
    JWT_SECRET: 'a-secret-of-the-bench-alone-a-secret-of-the-bench-alone',
    REDIS_URL: redis.url,
    DATABASE_URL: databaseUrl,
    DATABASE_SSL: 'false',
    ...own,
  });
  return startServer({ script, env, cwd: dataDirectory, readyPath: '/health/ready', signal: workspace.signal });
}
