import type { Identity } from './identity.ts';
import type { Revocation } from './ports.ts';
import { uuidTime } from './uuid-time.ts';

/** About 40 MB. In a lifetime of an access token far fewer people sign out, unless somebody means harm. */
const MOST_ENTRIES = 200_000;
/** What is left of them when there are more. */
const KEPT_ENTRIES = 20_000;

/** Whether the revocation ends what stands on this token: for those who hold connections. */
export function concerns(revocation: Revocation, identity: Identity): boolean {
  switch (revocation.kind) {
    case 'login':
      return revocation.subject === identity.loginId;
    case 'token':
      return revocation.subject === identity.tokenId;
    case 'user':
      return revocation.subject === identity.userId && identity.issuedAt <= revocation.notBefore;
  }
}

interface UserEntry {
  readonly notBefore: number;
  readonly expiresAt: number;
}

/**
 * The revocations that count now, in memory and bounded. A check is a look into three maps.
 *
 * Times: our own tokens tell their issue in milliseconds, so one that is issued right after a revocation of its user is
 * good. Foreign ones tell it in seconds: one of the same second is refused, for it may as well be the older one, and its
 * user gets another by refreshing.
 *
 * Beyond its bound the copy forgets what it learned first, and refuses every token that was issued until then: people
 * refresh theirs once, and nobody who was signed out comes in.
 */
export class RevocationCopy {
  readonly #ids = { login: new Map<string, number>(), token: new Map<string, number>() };
  readonly #users = new Map<string, UserEntry>();
  readonly #most: number;
  readonly #kept: number;
  #floor = 0;

  constructor(mostEntries = MOST_ENTRIES) {
    this.#most = mostEntries;
    this.#kept = Math.min(KEPT_ENTRIES, Math.floor(mostEntries / 10));
  }

  get size(): number {
    return this.#ids.login.size + this.#ids.token.size + this.#users.size;
  }

  /** Gives those that say something new. */
  apply(revocations: readonly Revocation[], now: number): Revocation[] {
    const news = revocations.filter((revocation) => revocation.expiresAt > now && this.#add(revocation));
    if (this.size > this.#most) {
      this.expire(now);
      if (this.size > this.#most) this.#forget(now);
    }
    return news;
  }

  isRevoked(identity: Identity): boolean {
    return identity.issuedAt <= this.#floor || this.isNamed(identity);
  }

  /** Whether it is revoked itself, and not refused with all others for want of room. */
  isNamed({ userId, loginId, tokenId, issuedAt }: Identity): boolean {
    if (this.#ids.token.has(tokenId)) return true;
    if (loginId !== null && this.#ids.login.has(loginId)) return true;
    const user = this.#users.get(userId);
    return user !== undefined && issuedAt <= user.notBefore;
  }

  /** Whether the login has ended, though the database may not know it yet. Of logins of our own. */
  isLoginRevoked(loginId: string, userId: string): boolean {
    if (this.#ids.login.has(loginId)) return true;
    const begunAt = uuidTime(loginId);
    const user = this.#users.get(userId);
    return user !== undefined && begunAt !== null && begunAt <= user.notBefore;
  }

  /** Lets go of what concerns no token any more. */
  expire(now: number): void {
    for (const ids of Object.values(this.#ids)) {
      for (const [subject, expiresAt] of ids) if (expiresAt <= now) ids.delete(subject);
    }
    for (const [subject, { expiresAt }] of this.#users) if (expiresAt <= now) this.#users.delete(subject);
  }

  #add(revocation: Revocation): boolean {
    const { kind, subject, expiresAt } = revocation;
    if (kind === 'user') {
      const known = this.#users.get(subject);
      const notBefore = Math.max(known?.notBefore ?? 0, revocation.notBefore);
      this.#users.set(subject, { notBefore, expiresAt: Math.max(known?.expiresAt ?? 0, expiresAt) });
      return notBefore !== known?.notBefore;
    }
    const ids = this.#ids[kind];
    const known = ids.get(subject);
    ids.set(subject, Math.max(known ?? 0, expiresAt));
    return known === undefined;
  }

  /** The newest stay by name: the clock of the instance that issued a token may be ahead of this one. */
  #forget(now: number): void {
    this.#floor = now;
    for (const entries of [this.#ids.login, this.#ids.token, this.#users]) {
      let surplus = entries.size - this.#kept;
      for (const subject of entries.keys()) {
        if (surplus <= 0) break;
        entries.delete(subject);
        surplus -= 1;
      }
    }
  }
}
