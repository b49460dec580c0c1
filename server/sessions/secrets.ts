import { createHash, randomBytes } from 'node:crypto';

/** A resume token: 256 bits from the operating system's random source, base64url. Shown once, kept as its hash. */
export function newResumeToken(): string {
  return randomBytes(32).toString('base64url');
}

/** SHA-256 is enough for what has 256 bits of its own: nothing shorter can be guessed from it. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

/** A key belongs to one command, one user, and for a join to one code: the same key elsewhere is another one. */
export function hashKey(command: 'create' | 'join', code: string, key: string, userId: string | null): string {
  const owner = userId === null ? '' : `\n${userId}`;
  return createHash('sha256').update(`${command}\n${code}\n${key}${owner}`).digest('base64url');
}
