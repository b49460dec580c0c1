import { TandemError } from '../../protocol/errors.ts';
import type {
  AccountStore,
  Credentials,
  EndLoginsRequest,
  Login,
  NewAccount,
  NewLogin,
  PasswordChange,
  RefreshRequest,
  RefreshResult,
  Revocation,
} from './ports.ts';

interface KeptLogin extends Login {
  readonly userId: string;
  isEnded: boolean;
}

/** Accounts in memory, for tests of what is built on them; it can be away, as a database can. */
export class MemoryAccounts implements AccountStore {
  isAway = false;
  /** What every call was, by its name. */
  readonly calls: string[] = [];
  readonly users = new Map<string, Credentials>();
  readonly kept = new Map<string, Revocation>();
  readonly #keptAt: string[] = [];
  readonly #logins = new Map<string, KeptLogin>();
  readonly #tokens = new Map<string, { loginId: string; replacedAt: number | null; expiresAt: number }>();

  register(account: NewAccount, login: NewLogin): Promise<boolean> {
    return this.#answer('register', () => {
      if (this.#byKey(account.emailKey) !== null) return false;
      const { id, email, name, now: createdAt, passwordHash } = account;
      this.users.set(id, { user: { id, email, name, createdAt }, passwordHash });
      this.#begin(login);
      return true;
    });
  }

  findByEmail(emailKey: string): Promise<Credentials | null> {
    return this.#answer('findByEmail', () => this.#byKey(emailKey));
  }

  findUser(userId: string): Promise<Credentials | null> {
    return this.#answer('findUser', () => this.users.get(userId) ?? null);
  }

  countUsers(): Promise<number> {
    return this.#answer('countUsers', () => this.users.size);
  }

  beginLogin(login: NewLogin, knownHash: string): Promise<void> {
    return this.#answer('beginLogin', () => {
      if (this.users.get(login.userId)?.passwordHash !== knownHash) throw new TandemError('INVALID_CREDENTIALS');
      this.#begin(login);
    });
  }

  refreshLogin(request: RefreshRequest): Promise<RefreshResult> {
    return this.#answer('refreshLogin', () => {
      const { tokenHash, nextHash, now, expiresAt, revokedUntil } = request;
      const token = this.#tokens.get(tokenHash);
      const login = token === undefined ? undefined : this.#logins.get(token.loginId);
      if (token === undefined || login === undefined || login.isEnded || token.expiresAt <= now) {
        return { kind: 'unknown' };
      }
      const { id: loginId, userId } = login;
      if (token.replacedAt !== null && token.replacedAt <= now - 10_000) {
        login.isEnded = true;
        this.#keep({ kind: 'login', subject: loginId, notBefore: null, expiresAt: revokedUntil });
        return { kind: 'reused', loginId, userId };
      }
      token.replacedAt ??= now;
      this.#tokens.set(nextHash, { loginId, replacedAt: null, expiresAt });
      return { kind: 'rotated', loginId, userId };
    });
  }

  logins(userId: string, _now: number, limit: number): Promise<Login[]> {
    return this.#answer('logins', () =>
      [...this.#logins.values()]
        .filter((login) => login.userId === userId && !login.isEnded)
        .map(({ id, ip, userAgent, createdAt, lastUsedAt }) => ({ id, ip, userAgent, createdAt, lastUsedAt }))
        .slice(0, limit),
    );
  }

  loginEndsAt(loginId: string, now: number): Promise<number | null> {
    return this.#answer('loginEndsAt', () => {
      const login = this.#logins.get(loginId);
      const ends = [...this.#tokens.values()].filter((token) => token.loginId === loginId);
      const endsAt = Math.max(0, ...ends.map(({ expiresAt }) => expiresAt));
      return login === undefined || login.isEnded || endsAt <= now ? null : endsAt;
    });
  }

  endLogins(request: EndLoginsRequest): Promise<string[]> {
    return this.#answer('endLogins', () => this.#end(request));
  }

  changePassword({ userId, knownHash, nextHash, keep, now, revokedUntil }: PasswordChange): Promise<string[] | null> {
    return this.#answer('changePassword', () => {
      const known = this.users.get(userId);
      if (known?.passwordHash !== knownHash) return null;
      this.users.set(userId, { user: known.user, passwordHash: nextHash });
      return this.#end({ userId, loginIds: null, keep, reason: 'password_changed', now, revokedUntil });
    });
  }

  deleteUser(subject: string, now: number, revokedUntil: number): Promise<void> {
    return this.#answer('deleteUser', () => {
      this.users.delete(subject);
      for (const login of this.#logins.values()) if (login.userId === subject) login.isEnded = true;
      this.#keep({ kind: 'user', subject, notBefore: now, expiresAt: revokedUntil });
    });
  }

  revoke(revocations: readonly Revocation[]): Promise<void> {
    return this.#answer('revoke', () => revocations.forEach((revocation) => this.#keep(revocation)));
  }

  revocations(since: number | null, limit: number) {
    return this.#answer('revocations', () => {
      // The clock of this database counts its writes.
      const from = since ?? 0;
      const page = this.#keptAt.slice(from, from + limit);
      const revocations = page.flatMap((key) => this.kept.get(key) ?? []);
      const asOf = from + page.length;
      return { revocations, asOf, more: asOf < this.#keptAt.length };
    });
  }

  #answer<T>(call: string, work: () => T): Promise<T> {
    this.calls.push(call);
    if (this.isAway) return Promise.reject(new TandemError('UNAVAILABLE', 'The database of this test is away.'));
    return Promise.resolve(work());
  }

  #byKey(emailKey: string): Credentials | null {
    return [...this.users.values()].find(({ user }) => user.email.toLowerCase() === emailKey) ?? null;
  }

  #begin({ id, userId, ip, userAgent, now, tokenHash, expiresAt }: NewLogin): void {
    this.#logins.set(id, { id, userId, ip, userAgent, createdAt: now, lastUsedAt: now, isEnded: false });
    this.#tokens.set(tokenHash, { loginId: id, replacedAt: null, expiresAt });
  }

  #end({ userId, loginIds, keep, revokedUntil }: EndLoginsRequest): string[] {
    const ended = [...this.#logins.values()].filter(
      ({ id, userId: owner, isEnded }) =>
        owner === userId && !isEnded && (loginIds?.includes(id) ?? true) && id !== keep,
    );
    for (const login of ended) {
      login.isEnded = true;
      this.#keep({ kind: 'login', subject: login.id, notBefore: null, expiresAt: revokedUntil });
    }
    return ended.map(({ id }) => id);
  }

  #keep(revocation: Revocation): void {
    const key = `${revocation.kind} ${revocation.subject}`;
    this.kept.set(key, revocation);
    this.#keptAt.push(key);
  }
}
