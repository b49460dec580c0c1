import { createHash, randomBytes } from 'node:crypto';

const LONGEST = 256;

/** 256 bits from the operating system's random source. Shown once, kept as its hash. */
export function newRefreshToken(): string {
  return randomBytes(32).toString('base64url');
}

/** SHA-256 is enough for what has 256 bits of its own. */
export function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

/** Null for what somebody sent and can't be one. */
export function hashRefreshToken(token: string): string | null {
  return token.length > LONGEST ? null : hashOf(token);
}
