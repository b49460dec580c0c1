import { createHash } from 'node:crypto';
import { compactVerify } from 'jose';
import { foreignId, type Identity } from './identity.ts';
import { RemoteKeys } from './remote-keys.ts';
import { checkClaims, isId } from './token-claims.ts';
import type { TokenText } from './token-text.ts';

/** Signed by one key and checked by another: a published key must never pass for a secret. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** Foreign tokens count so long at most, counted from their issue: so long a revocation of their user is kept. */
export const FOREIGN_LIFE_MS = 30 * 86_400_000;

export interface ForeignIssuerOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string;
  /** The role that its users have; tokens of other roles speak for no user. Null: roles mean nothing. */
  readonly role?: string;
  readonly now: () => number;
  readonly monotonic?: () => number;
}

/** Somebody else who signs tokens for our users. */
export class ForeignIssuer {
  readonly issuer: string;
  readonly #options: ForeignIssuerOptions;
  readonly #keys: RemoteKeys;

  constructor(options: ForeignIssuerOptions) {
    this.issuer = options.issuer;
    this.#options = options;
    this.#keys = new RemoteKeys({ url: options.jwksUrl, monotonic: options.monotonic ?? (() => performance.now()) });
  }

  /**
   * The auth server of a Supabase project (https://supabase.com/docs/guides/auth/jwts). Projects that still sign with the
   * shared secret of old publish no key for it, so their tokens are refused.
   */
  static ofSupabase(projectUrl: string, now: () => number): ForeignIssuer {
    const issuer = `${projectUrl}/auth/v1`;
    const jwksUrl = `${issuer}/.well-known/jwks.json`;
    return new ForeignIssuer({ issuer, audience: 'authenticated', role: 'authenticated', jwksUrl, now });
  }

  /** Whom the token speaks for; or, as text for the log, why it is refused. Rejects with `UNAVAILABLE`. */
  async verify(token: string, text: TokenText): Promise<Identity | string> {
    const { issuer, audience, role, now } = this.#options;
    if (!ALGORITHMS.includes(text.alg)) return 'algorithm';
    // Before anything is asked of the issuer: an old token costs nobody a question.
    const checked = checkClaims(text.claims, { issuer, audience, lifeMs: FOREIGN_LIFE_MS, now: now() });
    if (typeof checked === 'string') return checked;
    const { jti, sid, session_id: sessionId } = text.claims;
    // Supabase names the login `session_id`.
    const loginId = sid ?? sessionId ?? null;
    if ((loginId !== null && !isId(loginId)) || (jti !== undefined && !isId(jti))) return 'ids';
    if (role !== undefined && text.claims['role'] !== role) return 'role';
    for (const key of await this.#keys.candidates(text)) {
      try {
        await compactVerify(token, key, { algorithms: [text.alg] });
      } catch {
        // Another key may have signed it.
        continue;
      }
      return {
        kind: 'foreign',
        userId: checked.subject,
        loginId: loginId === null ? null : foreignId(loginId),
        // What was signed is one of a kind, and can't be spelled otherwise.
        tokenId: foreignId(jti ?? createHash('sha256').update(text.signed).digest('base64url')),
        issuedAt: checked.issuedAt,
        expiresAt: checked.expiresAt,
      };
    }
    return 'signature';
  }
}
