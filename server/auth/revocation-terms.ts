import { FOREIGN_LIFE_MS } from './foreign-issuer.ts';
import type { EndLoginsRequest, LoginEnd, Revocation } from './ports.ts';
import { LEEWAY_MS } from './token-claims.ts';

/** A revocation outlives the last token that it concerns by this, besides the leeway: clocks differ. */
export const SPARE_MS = LEEWAY_MS + 60_000;

export interface RevocationTermsOptions {
  /** Counted from its issue, no token of ours is valid longer. */
  readonly lifeMs: number;
  readonly now: () => number;
}

/** How long revocations count: until no token is left that they concern. */
export class RevocationTerms {
  readonly #options: RevocationTermsOptions;

  constructor(options: RevocationTermsOptions) {
    this.#options = options;
  }

  /** For logins of ours that end now. */
  revokedUntil(): number {
    return this.#options.now() + this.#options.lifeMs + SPARE_MS;
  }

  /** The end of a login of ours. */
  ofLogin(loginId: string): Revocation {
    return { kind: 'login', subject: loginId, notBefore: null, expiresAt: this.revokedUntil() };
  }

  /** Of a user, whoever the issuer is. */
  ofUser(subject: string, notBefore: number): Revocation {
    const life = Math.max(FOREIGN_LIFE_MS, this.#options.lifeMs);
    return { kind: 'user', subject, notBefore, expiresAt: notBefore + life + SPARE_MS };
  }

  ending(userId: string, loginIds: readonly string[] | null, reason: LoginEnd, now: number): EndLoginsRequest {
    return { userId, loginIds, keep: null, reason, now, revokedUntil: this.revokedUntil() };
  }
}
