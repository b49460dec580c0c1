import { readdir } from 'node:fs/promises';
import pg from 'pg';
import type { Deployment } from '../deployment.ts';
import { residentBytes } from '../instance.ts';
import { slopeAfterWarmUp } from './slope.ts';

const TABLES = ['sessions', 'participants', 'messages', 'session_events', 'daily_analytics', 'mail_queue'] as const;

/** What the parts of a deployment hold at one time. */
export interface Sample {
  /** One of each instance, as all of these. */
  readonly rssBytes: readonly number[];
  readonly openFiles: readonly number[];
  readonly redisKeys: number;
  readonly redisBytes: number;
  readonly rows: Readonly<Record<string, number>>;
}

export async function sample({ instances, redis, databaseUrl }: Deployment): Promise<Sample> {
  if (redis === null || databaseUrl === null) throw new Error('this needs both stores');
  const pids = instances.map(({ server }) => server.pid);
  const memory = String(await redis.command('INFO', 'memory'));
  return {
    rssBytes: await Promise.all(pids.map(async (pid) => (await residentBytes(pid)) ?? 0)),
    openFiles: await Promise.all(pids.map(openFilesOf)),
    redisKeys: Number(await redis.command('DBSIZE')),
    redisBytes: Number(/^used_memory:(\d+)/m.exec(memory)?.[1]),
    rows: await rowsOf(databaseUrl),
  };
}

export function shown({ rssBytes, openFiles, redisKeys, redisBytes, rows }: Sample): string {
  const tables = Object.entries(rows).map(([table, count]) => `${table} ${count}`);
  return (
    `resident ${rssBytes.map(mib).join(' | ')} MiB, open files ${openFiles.join(' | ')}, ` +
    `Redis ${redisKeys} keys, ${mib(redisBytes)} MiB, rows: ${tables.join(', ')}`
  );
}

/** Of the instance that lives from the first sample to the last one, and of Redis; by generation. */
export function slopesOf(samples: readonly Sample[], elder: number): string {
  const slope = (of: (one: Sample) => number, digits: number): string =>
    slopeAfterWarmUp(samples.map(of))?.toFixed(digits) ?? 'unknown';
  return (
    `by generation, after the first fifth: resident memory of the oldest instance ` +
    `${slope(({ rssBytes }) => (rssBytes[elder] ?? 0) / 2 ** 20, 2)} MiB, its open files ` +
    `${slope(({ openFiles }) => openFiles[elder] ?? 0, 2)}, keys in Redis ${slope(({ redisKeys }) => redisKeys, 1)}, ` +
    `memory of Redis ${slope(({ redisBytes }) => redisBytes / 2 ** 20, 2)} MiB`
  );
}

async function openFilesOf(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`).catch(() => [])).length; // Not Linux, or it has just ended.
}

async function rowsOf(url: string): Promise<Record<string, number>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const rows: Record<string, number> = {};
    for (const table of TABLES) {
      const { rows: found } = await client.query<{ count: string }>(`select count(*)::text from ${table}`);
      rows[table] = Number(found[0]?.count);
    }
    return rows;
  } finally {
    await client.end();
  }
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
