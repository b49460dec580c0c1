import { constants } from 'node:fs';
import { access, readFile, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../config.ts';
import { isErrno } from '../durable/errno.ts';
import { holderSchemaFault, isSameMachine, isSameProcessAlive, type LockHolder } from '../durable/lock-holder.ts';
import { reasonsOf } from './bounded.ts';
import { failed, ok, warning, type Finding } from './finding.ts';

/** Where `/health/detailed` reports `degraded`. */
const LEAST_FREE_BYTES = 512 * 1024 * 1024;
const LEAST_FREE_SHARE = 0.05;

/** The directories that the server writes to. Nothing is written here: the rights of this user are asked for. */
export async function checkDirectories({ database, dataDir, log }: Config): Promise<readonly Finding[]> {
  const isEmbedded = database.kind === 'embedded';
  return [
    ...(isEmbedded ? [await checkWritable('DATA_DIR', dataDir), await checkLock(dataDir)] : []),
    ...(log.dir === null ? [] : [await checkWritable('LOG_DIR', log.dir)]),
    ...(isEmbedded ? [await checkSpace('DATA_DIR', dataDir)] : []),
    ...(!isEmbedded && log.dir !== null ? [await checkSpace('LOG_DIR', log.dir)] : []),
  ];
}

async function checkWritable(name: string, directory: string): Promise<Finding> {
  const existing = await nearestExisting(directory);
  try {
    if (!(await stat(existing)).isDirectory()) {
      return failed(name, `${existing} is no directory`, `Choose another ${name}, or move that file away.`);
    }
    await access(existing, constants.W_OK | constants.X_OK);
  } catch (error) {
    const found = `this user may not write to ${existing} (${reasonsOf(error)})`;
    return failed(name, found, `Make it writable for the user that runs the server, or choose another ${name}.`);
  }
  return ok(
    name,
    existing === directory ? `${directory} is writable` : `${directory} is made at the first start, below ${existing}`,
  );
}

async function checkLock(dataDir: string): Promise<Finding> {
  const check = 'data lock';
  let text: string;
  try {
    text = await readFile(path.join(dataDir, 'lock.json'), 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return ok(check, 'no process uses DATA_DIR');
    return warning(
      check,
      `the lock cannot be read (${reasonsOf(error)})`,
      'Run this as the user that runs the server.',
    );
  }
  const holder = parseHolder(text);
  if (holder === null) return ok(check, 'DATA_DIR was left by a process that ended; the next one takes it over');
  const who = `process ${holder.pid} on ${holder.hostname}`;
  if (!(await isSameMachine(holder))) {
    const found = `${who} used DATA_DIR last, and whether it runs cannot be seen from here`;
    return warning(check, found, 'Make sure that no second server uses this directory: give each its own DATA_DIR.');
  }
  if (await isSameProcessAlive(holder)) {
    return ok(check, `${who} uses DATA_DIR, so the embedded database is not looked into; a second server cannot start`);
  }
  return ok(check, `${who} used DATA_DIR and has ended; the next one takes it over`);
}

function parseHolder(text: string): LockHolder | null {
  try {
    const value: unknown = JSON.parse(text);
    return holderSchemaFault(value) === null ? (value as LockHolder) : null; // the line before looked at each field
  } catch {
    // The machine lost its power while it was written.
    return null;
  }
}

async function checkSpace(name: string, directory: string): Promise<Finding> {
  const { bavail, blocks, bsize } = await statfs(await nearestExisting(directory));
  const [free, total] = [bavail * bsize, blocks * bsize];
  const room = `${gibibytes(free)} of ${gibibytes(total)} GiB are free for ${name}`;
  if (free >= Math.min(LEAST_FREE_BYTES, total * LEAST_FREE_SHARE)) return ok('disk', room);
  return warning('disk', room, 'Make room, or give it a larger disk: without room, nothing is stored or logged.');
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}

async function nearestExisting(directory: string): Promise<string> {
  for (let at = directory; ; at = path.dirname(at)) {
    try {
      await stat(at);
      return at;
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR') || at === path.dirname(at)) return at;
    }
  }
}
