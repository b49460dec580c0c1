import { TandemError } from '../../protocol/errors.ts';
import type { Identity } from '../auth/identity.ts';
import type { Connection } from './connection.ts';
import type { Authenticate } from './handshake.ts';
import type { Rooms } from './rooms.ts';

/** A revocation that comes while a handshake is under way is noticed by the next look. */
const LOOK_MS = 500;
/** How long a connection outlives its foreign token: time to bring a fresh one. */
const FOREIGN_GRACE_MS = 60_000;
/** A login that could not be looked up is looked up again. */
const RETRY_MS = 60_000;

/** What is known of tokens and logins. */
export interface ConnectionIdentities {
  authenticate: Authenticate;
  /** Throws when the token does not count any more, or nobody can tell. */
  ensureCounts: (identity: Identity) => void;
  isRevoked: (identity: Identity) => boolean;
  /** Until when the login of an own token lasts at least; null when it has ended. */
  loginEndsAt: (identity: Identity) => Promise<number | null>;
}

export interface SignedInOptions extends Omit<ConnectionIdentities, 'ensureCounts'> {
  rooms: Pick<Rooms, 'connections' | 'end'>;
  /** How long a login lasts from each use. */
  loginTtlMs: number;
  now: () => number;
  onError: (error: unknown) => void;
}

/** Connections of users who are signed in: each lives as long as its login, or its foreign token. */
export class SignedIn {
  readonly #options: SignedInOptions;
  /** When the login of a connection is looked up next. */
  readonly #askAt = new WeakMap<Identity, number>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: SignedInOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.look(), LOOK_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** The connection goes on under this token. Throws `UNAUTHENTICATED`, `FORBIDDEN` for a token of somebody else. */
  async refresh(connection: Connection, token: string): Promise<void> {
    const { identity } = connection;
    if (identity === null) {
      throw new TandemError('FORBIDDEN', 'This connection was opened without a token: connect anew with one.');
    }
    const fresh = await this.#options.authenticate(token);
    if (fresh.userId !== identity.userId) {
      throw new TandemError('FORBIDDEN', 'This token is of another user: connect anew with it.');
    }
    connection.identity = fresh;
  }

  /** Ends connections whose login or token has ended. */
  look(): void {
    const { rooms, now } = this.#options;
    for (const connection of rooms.connections()) {
      const { identity, closing } = connection;
      if (identity === null || closing !== null) continue;
      if (this.#hasEnded(identity, now())) rooms.end(connection, 'revoked');
      else if (identity.kind === 'own') this.#watchLogin(identity);
    }
  }

  #hasEnded(identity: Identity, now: number): boolean {
    if (this.#options.isRevoked(identity)) return true;
    return identity.kind === 'foreign' && identity.expiresAt + FOREIGN_GRACE_MS <= now;
  }

  /**
   * The refresh token that came with this access token lasts so long; then others of the login may have taken its place.
   * Asked once for all connections under the token.
   */
  #watchLogin(identity: Identity): void {
    const { now, loginTtlMs, loginEndsAt, onError } = this.#options;
    if (now() < (this.#askAt.get(identity) ?? identity.issuedAt + loginTtlMs)) return;
    this.#askAt.set(identity, now() + RETRY_MS);
    loginEndsAt(identity).then((endsAt) => {
      if (endsAt === null) this.#endAll(identity);
      else this.#askAt.set(identity, endsAt);
    }, onError);
  }

  #endAll(identity: Identity): void {
    const { rooms } = this.#options;
    for (const connection of rooms.connections()) {
      if (connection.identity === identity && connection.closing === null) rooms.end(connection, 'revoked');
    }
  }
}
