/** Who a valid token speaks for. Times are Unix milliseconds. */
export interface Identity {
  /** An account's id, or the subject of a foreign token, as it stands there. */
  readonly userId: string;
  /** Whether the token is our own. */
  readonly kind: 'own' | 'foreign';
  /** What a revocation of the login names. Null where a foreign token names none. */
  readonly loginId: string | null;
  /** What a revocation of this token alone names. */
  readonly tokenId: string;
  readonly issuedAt: number;
  /** Without the leeway. */
  readonly expiresAt: number;
}

/**
 * Logins and tokens of foreign issuers have names that none of our own can have: who signs out there ends nothing here
 * that has the same id by chance, or by somebody's choice.
 */
export function foreignId(id: string): string {
  return `foreign:${id}`;
}
