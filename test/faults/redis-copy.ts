import { readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { eventually } from '../support/eventually.ts';
import { startRedis } from '../support/redis-server.ts';
import type { RedisServer } from '../support/redis-server.ts';

/** An older state of a Redis whose log of writes is on, as a copy of its files has it. */
export type RedisCopy =
  | { readonly kind: 'dump'; readonly bytes: Buffer }
  /** The log of writes, up to one of its bytes: it only grows, so this is what a copy made at that time holds. */
  | { readonly kind: 'log'; readonly length: number }
  | { readonly kind: 'nothing' };

const LOG_DIRECTORY = 'appendonlydir';
const MANIFEST = 'appendonly.aof.manifest';

export async function copyDump(redis: RedisServer): Promise<RedisCopy> {
  await redis.command('SAVE');
  return { kind: 'dump', bytes: await readFile(path.join(redis.dir, 'dump.rdb')) };
}

/** How long the log of writes is now. */
export async function logLength(redis: RedisServer): Promise<number> {
  return (await stat(await currentLog(redis))).size;
}

/** Starts a Redis that was killed with what the copy has, and nothing that came later. Its log of writes is on again. */
export async function restartFrom(redis: RedisServer, copy: RedisCopy): Promise<void> {
  if (copy.kind === 'log') {
    await truncate(await currentLog(redis), copy.length);
    await redis.restart();
    return;
  }
  await rm(path.join(redis.dir, LOG_DIRECTORY), { recursive: true, force: true });
  await rm(path.join(redis.dir, 'dump.rdb'), { force: true });
  if (copy.kind === 'nothing') {
    await redis.restart();
    return;
  }
  await writeFile(path.join(redis.dir, 'dump.rdb'), copy.bytes);
  // With its log of writes on, Redis reads nothing but that log.
  await configure(redis, 'no');
  await redis.restart();
  await configure(redis, 'yes');
  await redis.command('CONFIG', 'SET', 'appendonly', 'yes');
  await eventually(async () => {
    const info = String(await redis.command('INFO', 'persistence'));
    const isWritten = ['aof_enabled:1', 'aof_rewrite_in_progress:0', 'aof_rewrite_scheduled:0'].every((fact) =>
      info.includes(fact),
    );
    if (!isWritten) throw new Error('the log of writes is not begun anew');
  });
}

/** The process goes on with what the copy has: another one that has it is made its primary, and then no longer. */
export async function resyncFrom(redis: RedisServer, copy: RedisCopy): Promise<void> {
  if (copy.kind !== 'dump') throw new Error('only a dump can be what another Redis starts from');
  const other = await startRedis();
  try {
    await other.kill();
    await writeFile(path.join(other.dir, 'dump.rdb'), copy.bytes);
    await other.restart();
    await redis.command('REPLICAOF', other.host, String(other.port));
    await eventually(async () => {
      const info = String(await redis.command('INFO', 'replication'));
      if (!info.includes('master_link_status:up')) throw new Error('nothing was taken over yet');
    });
    await redis.command('REPLICAOF', 'NO', 'ONE');
  } finally {
    await other.stop();
  }
}

async function configure({ dir }: RedisServer, appendonly: 'yes' | 'no'): Promise<void> {
  const file = path.join(dir, 'redis.conf');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace(/^appendonly .*$/m, `appendonly ${appendonly}`));
}

/** The last file that the manifest names: the only one that grows. */
async function currentLog({ dir }: RedisServer): Promise<string> {
  const manifest = await readFile(path.join(dir, LOG_DIRECTORY, MANIFEST), 'utf8');
  const name = [...manifest.matchAll(/^file (\S+) seq \d+ type i/gm)].at(-1)?.[1];
  if (name === undefined) throw new Error(`expected the name of a log in the manifest, received ${manifest}`);
  return path.join(dir, LOG_DIRECTORY, name);
}
