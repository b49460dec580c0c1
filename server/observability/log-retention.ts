import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

/** Who collects the logs is put into the group; nobody else reads them. */
export const LOG_FILE_MODE = 0o640;

const DAY_MS = 24 * 60 * 60 * 1000;
const LOG_NAME = /^(\d{4}-\d{2}-\d{2})(?:\.\d+)?\.log(\.gz|\.gz\.\d+\.tmp)?$/;

/**
 * Deletes log files of `retentionDays` days ago and before, and compresses those from before yesterday. The age is read
 * from the name, so nothing has to be remembered between runs. Yesterday's file is left alone because its last lines
 * may still be on their way to the disk. Rejects on the first file that resists; the rest waits for the next day.
 */
export async function sweepLogs(dir: string, retentionDays: number, today: string): Promise<void> {
  for (const name of await readdir(dir)) {
    const match = LOG_NAME.exec(name);
    const day = match?.[1];
    if (day === undefined) continue;
    const ageDays = (Date.parse(today) - Date.parse(day)) / DAY_MS;
    if (ageDays >= retentionDays) await removed(join(dir, name));
    else if (ageDays >= 2 && match?.[2] === undefined) await compress(join(dir, name));
  }
}

/** Another process may sweep the same directory: each writes its own copy, and the rename settles it. */
async function compress(path: string): Promise<void> {
  const copy = `${path}.gz.${process.pid}.tmp`;
  await pipeline(createReadStream(path), createGzip(), createWriteStream(copy, { mode: LOG_FILE_MODE }));
  await rename(copy, `${path}.gz`);
  await removed(path);
}

async function removed(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  });
}
