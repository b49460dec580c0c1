import type { Identity } from './identity.ts';

/** Clocks of issuers and servers differ; the contract allows no more. */
export const LEEWAY_MS = 60_000;
const LONGEST_ID = 256;
/** Seconds: about the year 5138. Beyond it somebody counts in milliseconds. */
const LATEST = 1e11;

export interface ClaimRules {
  readonly issuer: string;
  readonly audience: string;
  /** Counted from its issue, no token is valid longer than this, whatever it says: so long revocations are kept. */
  readonly lifeMs: number;
  readonly now: number;
}

/** Times in Unix milliseconds. */
export interface CheckedClaims extends Pick<Identity, 'issuedAt' | 'expiresAt'> {
  readonly subject: string;
}

/** The claims that every token needs; or, as text for the log, why they are refused. */
export function checkClaims(
  claims: Readonly<Record<string, unknown>>,
  { issuer, audience, lifeMs, now }: ClaimRules,
): CheckedClaims | string {
  const { iss, aud, sub, iat, exp, nbf } = claims;
  if (iss !== issuer) return 'issuer';
  if (
    !(Array.isArray(aud) ? aud.every((one) => typeof one === 'string') && aud.includes(audience) : aud === audience)
  ) {
    return 'audience';
  }
  if (!isId(sub)) return 'subject';
  if (!isTime(iat) || !isTime(exp) || exp <= iat || (nbf !== undefined && !isTime(nbf))) return 'times';
  const issuedAt = iat * 1000;
  const expiresAt = Math.min(exp * 1000, issuedAt + lifeMs);
  if (Math.max(issuedAt, (nbf ?? 0) * 1000) > now + LEEWAY_MS) return 'not yet valid';
  if (isExpired(expiresAt, now)) return 'expired';
  return { subject: sub, issuedAt, expiresAt };
}

export function isExpired(expiresAt: number, now: number): boolean {
  return expiresAt + LEEWAY_MS <= now;
}

/** What names a user, a login or a token: it is stored, compared and shown, so it is text, and not much. */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LONGEST_ID && /^[^\p{Cc}\p{Cs}]+$/u.test(value);
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < LATEST;
}
