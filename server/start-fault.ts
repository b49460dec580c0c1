import type { Config } from './config.ts';
import { tmpdir } from 'node:os';
import { sep } from 'node:path';

/** What an error of the operating system carries; of all fields only the code is always there. */
interface SystemError {
  readonly code: string;
  readonly syscall: string;
  readonly path: string;
}

const UNKNOWN_HOST = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL']);

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: 'something that is no directory has this name',
  ENOTDIR: 'a part of this path is no directory',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  ENOENT: 'it is not there and cannot be made',
};

/**
 * Why the server could not start, in one sentence for the operator: the variable, what was received, what to do. Null when
 * the error is none that an operator brings about; then its own text has to do.
 */
export function startFault(error: unknown, { host, port, dataDir }: Config): string | null {
  const fault = systemError(error);
  if (fault === null) return null;
  const { code, syscall, path } = fault;
  if (syscall === 'listen' || syscall === 'getaddrinfo') {
    if (code === 'EADDRINUSE') {
      return `PORT: ${port} on ${host} is in use by another process (${code}); stop that one, or choose another PORT.`;
    }
    if (code === 'EACCES') {
      return `PORT: ${port} on ${host} is not for this user (${code}); choose a PORT of 1024 or higher.`;
    }
    if (UNKNOWN_HOST.has(code)) {
      return (
        `HOST: ${host} is no address of this machine (${code}); ` +
        'take one of its addresses, 127.0.0.1 for this machine alone, or 0.0.0.0 for all of them.'
      );
    }
    return null;
  }
  const reason = REASONS[code];
  if (reason === undefined || path === '') return null;
  // What is missing may be the directory, something in it, or a directory above it.
  if (isWithin(path, dataDir) || isWithin(dataDir, path)) {
    return `DATA_DIR: ${dataDir} cannot hold the data, at ${path} ${reason} (${code}); make it writable, or choose another DATA_DIR.`;
  }
  if (isWithin(path, tmpdir()) || isWithin(tmpdir(), path)) {
    return `TMPDIR: ${tmpdir()} cannot hold temporary files, ${reason} (${code}); make it writable, or set TMPDIR to a directory that is.`;
  }
  return null;
}

/**
 * `EX_CONFIG` of sysexits.h, for a supervisor that should not start again what can't start: where the configuration asks
 * for something that only the services it names could say no to.
 */
export function exitCodeOf(error: unknown): 1 | 78 {
  // By name: its class is loaded with the store, which a process that starts has no time for here.
  for (let reason = error; reason instanceof Error; reason = reason.cause) {
    if (reason.name === 'UnmetDurabilityError' || reason.name === 'ForeignRedisError') return 78;
  }
  return 1;
}

/** By shape: what it stands on may be the cause of what was thrown. */
function systemError(error: unknown): SystemError | null {
  if (typeof error !== 'object' || error === null) return null;
  const { code, syscall, path, cause } = error as Readonly<Record<string, unknown>>;
  if (typeof code !== 'string') return systemError(cause);
  return { code, syscall: typeof syscall === 'string' ? syscall : '', path: typeof path === 'string' ? path : '' };
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : directory + sep);
}
