/** Who holds a data directory, and whether that process still lives. */
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { isErrno } from './errno.ts';

export interface LockHolder {
  readonly pid: number;
  /** Clock ticks from boot to the start of the process: tells it from a later one with the same pid. Null off Linux. */
  readonly startTime: string | null;
  readonly bootId: string | null;
  /** A pid means something only in its namespace: a container has its own. */
  readonly pidNamespace: string | null;
  readonly hostname: string;
  readonly scratchDirectory: string;
}

export async function currentHolder(): Promise<Omit<LockHolder, 'scratchDirectory'>> {
  return {
    pid: process.pid,
    startTime: await startTimeOf(process.pid),
    bootId: await bootId(),
    pidNamespace: await pidNamespace(),
    hostname: hostname(),
  };
}

/** What is wrong with a value that should name a holder; null when nothing is. */
export function holderSchemaFault(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return 'expected an object';
  const entries = new Map<string, unknown>(Object.entries(value));
  for (const name of ['startTime', 'bootId', 'pidNamespace']) {
    const entry = entries.get(name);
    if (entry !== null && typeof entry !== 'string') return `${name}: expected text or null`;
  }
  for (const name of ['hostname', 'scratchDirectory']) {
    if (typeof entries.get(name) !== 'string') return `${name}: expected text`;
  }
  return Number.isSafeInteger(entries.get('pid')) ? null : 'pid: expected a whole number';
}

/**
 * Whether the holder's pid can be looked up from here. Another boot is another machine: it may as well be one of the
 * same name that shares the directory.
 */
export async function isSameMachine(holder: LockHolder): Promise<boolean> {
  if (holder.bootId === null) return holder.hostname === hostname();
  return holder.bootId === (await bootId()) && holder.pidNamespace === (await pidNamespace());
}

export async function isSameProcessAlive({ pid, startTime }: LockHolder): Promise<boolean> {
  if (startTime !== null) return (await startTimeOf(pid)) === startTime;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return isErrno(error, 'EPERM');
  }
}

/** Field 22 of /proc/<pid>/stat; the second field is the command's name, which may hold spaces and parentheses. */
async function startTimeOf(pid: number): Promise<string | null> {
  const line = await readText(`/proc/${pid}/stat`);
  if (line === null) return null;
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  // A zombie has closed its files: it only waits for its parent to take note.
  if (fields[0] === 'Z' || fields[0] === 'X') return null;
  return fields[19] ?? null;
}

async function bootId(): Promise<string | null> {
  return (await readText('/proc/sys/kernel/random/boot_id'))?.trim() ?? null;
}

async function pidNamespace(): Promise<string | null> {
  try {
    return await readlink('/proc/self/ns/pid');
  } catch {
    // Not Linux, or /proc is not mounted.
    return null;
  }
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    // Not Linux, or the process is gone.
    return null;
  }
}
