/**
 * What accounts and tokens need from others. Times are Unix milliseconds. Where two implementations stand behind a port,
 * one conformance suite runs against both.
 */

export interface User {
  readonly id: string;
  /** As it was typed at the registration. */
  readonly email: string;
  readonly name: string | null;
  readonly createdAt: number;
}

export interface Credentials {
  readonly user: User;
  /** argon2id, in PHC format. */
  readonly passwordHash: string;
}

export interface NewAccount {
  readonly id: string;
  readonly email: string;
  /** What addresses are compared by: `emailKeyOf`. */
  readonly emailKey: string;
  readonly name: string | null;
  readonly passwordHash: string;
  readonly now: number;
}

export interface NewLogin {
  readonly id: string;
  readonly userId: string;
  /** SHA-256 of the refresh token. */
  readonly tokenHash: string;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly now: number;
  /** Of the refresh token. */
  readonly expiresAt: number;
}

/** A device on which a user is signed in. */
export interface Login {
  readonly id: string;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly createdAt: number;
  readonly lastUsedAt: number;
}

export interface RefreshRequest {
  readonly tokenHash: string;
  readonly nextHash: string;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly now: number;
  /** Of the next token. */
  readonly expiresAt: number;
  /** Until when access tokens of the login are revoked, should this use end it. */
  readonly revokedUntil: number;
}

export type RefreshResult =
  | { readonly kind: 'rotated'; readonly loginId: string; readonly userId: string }
  /** It was replaced more than 10 s ago, so it is in two hands: the login has ended. */
  | { readonly kind: 'reused'; readonly loginId: string; readonly userId: string }
  /** No such token, an expired one, or one of a login that has ended. */
  | { readonly kind: 'unknown' };

export type LoginEnd = 'logout' | 'logout_all' | 'signed_out' | 'password_changed';

export interface EndLoginsRequest {
  readonly userId: string;
  /** Null: all of them. */
  readonly loginIds: readonly string[] | null;
  readonly keep: string | null;
  readonly reason: LoginEnd;
  readonly now: number;
  /** When the last access token of them expires. */
  readonly revokedUntil: number;
}

export interface PasswordChange {
  readonly userId: string;
  /** The hash that the current password was checked against. */
  readonly knownHash: string;
  readonly nextHash: string;
  /** The login that stays. */
  readonly keep: string;
  readonly now: number;
  readonly revokedUntil: number;
}

/**
 * What is signed, not yet expired, and no longer counts: the tokens of a login (`sid`), one token (`jti`, of a foreign
 * issuer), or those of a user (`sub`) that were issued before `notBefore`. None of them is ever taken back; that of a user
 * only grows.
 */
export type Revocation =
  | { readonly kind: 'login' | 'token'; readonly subject: string; readonly notBefore: null; readonly expiresAt: number }
  | { readonly kind: 'user'; readonly subject: string; readonly notBefore: number; readonly expiresAt: number };

/**
 * Accounts, logins and revocations, for good. Each write is atomic; every method rejects within its deadline when the
 * database does not answer.
 */
export interface AccountStore {
  /** False when the address has an account; of two at the same instant one gets it. */
  register(account: NewAccount, login: NewLogin): Promise<boolean>;
  findByEmail(emailKey: string): Promise<Credentials | null>;
  /** Null also for an id that is no UUID. */
  findUser(userId: string): Promise<Credentials | null>;
  countUsers(): Promise<number>;
  /** `knownHash` is what the password was checked against. Rejects with `INVALID_CREDENTIALS` when it is another by now, or the account is gone. */
  beginLogin(login: NewLogin, knownHash: string): Promise<void>;
  refreshLogin(request: RefreshRequest): Promise<RefreshResult>;
  /** Those that have neither ended nor expired, the last used first, at most `limit`. */
  logins(userId: string, now: number, limit: number): Promise<Login[]>;
  /** Until when the login lasts unless it is used again; null when it has ended, or is none. */
  loginEndsAt(loginId: string, now: number): Promise<number | null>;
  /** Revokes the access tokens of the logins too. Gives those that ended now. */
  endLogins(request: EndLoginsRequest): Promise<string[]>;
  /** Null when the password is another by now; else the logins that ended. */
  changePassword(change: PasswordChange): Promise<string[] | null>;
  /** The account goes, if there is one, with its logins; tokens issued until now no longer count. */
  deleteUser(subject: string, now: number, revokedUntil: number): Promise<void>;
  revoke(revocations: readonly Revocation[]): Promise<void>;
  /**
   * Those that are not expired and were stored or grew since that time of the database's own clock, the oldest change
   * first; null: all of them. `asOf`, of that clock too, with its fraction of a millisecond, is what to ask with next time:
   * nothing is missed between, also what was being written then. So the last ones come again, and with `more` false a part
   * may hold above `limit`: what changed while somebody was writing is not parted.
   */
  revocations(since: number | null, limit: number): Promise<{ revocations: Revocation[]; asOf: number; more: boolean }>;
}

/** Another `epoch` than before: the feed has lost something of what it held. `asOf` is of the feed's own clock. */
export interface FeedReading {
  readonly revocations: readonly Revocation[];
  readonly asOf: number;
  readonly epoch: string;
}

/**
 * How instances tell each other of revocations within a second, and what they know of them while Postgres is away. One
 * process alone has none of this to do. Every method rejects within its deadline.
 */
export interface RevocationFeed {
  /**
   * Keeps them beside the durable store, until they expire, and pushes them to every instance. False: nothing is kept
   * beyond this process.
   */
  publish(revocations: readonly Revocation[]): Promise<boolean>;
  /** What the feed holds: all of it, or what came since then, and some of what came before. */
  changes(since: number | null): Promise<FeedReading>;
  /** Called for what any instance publishes, this one too, as long as nothing is lost on the way. */
  onPublished(listener: (revocations: readonly Revocation[]) => void): void;
}
