import { closeSync, openSync, readSync } from 'node:fs';

/** Larger than any secret, certificate chain or `.env`, and small enough for a path that was meant to be another. */
const MOST_BYTES = 256 * 1024;

export type ReadFailure = 'missing' | 'denied' | 'directory' | 'too_large' | 'not_text' | 'unreadable';
export type TextFile =
  { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: ReadFailure };

/** Reads a small file of UTF-8; a byte order mark at its start is left out. Never throws. */
export function readTextFile(path: string): TextFile {
  let bytes: Buffer;
  try {
    bytes = readAtMost(path, MOST_BYTES + 1);
  } catch (error) {
    return { ok: false, reason: reasonOf(error) };
  }
  if (bytes.length > MOST_BYTES) return { ok: false, reason: 'too_large' };
  try {
    return { ok: true, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    // Decoding what is not UTF-8 would turn different secrets into the same one.
    return { ok: false, reason: 'not_text' };
  }
}

export function describeReadFailure(reason: ReadFailure): string {
  switch (reason) {
    case 'missing':
      return 'the file does not exist';
    case 'denied':
      return 'this user may not read the file';
    case 'directory':
      return 'it is a directory';
    case 'too_large':
      return `the file is larger than ${MOST_BYTES / 1024} KiB`;
    case 'not_text':
      return 'the file is not UTF-8 text';
    case 'unreadable':
      return 'the file cannot be read';
  }
}

/** Reads no more than is asked for, whatever the path is: `/dev/zero` has no end. */
function readAtMost(path: string, most: number): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(most);
    let length = 0;
    for (;;) {
      const read = readSync(descriptor, bytes, length, most - length, null);
      length += read;
      if (read === 0 || length === most) return bytes.subarray(0, length);
    }
  } finally {
    closeSync(descriptor);
  }
}

function reasonOf(error: unknown): ReadFailure {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'missing';
    case 'EACCES':
    case 'EPERM':
      return 'denied';
    case 'EISDIR':
      return 'directory';
    default:
      return 'unreadable';
  }
}
