import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';

const NAME = 'jwt-secret';
const LEAST_BYTES = 32;

/**
 * The secret that signs access tokens where nobody has configured one, which is development alone: made once, so that
 * who is signed in stays so over a restart. Two processes that start at once in one directory get the same.
 */
export async function developmentSecret(dataDir: string): Promise<string> {
  const file = path.join(dataDir, NAME);
  const found = await read(file);
  if (found !== null) return found;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const own = `${file}.${randomBytes(8).toString('hex')}`;
  try {
    const handle = await open(own, 'wx', 0o600);
    try {
      await handle.writeFile(`${randomBytes(48).toString('base64url')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // Under its name at once and whole, or not at all: of two, one is late.
    await link(own, file).catch((error: unknown) => {
      if (!hasCode(error, 'EEXIST')) throw error;
    });
  } finally {
    await rm(own, { force: true });
  }
  const made = await read(file);
  if (made === null) throw new Error(`${file} was removed while the server started: start it again.`);
  return made;
}

async function read(file: string): Promise<string | null> {
  let text: string;
  try {
    text = (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  if (Buffer.byteLength(text) < LEAST_BYTES) {
    throw new Error(
      `${file}: received a secret of ${Buffer.byteLength(text)} bytes, expected at least ${LEAST_BYTES}; ` +
        'remove the file, and a fresh one is made.',
    );
  }
  // Copied by somebody, perhaps, who did not keep its mode. Windows has none.
  if (process.platform !== 'win32' && ((await stat(file)).mode & 0o077) !== 0) await chmod(file, 0o600);
  return text;
}

/** By shape: a test's realm has another `Error`. */
function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
