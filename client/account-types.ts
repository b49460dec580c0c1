import type { Message, Session } from '../protocol/session.ts';

/** Who is signed in. A user of a foreign issuer has an id here, and nothing else. */
export interface User {
  readonly id: string;
  readonly email: string | null;
  readonly name: string | null;
  /** ISO 8601 UTC. */
  readonly createdAt: string | null;
}

/** A device that is signed in. Times are ISO 8601 UTC. */
export interface Login {
  readonly id: string;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly createdAt: string;
  readonly lastUsedAt: string;
  /** Whether it is this one. */
  readonly current: boolean;
}

export interface SessionPage {
  /** The newest first. */
  readonly sessions: readonly Session[];
  /** For the next page; null: this was the last. */
  readonly nextCursor: string | null;
}

export interface MessagePage {
  /** Ascending by `seq`, as they are stored: those of an encrypted session are ciphertext. */
  readonly messages: readonly Message[];
  /** Whether there is more in the direction that was asked for. */
  readonly hasMore: boolean;
  readonly lastSeq: number;
}

/**
 * Why nobody is signed in any more: it was asked for `here`; it was done `elsewhere`, in another tab; or the server
 * `refused` the login, which was ended from another device, by a new password, or by its age.
 */
export type SignOutReason = 'here' | 'elsewhere' | 'refused';

export interface AccountEvents {
  /** In this tab or another one. Not told of the login that was there from the start. */
  signedIn: { readonly user: User };
  signedOut: { readonly user: User; readonly reason: SignOutReason };
  /** There is a fresh access token. */
  renewed: { readonly token: string };
}

/** `localStorage`, `sessionStorage`, or an object of the application's own. Methods may throw. */
export interface AccountStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface AccountOptions {
  /** Address of the server, such as `https://tandem.example`. In a browser the page's own origin unless given. */
  readonly url?: string;
  /**
   * Where the login survives a reload: `localStorage` unless given, where there is one, so that all tabs are signed in.
   * Null: nowhere. One that is full or forbidden is as good as null.
   */
  readonly storage?: AccountStorage | null;
  /** Tells logins apart that share a storage: `tandem.account` unless given. */
  readonly storageKey?: string;
}

/** What an account needs of a `TandemClient`. */
export interface FollowedClient {
  readonly connection: { readonly kind: string };
  readonly session: { readonly ended: { readonly reason: string } | null } | null;
  on(event: 'connection', listener: (state: { readonly kind: string }) => void): () => void;
  refreshToken(token: string): Promise<void>;
}
