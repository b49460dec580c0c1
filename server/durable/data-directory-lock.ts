/**
 * One process at a time in a data directory. PGlite has no lock of its own: a second process opens the same files, and
 * rows that the first one committed vanish without a word.
 *
 * The lock is the file `lock.json`, which names its holder. Who finds a holder dead may succeed it, and of several who
 * find that at once exactly one must. So the right to succeed is itself a file, `lock.json.<digest of the dead holder's
 * file>`, made by link(2), which fails when the name is taken. The holder is the last one in the chain: `lock.json`, the
 * one who succeeded it, the one who succeeded that one ... A successor then puts its own file in the place of
 * `lock.json` and removes the links behind it; whoever linked into a chain that was removed meanwhile sees that
 * `lock.json` is no longer the file it started from, and starts again.
 */
import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from './errno.ts';
import { currentHolder, holderSchemaFault, isSameMachine, isSameProcessAlive, type LockHolder } from './lock-holder.ts';

const LOCK_FILE = 'lock.json';
const HEARTBEAT_MS = 1000;
/** A holder whose process can't be looked up (another container) counts as dead after this silence. */
const SILENCE_MS = 10_000;
/** A file of somebody who tried to take the lock, and did not clean up for so long, is left over. */
const LEFTOVER_MS = 600_000;
/** How often a silent holder of that kind is looked at. */
const LOOK_MS = 250;

/** Somebody else works in the data directory. The message says who, and what to do. */
export class DataDirectoryInUseError extends Error {
  override readonly name = 'DataDirectoryInUseError';
}

export interface DataDirectoryLock {
  /** The dead holder that this one succeeded. */
  readonly predecessor: LockHolder | null;
  /** Gives the directory free; may be called twice. */
  release(): Promise<void>;
}

export interface LockOptions {
  /** A directory of the holder outside, which its successor may remove. */
  readonly scratchDirectory: string;
  /** Another process took the directory, because this one was silent for too long: it must stop writing at once. */
  readonly onLost: (error: Error) => void;
}

export async function lockDataDirectory(
  dataDir: string,
  { scratchDirectory, onLost }: LockOptions,
): Promise<DataDirectoryLock> {
  // What people wrote to each other is nobody else's on this machine.
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const lockPath = join(dataDir, LOCK_FILE);
  const ownPath = `${lockPath}.${randomUUID()}`;
  const own = JSON.stringify({ ...(await currentHolder()), token: randomUUID(), scratchDirectory });
  await writeFile(ownPath, own, { mode: 0o600, flush: true });
  let predecessor: LockHolder | null;
  try {
    predecessor = await take(dataDir, lockPath, ownPath);
  } finally {
    await rm(ownPath, { force: true });
  }
  return await hold(lockPath, own, predecessor, onLost);
}

/** Makes `lockPath` a link to the own file; gives the dead holder that it named before. */
async function take(dataDir: string, lockPath: string, ownPath: string): Promise<LockHolder | null> {
  for (;;) {
    if (await tryLink(ownPath, lockPath)) return null;
    const first = await readLock(lockPath);
    if (first === null) continue;
    let last = first;
    for (;;) {
      const next = await readLock(successorPath(lockPath, last));
      if (next === null) break;
      last = next;
    }
    await refuseUnlessDead(dataDir, last);
    const successor = successorPath(lockPath, last);
    if (!(await tryLink(ownPath, successor))) continue;
    const now = await readLock(lockPath);
    if (now?.digest !== first.digest) {
      await rm(successor, { force: true });
      continue;
    }
    await rename(ownPath, lockPath);
    await removeChain(dataDir);
    return last.holder;
  }
}

interface ReadLock {
  readonly path: string;
  readonly digest: string;
  /** Null when the file says nothing: the machine lost its power while it was written. */
  readonly holder: LockHolder | null;
}

async function readLock(path: string): Promise<ReadLock | null> {
  try {
    const text = await readFile(path, 'utf8');
    const digest = createHash('sha256').update(text).digest('hex').slice(0, 32);
    return { path, digest, holder: parseHolder(text) };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

function parseHolder(text: string): LockHolder | null {
  try {
    const value: unknown = JSON.parse(text);
    return holderSchemaFault(value) === null ? (value as LockHolder) : null;
  } catch {
    // Not JSON: handled as a holder of whom nothing is known.
    return null;
  }
}

function successorPath(lockPath: string, predecessor: ReadLock): string {
  return `${lockPath}.${predecessor.digest}`;
}

async function refuseUnlessDead(dataDir: string, lock: ReadLock): Promise<void> {
  const { holder } = lock;
  if (holder !== null && (await isSameMachine(holder))) {
    if (await isSameProcessAlive(holder)) throw inUse(dataDir, holder);
    return;
  }
  // Nobody here can look that process up. If it lives, it is heard within a second; if it was heard a moment ago and
  // died since (its container was restarted), waiting is better than not starting.
  const heardAt = await modifiedAt(lock.path);
  const since = performance.now();
  for (;;) {
    const at = await modifiedAt(lock.path);
    if (at === null) return;
    if (heardAt === null || at > heardAt) throw inUse(dataDir, holder);
    // The time of the file may be that of another clock, so silence is also measured by the own one.
    if (Date.now() - at > SILENCE_MS || performance.now() - since > SILENCE_MS) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function inUse(dataDir: string, holder: LockHolder | null): DataDirectoryInUseError {
  const who = holder === null ? 'another process' : `process ${holder.pid} on host ${holder.hostname}`;
  return new DataDirectoryInUseError(
    `The data directory ${dataDir} is used by ${who}. Two processes would destroy each other's data: ` +
      'stop that one, or give this one another DATA_DIR.',
  );
}

async function modifiedAt(path: string): Promise<number | null> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    if (isErrno(error, 'EPERM', 'ENOTSUP', 'ENOSYS', 'EOPNOTSUPP')) {
      throw new Error(`The file system of ${to} has no hard links, which the lock needs: choose another DATA_DIR.`, {
        cause: error,
      });
    }
    throw error;
  }
}

/** Links behind the one who holds the lock now, and what others who died while they tried left behind. */
async function removeChain(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(`${LOCK_FILE}.`)) continue;
    const path = join(dataDir, name);
    const isLink = /\.[0-9a-f]{32}$/.test(name);
    // The own file of somebody who tries at this moment is young, and must stay.
    const writtenAt = isLink ? 0 : await modifiedAt(path);
    if (writtenAt !== null && Date.now() - writtenAt > LEFTOVER_MS) await rm(path, { force: true });
  }
}

async function hold(
  lockPath: string,
  own: string,
  predecessor: LockHolder | null,
  onLost: (error: Error) => void,
): Promise<DataDirectoryLock> {
  const file = await open(lockPath, 'r+');
  if ((await file.readFile('utf8')) !== own) {
    await file.close();
    throw new DataDirectoryInUseError(`The lock file ${lockPath} was replaced while it was taken: start again.`);
  }
  let beating: Promise<void> | null = null;
  let released = false;
  const timer = setInterval(() => {
    beating ??= beat().finally(() => {
      beating = null;
    });
  }, HEARTBEAT_MS);
  timer.unref();

  async function beat(): Promise<void> {
    try {
      if (await isOwn(lockPath, file)) {
        // One byte, the same: the file's time moves by the clock of its file system, and no reader sees it torn.
        await file.write('{', 0);
        return;
      }
    } catch {
      // A directory that can't be looked at now (a full table of open files, a network file system that hangs) is no
      // proof of a loss: the next beat looks again.
      return;
    }
    clearInterval(timer);
    onLost(new DataDirectoryInUseError(`The lock ${lockPath} was removed, or taken while this process was silent.`));
  }

  return {
    predecessor,
    release: async () => {
      if (released) return;
      released = true;
      clearInterval(timer);
      await beating;
      const isHeld = await isOwn(lockPath, file);
      await file.close();
      if (isHeld) await rm(lockPath, { force: true });
    },
  };
}

async function isOwn(lockPath: string, file: FileHandle): Promise<boolean> {
  const own = await file.stat();
  try {
    return (await stat(lockPath)).ino === own.ino;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
