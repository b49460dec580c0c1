import type { Cache } from '../cache/cache.ts';
import { TandemError } from '../../protocol/errors.ts';
import { FOREIGN_LIFE_MS } from './foreign-issuer.ts';
import type { Identity } from './identity.ts';
import type { AccountStore, Revocation } from './ports.ts';
import { SPARE_MS, type RevocationTerms } from './revocation-terms.ts';
import type { Revocations } from './revocations.ts';
import { isUuid } from './uuid-time.ts';

export interface SignOutOptions {
  readonly store: Pick<AccountStore, 'endLogins' | 'deleteUser' | 'revoke'>;
  readonly revocations: Pick<Revocations, 'revoke' | 'announce' | 'extend'>;
  readonly cache: Pick<Cache, 'invalidate'>;
  readonly terms: RevocationTerms;
  readonly refreshTtlMs: number;
  readonly now: () => number;
}

/**
 * How logins end before their time, on every instance within a second: by the user, or by the word of who keeps the
 * accounts. Resolves when it holds, also over a restart; every method may reject with `UNAVAILABLE`.
 */
export class SignOut {
  readonly #options: SignOutOptions;

  constructor(options: SignOutOptions) {
    this.#options = options;
  }

  /** Ends this login: none of its tokens counts any more, on any instance. */
  async logout(identity: Identity): Promise<void> {
    const { store, terms, now } = this.#options;
    const { kind, userId, loginId } = identity;
    // Our own tokens name their login.
    if (kind === 'foreign' || loginId === null) return this.#logoutForeign(identity);
    const end = terms.ofLogin(loginId);
    const moment = now();
    await this.#keep(end, async () => {
      const ended =
        isUuid(userId) && isUuid(loginId)
          ? await store.endLogins(terms.ending(userId, [loginId], 'logout', moment))
          : [];
      // It is no login of ours, or has ended before.
      if (!ended.includes(loginId)) await store.revoke([end]);
    });
  }

  /** Ends all logins of the user. */
  async logoutAll(identity: Identity): Promise<void> {
    const { store, revocations, terms, now } = this.#options;
    const { kind, userId, loginId } = identity;
    if (kind === 'foreign' || !isUuid(userId)) return this.#endTokens(userId);
    let ended: string[];
    try {
      ended = await store.endLogins(terms.ending(userId, null, 'logout_all', now()));
    } catch (error) {
      if (!(error instanceof TandemError) || error.code !== 'UNAVAILABLE') throw error;
      // Which logins there are is not known now; that they began before is enough.
      return this.endUser(userId);
    }
    await revocations.announce(ended.map((id) => terms.ofLogin(id)));
    if (loginId !== null && !ended.includes(loginId)) await this.logout(identity);
  }

  /** Signs a device of the user out. False when the user has no such login. */
  async endLogin(identity: Identity, loginId: string): Promise<boolean> {
    return identity.kind !== 'foreign' && this.endLoginOf(identity.userId, loginId);
  }

  /** The same, by the word of who keeps the accounts. */
  async endLoginOf(userId: string, loginId: string): Promise<boolean> {
    const { store, revocations, terms, now } = this.#options;
    if (!isUuid(userId) || !isUuid(loginId)) return false;
    const ended = await store.endLogins(terms.ending(userId, [loginId], 'signed_out', now()));
    await revocations.announce(ended.map((id) => terms.ofLogin(id)));
    return ended.length > 0;
  }

  /**
   * No token that was issued to this user until then counts any more; of an account of ours, all logins end that began
   * until then. Now, unless a moment before is given: what is told late, or again, ends nothing that began since.
   */
  async endUser(subject: string, until = this.#options.now()): Promise<void> {
    const { store, terms } = this.#options;
    const user = spelledAsOurs(subject);
    const end = terms.ofUser(user, until);
    await this.#keep(end, async () => {
      if (isUuid(user)) await store.endLogins(terms.ending(user, null, 'logout_all', until));
      await store.revoke([end]);
    });
  }

  /**
   * As `endUser`, and the account goes, if it is one of ours. Its id is never given again: nothing of it is spared, also
   * of what began since.
   */
  async deleteUser(subject: string, until = this.#options.now()): Promise<void> {
    const { store, terms, now } = this.#options;
    const user = spelledAsOurs(subject);
    const moment = isUuid(user) ? now() : until;
    const end = terms.ofUser(user, moment);
    await this.#keep(end, () => store.deleteUser(user, moment, end.expiresAt));
    await this.#options.cache.invalidate('user', user);
  }

  /** Of a user of a foreign issuer, who has no logins here, whatever the subject looks like. */
  async #endTokens(subject: string): Promise<void> {
    const { terms, now } = this.#options;
    await this.#keep(terms.ofUser(subject, now()));
  }

  async #logoutForeign({ loginId, tokenId, expiresAt }: Identity): Promise<void> {
    const { now, revocations } = this.#options;
    const ends: Revocation[] = [{ kind: 'token', subject: tokenId, notBefore: null, expiresAt: expiresAt + SPARE_MS }];
    // Its issuer may give it new tokens, which do not count here.
    const loginUntil = now() + FOREIGN_LIFE_MS + SPARE_MS;
    if (loginId !== null) ends.push({ kind: 'login', subject: loginId, notBefore: null, expiresAt: loginUntil });
    await revocations.revoke(ends);
  }

  /**
   * Where the database did not hear of it, refresh tokens live on there: the revocation is kept as long as they are, so
   * that it meets them at their use even if this process does not live to tell the database.
   */
  async #keep(end: Revocation, write?: () => Promise<unknown>): Promise<void> {
    const { revocations, refreshTtlMs, now } = this.#options;
    const outcome = await revocations.revoke([end], write);
    const until = now() + refreshTtlMs + SPARE_MS;
    if (outcome === 'kept' && until > end.expiresAt) await revocations.extend([{ ...end, expiresAt: until }]);
  }
}

/** Ids of ours are in lower case; whoever names them may have written them otherwise. */
function spelledAsOurs(subject: string): string {
  return isUuid(subject) ? subject.toLowerCase() : subject;
}
