import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { compactVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import { v7 as uuidv7 } from 'uuid';
import { TandemError } from '../../protocol/errors.ts';
import type { ForeignIssuer } from './foreign-issuer.ts';
import type { Identity } from './identity.ts';
import type { AccountStore } from './ports.ts';
import { checkClaims, isExpired, isId } from './token-claims.ts';
import { readToken, type TokenText } from './token-text.ts';
import { uuidTime } from './uuid-time.ts';

const ALGORITHM = 'HS256';
const VERIFIED_TOKENS = 20_000;
const FOREIGN_FRESH_MS = 600_000;
/** An instance that had another ACCESS_TOKEN_TTL until a moment ago knows of the same revocations. */
const SHORTEST_LIFE_MS = 3_600_000;

export interface AccessTokensOptions {
  /** The first signs, all verify. */
  readonly secrets: readonly string[];
  readonly issuer: string;
  readonly audience: string;
  readonly ttlMs: number;
  readonly foreign: readonly ForeignIssuer[];
  readonly accounts: Pick<AccountStore, 'findUser'>;
  readonly now: () => number;
}

export interface IssuedToken {
  readonly accessToken: string;
  readonly expiresInSeconds: number;
}

/**
 * Access tokens: our own are signed with `JWT_SECRET`, those of foreign issuers with keys that they publish. The algorithm
 * decides which it is, so no key is ever used for an algorithm of the other kind.
 */
export class AccessTokens {
  /** Counted from its issue, no token of ours is valid longer than this, whatever it says. */
  readonly lifeMs: number;
  readonly #options: AccessTokensOptions;
  readonly #keys: readonly KeyObject[];
  readonly #verified = new LRUCache<string, Identity>({ max: VERIFIED_TOKENS });

  constructor(options: AccessTokensOptions) {
    if (options.secrets.length === 0) throw new RangeError('Access tokens need a secret to sign with, received none');
    this.#options = options;
    this.#keys = options.secrets.map((secret) => createSecretKey(secret, 'utf8'));
    this.lifeMs = Math.max(options.ttlMs, SHORTEST_LIFE_MS);
  }

  async issue(userId: string, loginId: string): Promise<IssuedToken> {
    const { issuer, audience, ttlMs, now } = this.#options;
    const [key] = this.#keys;
    if (key === undefined) throw new RangeError('There is a secret');
    const issuedAt = now();
    const seconds = Math.floor(issuedAt / 1000);
    const expiresInSeconds = Math.max(1, Math.floor(ttlMs / 1000));
    // iat counts in seconds; the token's id says when within it.
    const accessToken = await new SignJWT({ sid: loginId, jti: uuidv7({ msecs: issuedAt }) })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(userId)
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + expiresInSeconds)
      .sign(key);
    return { accessToken, expiresInSeconds };
  }

  /**
   * Whom the token speaks for, whether or not it is revoked. Rejects with `UNAUTHENTICATED`, the same for every reason, or
   * with `UNAVAILABLE` when that cannot be told now.
   */
  async verify(token: string): Promise<Identity> {
    const name = createHash('sha256').update(token).digest('base64url');
    const known = this.#verified.get(name);
    if (known !== undefined) {
      if (!isExpired(known.expiresAt, this.#options.now())) return known;
      this.#verified.delete(name);
      throw unauthenticated('expired');
    }
    const text = readToken(token);
    if (text === null) throw unauthenticated('form');
    const identity = await (text.alg === ALGORITHM ? this.#verifyOwn(token, text) : this.#verifyForeign(token, text));
    if (typeof identity === 'string') throw unauthenticated(identity);
    // A key that its issuer took back, and an account that was made since, are noticed after a while.
    this.#verified.set(name, identity, identity.kind === 'foreign' ? { ttl: FOREIGN_FRESH_MS } : {});
    return identity;
  }

  async #verifyOwn(token: string, { claims }: TokenText): Promise<Identity | string> {
    const { issuer, audience, now } = this.#options;
    const checked = checkClaims(claims, { issuer, audience, lifeMs: this.lifeMs, now: now() });
    if (typeof checked === 'string') return checked;
    const { sid, jti } = claims;
    if (!isId(sid) || !isId(jti)) return 'ids';
    if (!(await this.#isSigned(token))) return 'signature';
    const madeAt = uuidTime(jti);
    const isExact = madeAt !== null && Math.floor(madeAt / 1000) * 1000 === checked.issuedAt;
    return {
      kind: 'own',
      userId: checked.subject,
      loginId: sid,
      tokenId: jti,
      issuedAt: isExact ? madeAt : checked.issuedAt,
      expiresAt: checked.expiresAt,
    };
  }

  async #isSigned(token: string): Promise<boolean> {
    for (const key of this.#keys) {
      try {
        await compactVerify(token, key, { algorithms: [ALGORITHM] });
        return true;
      } catch {
        // The other secret may have signed it.
      }
    }
    return false;
  }

  /**
   * A foreign subject is a user id as it stands, because that is how its issuer speaks of it, in webhooks too. It must not
   * be that of an account of ours: whoever can choose it there would be that user here. Ours are UUIDs of version 7, so
   * only for such a subject is anybody asked.
   */
  async #verifyForeign(token: string, text: TokenText): Promise<Identity | string> {
    const { foreign, accounts } = this.#options;
    const issuer = foreign.find((one) => one.issuer === text.claims['iss']);
    if (issuer === undefined) return 'issuer';
    const identity = await issuer.verify(token, text);
    if (typeof identity === 'string') return identity;
    // However it is spelled: the database takes capitals for the same id.
    const userId = identity.userId.toLowerCase();
    if (uuidTime(userId) === null) return identity;
    return (await accounts.findUser(userId)) === null ? identity : 'subject of an account';
  }
}

/** The reason stays on this side: it goes to the log, never on the wire. */
export function unauthenticated(reason: string): TandemError {
  return new TandemError('UNAUTHENTICATED', undefined, { cause: new Error(`The token is refused: ${reason}`) });
}
