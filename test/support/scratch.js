/**
 * The directory of one run of the tests for everything that they throw away: data directories, servers' files, profiles
 * of browsers. It lies in memory where there is room: a thousand files of a database are copied there with 40 ms of
 * processor time instead of 700, and an fsync costs nothing. It goes at the end, with all that killed processes left.
 */
import { chmod, mkdtemp, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const MEMORY = '/dev/shm';
/** A run holds some 300 MB at a time. */
const ROOM_BYTES = 3 * 2 ** 30;

/** From here on `tmpdir()` is in it, for this process and those that it starts. */
export async function makeScratch() {
  const root = process.env.TMPDIR === undefined && (await hasRoom()) ? MEMORY : tmpdir();
  await removeOld(root);
  // A short name, because the path of a socket may have no more than a hundred characters.
  const directory = await mkdtemp(path.join(root, `tandem-${process.pid}-`));
  // Servers that run as another user keep their files in it.
  await chmod(directory, 0o755);
  process.env.TMPDIR = directory;
  process.env.TANDEM_TEST_SCRATCH = directory;
}

export async function removeScratch() {
  const { TANDEM_TEST_SCRATCH: directory } = process.env;
  if (directory !== undefined) await rm(directory, { recursive: true, force: true, maxRetries: 3 });
}

/** On Linux; elsewhere there is no such directory. */
async function hasRoom() {
  const found = await statfs(MEMORY).catch(() => null);
  return found !== null && found.bavail * found.bsize > ROOM_BYTES;
}

/** Those of runs that were killed. @param {string} root */
async function removeOld(root) {
  for (const name of await readdir(root)) {
    const pid = /^tandem-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    await rm(path.join(root, name), { recursive: true, force: true }).catch(() => undefined); // another user's
  }
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
