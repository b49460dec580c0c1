import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { TandemError, type PayloadIssue } from '../../protocol/errors.ts';
import type { Cache } from '../cache/cache.ts';
import { unauthenticated, type AccessTokens, type IssuedToken } from './access-tokens.ts';
import { emailKeyOf, isEmailAddress } from './email-address.ts';
import type { Identity } from './identity.ts';
import type { LoginThrottle } from './login-throttle.ts';
import type { PasswordRules } from './password-rules.ts';
import type { Passwords } from './passwords.ts';
import type { AccountStore, Login, NewLogin, User } from './ports.ts';
import { hashOf, hashRefreshToken, newRefreshToken } from './refresh-token.ts';
import type { RevocationTerms } from './revocation-terms.ts';
import type { Revocations } from './revocations.ts';
import { isUuid } from './uuid-time.ts';

const PROFILE = z.object({ id: z.string(), email: z.string(), name: z.string().nullable(), createdAt: z.number() });
const MOST_LOGINS = 100;
const LONGEST_USER_AGENT = 256;

/** From where a user signs in. */
export interface Device {
  readonly ip: string | null;
  readonly userAgent: string | null;
}

export interface TokenPair extends IssuedToken {
  readonly refreshToken: string;
}

export interface SignedIn extends TokenPair {
  readonly user: User;
}

/** A user of a foreign issuer has an id here, and nothing else. */
export interface Me {
  readonly id: string;
  readonly email: string | null;
  readonly name: string | null;
  readonly createdAt: number | null;
}

export interface ListedLogin extends Login {
  /** Whether it is the one that asks. */
  readonly current: boolean;
}

export interface AccountServiceOptions {
  readonly store: AccountStore;
  /** Of profiles, which are asked for by every page that is opened. */
  readonly cache: Pick<Cache, 'getOrSet'>;
  readonly tokens: Pick<AccessTokens, 'issue'>;
  readonly revocations: Pick<Revocations, 'announce' | 'isLoginRevoked'>;
  readonly terms: RevocationTerms;
  readonly passwords: Passwords;
  readonly rules: PasswordRules;
  readonly throttle: LoginThrottle;
  readonly registrationOpen: boolean;
  readonly refreshTtlMs: number;
  readonly now: () => number;
  /** A refresh token was used in two places; its login has ended. */
  readonly onReuse: () => void;
}

/** Accounts, and how logins begin and go on; every method may reject with `UNAVAILABLE`. How they end: `SignOut`. */
export class AccountService {
  readonly #options: AccountServiceOptions;

  constructor(options: AccountServiceOptions) {
    this.#options = options;
  }

  /** Rejects with `FORBIDDEN`, `INVALID_PAYLOAD`, `EMAIL_TAKEN`. */
  async register(
    given: { readonly email: string; readonly password: string; readonly name: string | null },
    device: Device,
  ): Promise<SignedIn> {
    const { store, rules, passwords, registrationOpen, now } = this.#options;
    if (!registrationOpen)
      throw new TandemError('FORBIDDEN', 'Nobody can register here: ask whoever runs this server.');
    const issues = rules.issues(given.password, 'password');
    if (!isEmailAddress(given.email)) issues.unshift({ path: 'email', message: 'expected one e-mail address' });
    if (issues.length > 0) throw invalid(issues);
    const passwordHash = await passwords.hash(given.password);
    const { email, name } = given;
    const user: User = { id: this.#newId(), email, name, createdAt: now() };
    const { login, refreshToken } = this.#newLogin(user.id, device);
    const account = { id: user.id, email, emailKey: emailKeyOf(email), name, passwordHash, now: user.createdAt };
    if (!(await store.register(account, login))) throw new TandemError('EMAIL_TAKEN');
    return this.#signedIn(user, login.id, refreshToken);
  }

  /** Rejects with `INVALID_CREDENTIALS`, in the same words and time whether there is such an account or not. */
  async login(given: { readonly email: string; readonly password: string }, device: Device): Promise<SignedIn> {
    const { store, passwords, throttle } = this.#options;
    const key = emailKeyOf(given.email);
    await throttle.pass(key);
    const known = isEmailAddress(given.email) ? await store.findByEmail(key) : null;
    const isRight = await passwords.verify(known?.passwordHash ?? null, given.password);
    if (known === null || !isRight) {
      throttle.failed(key);
      throw new TandemError('INVALID_CREDENTIALS');
    }
    throttle.succeeded(key);
    const { login, refreshToken } = this.#newLogin(known.user.id, device);
    await store.beginLogin(login, known.passwordHash);
    return this.#signedIn(known.user, login.id, refreshToken);
  }

  /** Rejects with `UNAUTHENTICATED`. */
  async refresh(refreshToken: string, device: Device): Promise<TokenPair> {
    const { store, tokens, revocations, terms, now, onReuse } = this.#options;
    const tokenHash = hashRefreshToken(refreshToken);
    if (tokenHash === null) throw unauthenticated('form of the refresh token');
    const next = newRefreshToken();
    const used = await store.refreshLogin({
      tokenHash,
      nextHash: hashOf(next),
      ...this.#useBy(device),
      revokedUntil: terms.revokedUntil(),
    });
    switch (used.kind) {
      case 'unknown':
        throw unauthenticated('unknown refresh token');
      case 'reused':
        onReuse();
        await revocations.announce([terms.ofLogin(used.loginId)]);
        throw unauthenticated('refresh token that was replaced');
      case 'rotated': {
        const { loginId, userId } = used;
        if (!revocations.isLoginRevoked(loginId, userId)) {
          return { ...(await tokens.issue(userId, loginId)), refreshToken: next };
        }
        // Signed out while the database was away, and nobody has told it so far.
        await store.endLogins(terms.ending(userId, [loginId], 'logout', now()));
        throw unauthenticated('login that has ended');
      }
    }
  }

  /** Rejects with `FORBIDDEN` for users of foreign issuers, `INVALID_PAYLOAD`, `INVALID_CREDENTIALS`. */
  async changePassword(identity: Identity, given: { readonly current: string; readonly next: string }): Promise<void> {
    const { store, passwords, rules, throttle, revocations, terms, now } = this.#options;
    const known = await this.#ownAccount(identity);
    const issues = rules.issues(given.next, 'next');
    if (issues.length > 0) throw invalid(issues);
    const key = emailKeyOf(known.user.email);
    await throttle.pass(key);
    if (!(await passwords.verify(known.passwordHash, given.current))) {
      throttle.failed(key);
      throw new TandemError('INVALID_CREDENTIALS', 'The current password is wrong.');
    }
    throttle.succeeded(key);
    const { loginId } = identity;
    const ended = await store.changePassword({
      userId: known.user.id,
      knownHash: known.passwordHash,
      nextHash: await passwords.hash(given.next),
      // A token that names no login of ours keeps none.
      keep: loginId !== null && isUuid(loginId) ? loginId : randomUUID(),
      now: now(),
      revokedUntil: terms.revokedUntil(),
    });
    if (ended === null) throw new TandemError('INVALID_CREDENTIALS', 'The password was changed meanwhile.');
    await revocations.announce(ended.map((id) => terms.ofLogin(id)));
  }

  /** Rejects with `UNAUTHENTICATED` when the account is gone. */
  async me(identity: Identity): Promise<Me> {
    if (identity.kind === 'foreign') return { id: identity.userId, email: null, name: null, createdAt: null };
    return this.#options.cache.getOrSet<Me>({
      kind: 'user',
      subject: identity.userId,
      key: 'profile',
      parse: (kept) => PROFILE.parse(kept),
      load: async () => (await this.#ownAccount(identity)).user,
    });
  }

  /** An account of ours by its id or its address, for whoever looks after all of them; null when there is none. */
  async find(idOrEmail: string): Promise<User | null> {
    const { store } = this.#options;
    const known = isUuid(idOrEmail)
      ? await store.findUser(idOrEmail.toLowerCase())
      : isEmailAddress(idOrEmail)
        ? await store.findByEmail(emailKeyOf(idOrEmail))
        : null;
    return known?.user ?? null;
  }

  /** Devices on which the user is signed in here, the last used first. */
  loginsOf(userId: string): Promise<Login[]> {
    return this.#options.store.logins(userId, this.#options.now(), MOST_LOGINS);
  }

  /** As `loginsOf`, as the user sees them: in the order of every list, the newest first. */
  async logins(identity: Identity): Promise<ListedLogin[]> {
    if (identity.kind === 'foreign' || !isUuid(identity.userId)) return [];
    const logins = await this.loginsOf(identity.userId);
    logins.sort((one, other) => other.createdAt - one.createdAt);
    return logins.map((login) => ({ ...login, current: login.id === identity.loginId }));
  }

  async #ownAccount({ kind, userId }: Identity) {
    if (kind === 'foreign') throw new TandemError('FORBIDDEN', 'The account of this user is kept elsewhere.');
    const known = await this.#options.store.findUser(userId);
    if (known === null) throw unauthenticated('account that is gone');
    return known;
  }

  async #signedIn(user: User, loginId: string, refreshToken: string): Promise<SignedIn> {
    return { user, ...(await this.#options.tokens.issue(user.id, loginId)), refreshToken };
  }

  #newLogin(userId: string, device: Device): { login: NewLogin; refreshToken: string } {
    const refreshToken = newRefreshToken();
    const login = { id: this.#newId(), userId, tokenHash: hashOf(refreshToken), ...this.#useBy(device) };
    return { login, refreshToken };
  }

  #useBy({ ip, userAgent }: Device) {
    const now = this.#options.now();
    const expiresAt = now + this.#options.refreshTtlMs;
    return { ip, userAgent: userAgent?.slice(0, LONGEST_USER_AGENT) ?? null, now, expiresAt };
  }

  /** Begins with its time: logins that began before a moment are told by their ids. */
  #newId(): string {
    return uuidv7({ msecs: this.#options.now() });
  }
}

function invalid(issues: PayloadIssue[]): TandemError {
  const [first] = issues;
  return new TandemError('INVALID_PAYLOAD', `${first?.path ?? ''}: ${first?.message ?? 'wrong shape'}`, { issues });
}
